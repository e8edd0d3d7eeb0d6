import { Buffer } from 'node:buffer'
import { ElementPlaces, ReadElement } from './read_element.ts'
import { checkReferences, readEndTag, readMarkup, readStartTag } from './read_tag.ts'
import { startTagText } from './write_xml.ts'
import { BYTE, checkCharacters, fail, finder, isSpace, spaceEnd, startsWith, textOf } from './xml_bytes.ts'
import { decodeText } from './xml_text.ts'
import type { XmlDocument } from './xml_tree.ts'

/** Elements inside each other; 500 snapshots and their media need some 1,010. */
export const MAX_DEPTH = 4096

/**
 * Elements, attributes and pieces of text together; 250 snapshots of a large machine have some 850,000. An element
 * takes 16 bytes of memory until somebody looks inside, the other pieces take none, and a piece has four bytes of a file.
 */
export const MAX_PIECES = 2_000_000

const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.[0-9]+"|'1\.[0-9]+')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/

/**
 * Reads an XML 1.0 text in UTF-8 without losing a byte of it. Document types are refused before anything
 * is read, so no entity but the five predefined ones exists. A general parser is not used because none
 * gives back the style of what it read (white space in tags, quotes, which references were used).
 *
 * All of it is checked at once; but the tree refers to `bytes`, which must not change, and elements are made of them
 * when they are looked at: settings with many snapshots are long, and little of them is ever needed.
 *
 * @throws SyntaxError with the line, when the text is not well-formed, has a document type, another
 * encoding than UTF-8, more than {@link MAX_DEPTH} elements inside each other, or {@link MAX_PIECES} pieces
 */
export function parseXml(bytes: Uint8Array): XmlDocument {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const doctype = text.indexOf('<!DOCTYPE')
  if (doctype >= 0) fail(text, doctype, 'a document type is not allowed')
  checkCharacters(text)
  const rootStart = skipMisc(text, readDeclaration(text))
  if (rootStart >= text.length) fail(text, rootStart, 'there is no root element')
  const { root, end } = readRoot(text, rootStart)
  const behind = skipMisc(text, end)
  if (behind < text.length) fail(text, behind, 'there is something behind the root element')
  return { prolog: textOf(text, 0, rootStart), root, epilog: textOf(text, end, text.length) }
}

/** Returns where the declaration ends. */
function readDeclaration(bytes: Buffer): number {
  if (!startsWith(bytes, '<?xml', 0) || !isSpace(bytes[5])) return 0
  const declaration = DECLARATION.exec(textOf(bytes, 0, bytes.indexOf('?>') + 2))
  if (declaration === null) fail(bytes, 0, 'the XML declaration is malformed')
  const encoding = declaration[1] ?? declaration[2] ?? 'UTF-8'
  if (!/^(?:utf-8|us-ascii)$/i.test(encoding))
    fail(bytes, 0, `the encoding is ${encoding.slice(0, 40)}, not UTF-8`)
  return declaration[0].length
}

/** Returns where the white space, comments and instructions at `at` end. */
function skipMisc(bytes: Buffer, at: number): number {
  let position = at
  for (;;) {
    position = spaceEnd(bytes, position)
    if (!startsWith(bytes, '<!--', position) && !startsWith(bytes, '<?', position)) return position
    position = readMarkup(bytes, position).end
  }
}

/** An element whose end is still to come. */
interface OpenElement {
  readonly number: number
  readonly name: string
}

function readRoot(bytes: Buffer, start: number): { readonly root: ReadElement; readonly end: number } {
  const places = new ElementPlaces()
  const checkText = textChecker(bytes)
  const open: OpenElement[] = []
  let pieces = 0
  let at = start
  let markup = start
  for (;;) {
    const next = bytes[markup + 1]
    const last = open[open.length - 1]
    if (last !== undefined && next === BYTE.slash) {
      at = readEndTag(bytes, markup, last.name)
      places.end(last.number, at)
      open.pop()
    } else if (last !== undefined && (next === BYTE.exclamation || next === BYTE.question)) {
      at = readMarkup(bytes, markup).end
    } else {
      const tag = readStartTag(bytes, markup)
      // Everything that is written later rests on this.
      if (startTagText(tag, tag.isClosed) !== textOf(bytes, markup, tag.end)) {
        /* c8 ignore next: a tag keeps every character, so no text is known that gets here. */
        fail(bytes, markup, `the start tag of "${tag.name}" cannot be written back unchanged`)
      }
      const number = places.start(markup, tag.end)
      pieces += tag.attributes.length
      at = tag.end
      if (!tag.isClosed) open.push({ number, name: tag.name })
      if (open.length > MAX_DEPTH)
        fail(bytes, markup, `more than ${MAX_DEPTH} elements are inside each other`)
    }
    const inside = open[open.length - 1]
    if (inside === undefined) return { root: new ReadElement({ bytes, places }, 0, undefined), end: at }
    markup = bytes.indexOf(BYTE.less, at)
    if (markup < 0) fail(bytes, bytes.length, `the element "${inside.name}" has no end`)
    if (markup > at) checkText(at, markup)
    pieces += markup > at ? 2 : 1
    if (pieces > MAX_PIECES) fail(bytes, at, `there are more than ${MAX_PIECES} pieces of XML`)
  }
}

/** Checks pieces of text in the order in which they stand there. */
function textChecker(bytes: Buffer): (start: number, end: number) => void {
  const nextReference = finder(bytes, '&')
  const nextSectionEnd = finder(bytes, ']]>')
  return (start, end) => {
    if (nextSectionEnd(start) < end) fail(bytes, start, 'there is a "]]>" in text')
    if (nextReference(start) < end) checkReferences(bytes, start, textOf(bytes, start, end), decodeText)
  }
}
