import { decodeAttribute, decodeText, FORBIDDEN_CHARACTER } from './xml_text.ts'
import type { XmlAttribute, XmlDocument, XmlElement, XmlLeaf } from './xml_tree.ts'

/** Elements inside each other; 500 snapshots and their media need some 1,010. */
export const MAX_DEPTH = 4096

/**
 * Elements, attributes and pieces of text together; 250 snapshots of a large machine have some 850,000. Each takes
 * up to 300 bytes of memory, and four of a file.
 */
export const MAX_PIECES = 2_000_000

/** Of one element; VirtualBox writes no more than some forty. */
const MAX_ATTRIBUTES = 1000

const SPACE = /[ \t\r\n]*/y
const NAME_START = ':A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C-\\u200D'
const NAME_REST = '\\-.0-9\\xB7\\u0300-\\u036F\\u203F-\\u2040'
const NAME_HIGH =
  '\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}'
const NAME = new RegExp(`[${NAME_START}${NAME_HIGH}][${NAME_START}${NAME_REST}${NAME_HIGH}]*`, 'uy')
const EQUALS = /[ \t\r\n]*=[ \t\r\n]*/y
const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.[0-9]+"|'1\.[0-9]+')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/

/**
 * Reads an XML 1.0 text without losing a character of it. Document types are refused before anything
 * is read, so no entity but the five predefined ones exists. A general parser is not used because none
 * gives back the style of what it read (white space in tags, quotes, which references were used).
 *
 * @throws SyntaxError with the line, when the text is not well-formed, has a document type, another
 * encoding than UTF-8, more than {@link MAX_DEPTH} elements inside each other, or {@link MAX_PIECES} pieces
 */
export function parseXml(text: string): XmlDocument {
  const doctype = text.indexOf('<!DOCTYPE')
  if (doctype >= 0) fail(text, doctype, 'a document type is not allowed')
  const forbidden = FORBIDDEN_CHARACTER.exec(text)
  if (forbidden !== null) fail(text, forbidden.index, 'there is a character that XML forbids')
  const rootStart = skipMisc(text, readDeclaration(text))
  if (rootStart >= text.length) fail(text, rootStart, 'there is no root element')
  const { root, end } = readRoot(text, rootStart)
  const behind = skipMisc(text, end)
  if (behind < text.length) fail(text, behind, 'there is something behind the root element')
  return { prolog: text.slice(0, rootStart), root, epilog: text.slice(end) }
}

