const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

const REFERENCE = /&([^;&]{0,40};?)/g

/** Matches the first character that XML 1.0 does not allow, written or by reference. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids.
export const FORBIDDEN_CHARACTER: RegExp = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/u

/**
 * Resolves the references in a piece of XML: the five predefined entities and character references.
 * Line ends become `\n`, as the XML specification (2.11) asks for.
 *
 * @throws SyntaxError for any other reference, and for one that names a forbidden character
 */
export function decodeText(raw: string): string {
  const text = raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw
  return text.includes('&') ? text.replace(REFERENCE, (_, body: string) => resolveReference(body)) : text
}

/**
 * Resolves the references in an attribute value. White space that is written as such becomes spaces
 * (XML specification, 3.3.3); white space written as `&#10;` stays.
 *
 * @throws SyntaxError like {@link decodeText}
 */
export function decodeAttribute(raw: string): string {
  return decodeText(raw.replace(/\r\n|[\t\r\n]/g, ' '))
}

function resolveReference(body: string): string {
  const name = body.endsWith(';') ? body.slice(0, -1) : undefined
  const predefined = name === undefined ? undefined : PREDEFINED.get(name)
  if (predefined !== undefined) return predefined
  const number = /^#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}))$/.exec(name ?? '')
  const code =
    number === null ? Number.NaN : Number.parseInt(number[1] ?? number[2] ?? '', number[1] ? 16 : 10)
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : '\0'
  if (FORBIDDEN_CHARACTER.test(character)) {
    throw new SyntaxError(`${JSON.stringify(`&${body}`)} is not a reference that settings may hold`)
  }
  return character
}

/** How far the start of a line is moved: first to the left, but not over its start, then to the right, in columns. */
export interface LineShift {
  readonly left: number
  readonly right: number
}

/** Leaves a line where it is. */
export const NO_SHIFT: LineShift = { left: 0, right: 0 }

/** Adds a move by `columns` to the right, or to the left when negative. */
export function shiftedBy({ left, right }: LineShift, columns: number): LineShift {
  if (columns >= 0) return { left, right: right + columns }
  const back = Math.min(right, -columns)
  return { left: left - columns - back, right: right - back }
}

/**
 * Moves the line that starts at the end of a piece of white space. What is no white space, or has no line, stays as it
 * is.
 */
export function shiftLine(raw: string, { left, right }: LineShift): string {
  const start = raw.lastIndexOf('\n') + 1
  if (left + right === 0 || start === 0 || !isBlankText(raw)) return raw
  return raw.slice(0, Math.max(start, raw.length - left)) + ' '.repeat(right)
}

/** Tells whether a text consists of nothing but white space. */
export function isBlankText(raw: string): boolean {
  return /^[ \t\r\n]*$/.test(raw)
}

const REFERENCES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\t', '&#9;'],
  ['\n', '&#10;'],
  ['\r', '&#13;'],
  ['"', '&quot;'],
  ["'", '&apos;'],
])

/**
 * Writes a value as the inside of an attribute, with the references that libxml2, VirtualBox's writer, uses.
 *
 * @throws RangeError when the value holds a character that XML forbids
 */
export function encodeAttribute(value: string, quote: '"' | "'", ascii: boolean): string {
  return encode(value, quote === '"' ? /[&<>\t\n\r"]/g : /[&<>\t\n\r']/g, ascii)
}

/**
 * Writes a value as the text of an element, with the references that libxml2 uses.
 *
 * @throws RangeError when the value holds a character that XML forbids
 */
export function encodeText(value: string, ascii: boolean): string {
  return encode(value, /[&<>\r]/g, ascii)
}

function encode(value: string, special: RegExp, ascii: boolean): string {
  checkCharacters(value)
  const markup = value.replace(special, character => REFERENCES.get(character) ?? character)
  return ascii ? markup.replace(/[^\0-\x7f]/gu, numericReference) : markup
}

function numericReference(character: string): string {
  return `&#x${character.codePointAt(0)?.toString(16).toUpperCase()};`
}

function checkCharacters(value: string): void {
  const found = FORBIDDEN_CHARACTER.exec(value)?.[0]
  if (found === undefined) return
  const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
  throw new RangeError(`character U+${code} cannot be written to a settings file`)
}
