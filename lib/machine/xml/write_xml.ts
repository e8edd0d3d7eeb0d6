import { Buffer } from 'node:buffer'
import type { StartTag } from './read_tag.ts'
import { isElement, passingCopy, type XmlDocument, type XmlNode } from './xml_tree.ts'

/** Bytes of a piece of what is written. */
const PIECE = 2 ** 20

/** Writes a tree as text. */
export function serializeXml(xml: XmlDocument): string {
  return Buffer.concat(Array.from(xmlPieces(xml), piece => Buffer.from(piece))).toString('utf8')
}

/**
 * Yields the bytes of a tree's text in pieces of a MiB and a last one that may be shorter: settings can have 60 MiB, and
 * need not be held twice. The memory of a piece is used again for the next one.
 */
export function* xmlPieces(xml: XmlDocument): Generator<Uint8Array> {
  const piece = Buffer.allocUnsafeSlow(PIECE)
  let used = 0
  for (const part of eachPart(xml)) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    for (let at = 0; at < bytes.length; ) {
      if (used === piece.length) {
        yield piece
        used = 0
      }
      const taken = Math.min(bytes.length - at, piece.length - used)
      piece.set(bytes.subarray(at, at + taken), used)
      at += taken
      used += taken
    }
  }
  if (used > 0) yield piece.subarray(0, used)
}

/** The text of a start tag. */
export function startTagText(
  { name, attributes, beforeClose }: Pick<StartTag, 'name' | 'attributes' | 'beforeClose'>,
  isClosed: boolean,
): string {
  let text = `<${name}`
  for (const { before, name, equals, quote, raw } of attributes) {
    text += `${before}${name}${equals}${quote}${raw}${quote}`
  }
  return `${text}${beforeClose}${isClosed ? '/>' : '>'}`
}

/** The parts of a tree's text, in their order. What nobody looked into is one of them. */
function* eachPart(xml: XmlDocument): Generator<string | Uint8Array> {
  yield xml.prolog
  const waiting: (XmlNode | string)[] = [xml.root]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    if (typeof item === 'string') yield item
    else if (!isElement(item)) yield item.raw
    else if (item.unread?.bytes !== undefined) yield item.unread.bytes
    else {
      const element = passingCopy(item)
      yield startTagText(element, element.endTag === undefined)
      if (element.endTag === undefined) continue
      waiting.push(element.endTag)
      for (let at = element.children.length - 1; at >= 0; at--) waiting.push(element.children[at] as XmlNode)
    }
  }
  yield xml.epilog
}