function fail(text: string, at: number, what: string): never {
  let line = 1
  for (
    let newline = text.indexOf('\n');
    newline >= 0 && newline < at;
    newline = text.indexOf('\n', newline + 1)
  ) {
    line++
  }
  throw new SyntaxError(`line ${line}: ${what}`)
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function readDeclaration(text: string): number {
  if (!/^<\?xml[ \t\r\n]/.test(text)) return 0
  const declaration = DECLARATION.exec(text)
  if (declaration === null) fail(text, 0, 'the XML declaration is malformed')
  const encoding = declaration[1] ?? declaration[2] ?? 'UTF-8'
  if (!/^(?:utf-8|us-ascii)$/i.test(encoding))
    fail(text, 0, `the encoding is ${encoding.slice(0, 40)}, not UTF-8`)
  return declaration[0].length
}

/** Returns where the white space, comments and instructions at `at` end. */
function skipMisc(text: string, at: number): number {
  let position = at
  for (;;) {
    position += match(SPACE, text, position)?.length ?? 0
    if (!text.startsWith('<!--', position) && !text.startsWith('<?', position)) return position
    position += readMarkup(text, position).raw.length
  }
}

/** Reads a comment, a CDATA section or an instruction. */
function readMarkup(text: string, at: number): XmlLeaf {
  if (text.startsWith('<!--', at)) {
    const end = text.indexOf('--', at + 4)
    if (end < 0 || text[end + 2] !== '>') fail(text, at, 'a comment is malformed')
    return { kind: 'comment', raw: text.slice(at, end + 3) }
  }
  if (text.startsWith('<![CDATA[', at)) {
    const end = text.indexOf(']]>', at + 9)
    if (end < 0) fail(text, at, 'a CDATA section has no end')
    return { kind: 'cdata', raw: text.slice(at, end + 3) }
  }
  const target = text.startsWith('<?', at) ? match(NAME, text, at + 2) : undefined
  const end = text.indexOf('?>', at + 2)
  const behind = at + 2 + (target?.length ?? 0)
  const isParted = end === behind || /[ \t\r\n]/.test(text[behind] ?? '')
  if (target === undefined || end < 0 || !isParted || /^xml$/i.test(target)) {
    fail(text, at, 'there is malformed markup')
  }
  return { kind: 'instruction', raw: text.slice(at, end + 2) }
}

function readRoot(text: string, start: number): { readonly root: XmlElement; readonly end: number } {
  const { element: root, end: rootEnd } = readStartTag(text, start, undefined)
  let open: XmlElement | undefined = root.endTag === undefined ? undefined : root
  let depth = 1
  let at = rootEnd
  let pieces = 0
  while (open !== undefined) {
    if (pieces > MAX_PIECES) fail(text, at, `there are more than ${MAX_PIECES} pieces of XML`)
    const markup = text.indexOf('<', at)
    if (markup < 0) fail(text, text.length, `the element "${open.name}" has no end`)
    if (markup > at) open.children.push(readText(text, at, markup))
    pieces += markup > at ? 2 : 1
    if (text[markup + 1] === '/') {
      at = readEndTag(text, markup, open)
      open = open.parent
      depth--
    } else if (text[markup + 1] === '!' || text[markup + 1] === '?') {
      const leaf = readMarkup(text, markup)
      open.children.push(leaf)
      at = markup + leaf.raw.length
    } else {
      const { element, end } = readStartTag(text, markup, open)
      open.children.push(element)
      pieces += element.attributes.length
      at = end
      if (element.endTag !== undefined) {
        open = element
        if (++depth > MAX_DEPTH) fail(text, markup, `more than ${MAX_DEPTH} elements are inside each other`)
      }
    }
  }
  return { root, end: at }
}

function readText(text: string, at: number, end: number): XmlLeaf {
  const raw = text.slice(at, end)
  if (raw.includes(']]>')) fail(text, at, 'there is a "]]>" in text')
  checkReferences(text, at, raw, decodeText)
  return { kind: 'text', raw }
}

function checkReferences(text: string, at: number, raw: string, decode: (raw: string) => string): void {
  if (!raw.includes('&')) return
  try {
    decode(raw)
  } catch (error) {
    fail(text, at, error instanceof Error ? error.message : String(error))
  }
}

function readEndTag(text: string, at: number, open: XmlElement): number {
  const name = match(NAME, text, at + 2) ?? ''
  const close = at + 2 + name.length
  const end = close + (match(SPACE, text, close)?.length ?? 0)
  if (name !== open.name || text[end] !== '>') {
    fail(text, at, `there is "</${name}" where "</${open.name}>" was to come`)
  }
  open.endTag = text.slice(at, end + 1)
  return end + 1
}

/** Reads a start tag; an element that has content gets an end tag later and a provisional one here. */
function readStartTag(
  text: string,
  at: number,
  parent: XmlElement | undefined,
): { readonly element: XmlElement; readonly end: number } {
  const name = text[at] === '<' ? match(NAME, text, at + 1) : undefined
  if (name === undefined) fail(text, at, 'there is no element where one was to start')
  const attributes: XmlAttribute[] = []
  const names = new Set<string>()
  let position = at + 1 + name.length
  for (;;) {
    const before = match(SPACE, text, position) ?? ''
    const next = position + before.length
    const closed = text.startsWith('/>', next)
    if (closed || text[next] === '>') {
      const endTag = closed ? undefined : `</${name}>`
      const element: XmlElement = {
        kind: 'element',
        name,
        attributes,
        beforeClose: before,
        children: [],
        endTag,
        parent,
      }
      return { element, end: next + (closed ? 2 : 1) }
    }
    if (before === '') fail(text, next, `the start tag of "${name}" is malformed`)
    const attribute = readAttribute(text, next, before)
    if (names.has(attribute.name)) fail(text, next, `the attribute "${attribute.name}" is there twice`)
    names.add(attribute.name)
    attributes.push(attribute)
    if (names.size > MAX_ATTRIBUTES) fail(text, at, `"${name}" has more than ${MAX_ATTRIBUTES} attributes`)
    position = next + attribute.name.length + attribute.equals.length + attribute.raw.length + 2
  }
}

function readAttribute(text: string, at: number, before: string): XmlAttribute {
  const name = match(NAME, text, at)
  if (name === undefined) fail(text, at, 'an attribute is malformed')
  const equals = match(EQUALS, text, at + name.length)
  if (equals === undefined) fail(text, at, `the attribute "${name}" has no value`)
  const start = at + name.length + equals.length
  const quote = text[start]
  if (quote !== '"' && quote !== "'") fail(text, at, `the value of the attribute "${name}" is not quoted`)
  const end = text.indexOf(quote, start + 1)
  const raw = end < 0 ? '<' : text.slice(start + 1, end)
  if (raw.includes('<')) fail(text, at, `the value of the attribute "${name}" has no end or holds a "<"`)
  checkReferences(text, at, raw, decodeAttribute)
  return { before, name, equals, quote, raw }
}
