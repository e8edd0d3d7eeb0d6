/** An attribute with the text around it, so that it is written back as it was read. */
export interface XmlAttribute {
  /** White space in front of the name. */
  readonly before: string
  readonly name: string
  /** The equals sign with the white space around it. */
  readonly equals: string
  readonly quote: '"' | "'"
  /** The value as written, references not resolved. */
  readonly raw: string
}

/** Anything but an element: kept as it was read. */
export interface XmlLeaf {
  readonly kind: 'text' | 'cdata' | 'comment' | 'instruction'
  readonly raw: string
}

/**
 * An element that owns every character between its first `<` and its last `>`: writing a tree that was
 * not edited gives the text that was read, whatever its style.
 */
export interface XmlElement {
  readonly kind: 'element'
  readonly name: string
  attributes: readonly XmlAttribute[]
  /** White space in front of the `>` or `/>` of the start tag. */
  beforeClose: string
  children: XmlNode[]
  /** The end tag as written; undefined for an element that is closed by its start tag. */
  endTag: string | undefined
  parent: XmlElement | undefined
}

/** A piece of an element's content. */
export type XmlNode = XmlElement | XmlLeaf

/** A whole XML text. */
export interface XmlDocument {
  /** Everything in front of the root element. */
  readonly prolog: string
  readonly root: XmlElement
  /** Everything behind the root element. */
  readonly epilog: string
}

/** How the markup of a file is written, so that what is added looks the same. */
export interface XmlStyle {
  readonly eol: '\n' | '\r\n'
  readonly quote: '"' | "'"
  /** White space in front of the `/>` of an element without content. */
  readonly beforeClose: string
  /** Whether characters outside ASCII are written as references, as libxml2 does without an encoding. */
  readonly ascii: boolean
}

/** Tells whether a node is an element, of the given name when there is one. */
export function isElement(node: XmlNode | undefined, name?: string): node is XmlElement {
  return node?.kind === 'element' && (name === undefined || node.name === name)
}

/** Tells whether a node is text that consists of nothing but white space. */
export function isBlank(node: XmlNode | undefined): node is XmlLeaf {
  return node?.kind === 'text' && /^[ \t\r\n]*$/.test(node.raw)
}

/** The child elements, of the given name when there is one, in document order. */
export function childElements(parent: XmlElement, name?: string): XmlElement[] {
  return parent.children.filter((node): node is XmlElement => isElement(node, name))
}

/** The first child element of a name. */
export function childElement(parent: XmlElement, name: string): XmlElement | undefined {
  return parent.children.find((node): node is XmlElement => isElement(node, name))
}

/** Walks an element and all elements inside it, in document order. */
export function* eachElement(root: XmlElement): Generator<XmlElement> {
  const waiting = [root]
  for (let element = waiting.pop(); element !== undefined; element = waiting.pop()) {
    yield element
    for (const child of childElements(element).reverse()) waiting.push(child)
  }
}

/** Copies an element with its content; the copy has no parent. */
export function cloneElement(element: XmlElement): XmlElement {
  const copy: XmlElement = { ...element, children: [], parent: undefined }
  const waiting: [from: XmlElement, to: XmlElement][] = [[element, copy]]
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [from, to] = pair
    to.children = from.children.map((node): XmlNode => {
      if (!isElement(node)) return node
      const child: XmlElement = { ...node, children: [], parent: to }
      waiting.push([node, child])
      return child
    })
  }
  return copy
}

/** Copies a whole text, so that the copy can be edited. */
export function cloneDocument(xml: XmlDocument): XmlDocument {
  return { ...xml, root: cloneElement(xml.root) }
}

/** Writes a tree as text. */
export function serializeXml(xml: XmlDocument): string {
  const parts: string[] = []
  eachPart(xml, part => parts.push(part) > 0)
  return parts.join('')
}

/** Tells whether a tree would be written as a text, without writing all of it: settings can have 20 MB. */
export function isWrittenAs(xml: XmlDocument, text: string): boolean {
  let at = 0
  const isSame = eachPart(xml, part => {
    const fits = text.startsWith(part, at)
    at += part.length
    return fits
  })
  return isSame && at === text.length
}

/** Hands the parts of a tree's text to `write`, in their order, until that returns false; tells whether it never did. */
function eachPart(xml: XmlDocument, write: (part: string) => boolean): boolean {
  if (!write(xml.prolog)) return false
  const waiting: (XmlNode | string)[] = [xml.root]
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    if (!write(ownText(item))) return false
    if (typeof item === 'string' || !isElement(item) || item.endTag === undefined) continue
    waiting.push(item.endTag)
    for (let at = item.children.length - 1; at >= 0; at--) waiting.push(item.children[at] as XmlNode)
  }
  return write(xml.epilog)
}

function ownText(item: XmlNode | string): string {
  if (typeof item === 'string') return item
  if (!isElement(item)) return item.raw
  return `${startTag(item)}${item.endTag === undefined ? '/>' : '>'}`
}

/** The start tag without its end, which tells whether there is content. */
function startTag(element: XmlElement): string {
  const attributes = element.attributes.map(
    ({ before, name, equals, quote, raw }) => `${before}${name}${equals}${quote}${raw}${quote}`,
  )
  return `<${element.name}${attributes.join('')}${element.beforeClose}`
}
