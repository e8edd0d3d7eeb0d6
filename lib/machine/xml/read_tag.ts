import type { Buffer } from 'node:buffer'
import { BYTE, fail, nameEnd, readName, spaceEnd, startsWith, textOf } from './xml_bytes.ts'
import { decodeAttribute } from './xml_text.ts'
import type { XmlAttribute, XmlLeaf } from './xml_tree.ts'

/** Of one element; VirtualBox writes no more than some forty. */
const MAX_ATTRIBUTES = 1000

/** The start tag of an element, or the only one. */
export interface StartTag {
  readonly name: string
  readonly attributes: readonly XmlAttribute[]
  /** White space in front of the `>` or `/>`. */
  readonly beforeClose: string
  /** Whether the element has no content and no end tag. */
  readonly isClosed: boolean
  /** The byte behind it. */
  readonly end: number
}

/** A comment, a CDATA section or an instruction. */
export interface Markup {
  readonly kind: Exclude<XmlLeaf['kind'], 'text'>
  /** The byte behind it. */
  readonly end: number
}

/**
 * Reads a start tag.
 *
 * @throws SyntaxError with the line, when there is none or it is malformed
 */
export function readStartTag(bytes: Buffer, at: number): StartTag {
  const name = bytes[at] === BYTE.less ? readName(bytes, at + 1) : undefined
  if (name === undefined) fail(bytes, at, 'there is no element where one was to start')
  const attributes: XmlAttribute[] = []
  const names = new Set<string>()
  let position = nameEnd(bytes, at + 1)
  for (;;) {
    const next = spaceEnd(bytes, position)
    const before = textOf(bytes, position, next)
    const isClosed = bytes[next] === BYTE.slash && bytes[next + 1] === BYTE.greater
    if (isClosed || bytes[next] === BYTE.greater) {
      return { name, attributes, beforeClose: before, isClosed, end: next + (isClosed ? 2 : 1) }
    }
    if (before === '') fail(bytes, next, `the start tag of "${name}" is malformed`)
    const { attribute, end } = readAttribute(bytes, next, before)
    if (names.has(attribute.name)) fail(bytes, next, `the attribute "${attribute.name}" is there twice`)
    names.add(attribute.name)
    attributes.push(attribute)
    if (names.size > MAX_ATTRIBUTES) fail(bytes, at, `"${name}" has more than ${MAX_ATTRIBUTES} attributes`)
    position = end
  }
}

function readAttribute(
  bytes: Buffer,
  at: number,
  before: string,
): { readonly attribute: XmlAttribute; readonly end: number } {
  const name = readName(bytes, at)
  if (name === undefined) fail(bytes, at, 'an attribute is malformed')
  const behind = nameEnd(bytes, at)
  const sign = spaceEnd(bytes, behind)
  if (bytes[sign] !== BYTE.equals) fail(bytes, at, `the attribute "${name}" has no value`)
  const start = spaceEnd(bytes, sign + 1)
  const isDouble = bytes[start] === BYTE.doubleQuote
  if (!isDouble && bytes[start] !== BYTE.singleQuote) {
    fail(bytes, at, `the value of the attribute "${name}" is not quoted`)
  }
  const end = bytes.indexOf(isDouble ? BYTE.doubleQuote : BYTE.singleQuote, start + 1)
  const raw = end < 0 ? '<' : textOf(bytes, start + 1, end)
  if (raw.includes('<')) fail(bytes, at, `the value of the attribute "${name}" has no end or holds a "<"`)
  checkReferences(bytes, at, raw, decodeAttribute)
  const equals = textOf(bytes, behind, start)
  return { attribute: { before, name, equals, quote: isDouble ? '"' : "'", raw }, end: end + 1 }
}

/**
 * Checks the references in a piece of XML.
 *
 * @throws SyntaxError with the line of the byte `at`
 */
export function checkReferences(
  bytes: Buffer,
  at: number,
  raw: string,
  decode: (raw: string) => string,
): void {
  if (!raw.includes('&')) return
  try {
    decode(raw)
  } catch (error) {
    fail(bytes, at, error instanceof Error ? error.message : String(error))
  }
}

/**
 * Reads the end tag of the open element and returns the byte behind it.
 *
 * @throws SyntaxError with the line, when there is another one
 */
export function readEndTag(bytes: Buffer, at: number, open: string): number {
  const name = readName(bytes, at + 2) ?? ''
  const end = spaceEnd(bytes, nameEnd(bytes, at + 2))
  if (name !== open || bytes[end] !== BYTE.greater) {
    fail(bytes, at, `there is "</${name}" where "</${open}>" was to come`)
  }
  return end + 1
}

/**
 * Reads a comment, a CDATA section or an instruction.
 *
 * @throws SyntaxError with the line, when it is malformed
 */
export function readMarkup(bytes: Buffer, at: number): Markup {
  if (startsWith(bytes, '<!--', at)) {
    const end = bytes.indexOf('--', at + 4)
    if (end < 0 || bytes[end + 2] !== BYTE.greater) fail(bytes, at, 'a comment is malformed')
    return { kind: 'comment', end: end + 3 }
  }
  if (startsWith(bytes, '<![CDATA[', at)) {
    const end = bytes.indexOf(']]>', at + 9)
    if (end < 0) fail(bytes, at, 'a CDATA section has no end')
    return { kind: 'cdata', end: end + 3 }
  }
  const target = startsWith(bytes, '<?', at) ? readName(bytes, at + 2) : undefined
  const end = target === undefined ? -1 : bytes.indexOf('?>', at + 2)
  const behind = nameEnd(bytes, at + 2)
  const isParted = end === behind || spaceEnd(bytes, behind) > behind
  if (target === undefined || end < 0 || !isParted || /^xml$/i.test(target)) {
    fail(bytes, at, 'there is malformed markup')
  }
  return { kind: 'instruction', end: end + 2 }
}
