import { isBlankText } from './xml_text.ts'

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
  /** The same with the line of white space moved by so many columns, where that takes no string to be made. */
  shifted?(columns: number): XmlLeaf
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
  /** What is to be known of the element without looking inside, until somebody did. */
  readonly unread?: UnreadElement | undefined
}

/** An element whose attributes and content were not made yet of the text that holds them. */
export interface UnreadElement {
  /** All of it as it stands in the file; undefined when its lines are to be moved. */
  readonly bytes: Uint8Array | undefined
  copy(parent: XmlElement | undefined): XmlElement
  /** Moves the lines of its content by so many columns to the right. */
  shift(columns: number): void
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
  return node?.kind === 'text' && isBlankText(node.raw)
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
  const waiting: [from: XmlElement, to: XmlElement][] = []
  const copyOf = (from: XmlElement, parent: XmlElement | undefined): XmlElement => {
    if (from.unread !== undefined) return from.unread.copy(parent)
    const { kind, name, attributes, beforeClose, endTag } = from
    const to: XmlElement = { kind, name, attributes, beforeClose, children: [], endTag, parent }
    waiting.push([from, to])
    return to
  }
  const copy = copyOf(element, undefined)
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [from, to] = pair
    to.children = from.children.map(node => (isElement(node) ? copyOf(node, to) : node))
  }
  return copy
}

/**
 * Returns an element with the same content, without a parent, to be looked into once: while the element itself is
 * unread, what is made of it goes with the copy.
 */
export function passingCopy(element: XmlElement): XmlElement {
  return element.unread?.copy(undefined) ?? element
}

/** Copies a whole text, so that the copy can be edited. */
export function cloneDocument(xml: XmlDocument): XmlDocument {
  return { ...xml, root: cloneElement(xml.root) }
}
