import { Buffer } from 'node:buffer'
import { FORBIDDEN_CHARACTER } from './xml_text.ts'

/** Bytes that markup is made of; none of them is ever part of a longer character of UTF-8. */
export const BYTE = {
  lineFeed: 0x0a,
  exclamation: 0x21,
  doubleQuote: 0x22,
  singleQuote: 0x27,
  slash: 0x2f,
  less: 0x3c,
  equals: 0x3d,
  greater: 0x3e,
  question: 0x3f,
} as const

const NAME_START = ':A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C-\\u200D'
const NAME_REST = '\\-.0-9\\xB7\\u0300-\\u036F\\u203F-\\u2040'
const NAME_HIGH =
  '\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}'
const NAME = new RegExp(`^[${NAME_START}${NAME_HIGH}][${NAME_START}${NAME_REST}${NAME_HIGH}]*$`, 'u')

/** By byte: whether a name can hold it. Of the characters outside ASCII it can hold most. */
const IS_OF_NAME: readonly boolean[] = Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x80 || /[:A-Z_a-z\-.0-9]/.test(String.fromCharCode(byte)),
)

/** Bytes whose characters are looked at in one piece. */
const PIECE = 64 * 1024

/**
 * Refuses a text for what is found at a byte of it.
 *
 * @throws SyntaxError with the line
 */
export function fail(bytes: Buffer, at: number, what: string): never {
  throw new SyntaxError(`line ${lineOf(bytes, at)}: ${what}`)
}

function lineOf(bytes: Buffer, at: number): number {
  let line = 1
  let newline = bytes.indexOf(BYTE.lineFeed)
  for (; newline >= 0 && newline < at; newline = bytes.indexOf(BYTE.lineFeed, newline + 1)) line++
  return line
}

/**
 * Checks that a text is UTF-8 and holds no character that XML forbids, without making one string of all of it.
 *
 * @throws SyntaxError
 */
export function checkCharacters(bytes: Buffer): void {
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = characterStart(bytes, at + PIECE)
    const text = decodeUtf8(bytes.subarray(at, end))
    const forbidden = FORBIDDEN_CHARACTER.exec(text)
    if (forbidden === null) continue
    const before = Buffer.byteLength(text.slice(0, forbidden.index))
    fail(bytes, at + before, 'there is a character that XML forbids')
  }
}

/** Where a character starts, at `at` or up to three bytes in front of it. */
function characterStart(bytes: Buffer, at: number): number {
  if (at >= bytes.length) return bytes.length
  let start = at
  while (start > at - 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--
  return start
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new SyntaxError('it is not UTF-8', { cause })
  }
}

/** The characters from one byte up to another one. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, end)
}

/** Tells whether a text stands at a byte; it holds nothing outside ASCII. */
export function startsWith(bytes: Buffer, text: string, at: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false
  }
  return true
}

/** Tells whether a byte is white space of XML. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === BYTE.lineFeed || byte === 0x0d || byte === 0x09
}

/** Where the white space at a byte ends. */
export function spaceEnd(bytes: Buffer, at: number): number {
  let end = at
  while (isSpace(bytes[end])) end++
  return end
}

/** Where what may be a name ends. */
export function nameEnd(bytes: Buffer, at: number): number {
  let end = at
  while (IS_OF_NAME[bytes[end] ?? 0] === true) end++
  return end
}

/** Reads a name; undefined when there is none. */
export function readName(bytes: Buffer, at: number): string | undefined {
  const text = textOf(bytes, at, nameEnd(bytes, at))
  return NAME.test(text) ? text : undefined
}

/**
 * Looks for a text from ever later bytes on, at each byte no more than once.
 *
 * @returns the byte where it stands next; infinity when it does not
 */
export function finder(bytes: Buffer, text: string): (from: number) => number {
  let found = -1
  return from => {
    if (found >= from) return found
    const next = bytes.indexOf(text, from)
    found = next < 0 ? Number.POSITIVE_INFINITY : next
    return found
  }
}
