import { decodeAttribute, encodeAttribute, NO_SHIFT, shiftedBy, shiftLine } from './xml_text.ts'
import {
  childElements,
  cloneElement,
  isBlank,
  isElement,
  type XmlElement,
  type XmlLeaf,
  type XmlNode,
  type XmlStyle,
} from './xml_tree.ts'

const INDENT = '  '

/** The value of an attribute; undefined when it is not there. */
export function getAttribute(element: XmlElement, name: string): string | undefined {
  const attribute = element.attributes.find(candidate => candidate.name === name)
  return attribute === undefined ? undefined : decodeAttribute(attribute.raw)
}

/**
 * Sets an attribute. One that is there keeps its place and, when the value is the same, its spelling; a
 * new one is put in front of the first one that comes later in `order`.
 *
 * @throws RangeError when the value holds a character that XML forbids
 */
export function setAttribute(
  element: XmlElement,
  name: string,
  value: string,
  style: XmlStyle,
  order: readonly string[] = [],
): void {
  const old = element.attributes.find(attribute => attribute.name === name)
  if (old !== undefined) {
    if (decodeAttribute(old.raw) === value) return
    const changed = { ...old, raw: encodeAttribute(value, old.quote, style.ascii) }
    element.attributes = element.attributes.map(attribute => (attribute === old ? changed : attribute))
    return
  }
  const { quote } = style
  const added = { before: ' ', name, equals: '=', quote, raw: encodeAttribute(value, quote, style.ascii) }
  const later = order.includes(name) ? order.slice(order.indexOf(name) + 1) : []
  const next = element.attributes.findIndex(attribute => later.includes(attribute.name))
  const at = next < 0 ? element.attributes.length : next
  element.attributes = [...element.attributes.slice(0, at), added, ...element.attributes.slice(at)]
}

/** Takes an attribute away, with the white space in front of it. */
export function removeAttribute(element: XmlElement, name: string): void {
  element.attributes = element.attributes.filter(attribute => attribute.name !== name)
}

/** Makes an element without content and without a place in a tree. */
export function createElement(
  name: string,
  attributes: readonly (readonly [name: string, value: string])[],
  style: XmlStyle,
): XmlElement {
  const element: XmlElement = {
    kind: 'element',
    name,
    attributes: [],
    beforeClose: style.beforeClose,
    children: [],
    endTag: undefined,
    parent: undefined,
  }
  for (const [key, value] of attributes) setAttribute(element, key, value, style)
  return element
}

/**
 * Inserts an element in front of the sibling `next`, or as the last one. It gets a line of its own where its
 * siblings, or its parent, have one.
 */
export function insertElement(
  parent: XmlElement,
  element: XmlElement,
  style: XmlStyle,
  next?: XmlElement,
): void {
  element.parent = parent
  if (next !== undefined) {
    parent.children.splice(parent.children.indexOf(next), 0, element, ...lineStart(next, style))
    return
  }
  const last = parent.children.findLast((node): node is XmlElement => isElement(node))
  if (last !== undefined) {
    parent.children.splice(parent.children.indexOf(last) + 1, 0, ...lineStart(last, style), element)
    return
  }
  const kept = parent.children.filter(node => !isBlank(node))
  const outer = lineStart(parent, style)
  const inner = outer.map(({ kind, raw }): XmlLeaf => ({ kind, raw: raw + INDENT }))
  parent.children = [...kept, ...inner, element, ...outer]
  open(parent)
}

/**
 * Puts elements in the place of a child, each on its own line. Without elements the child's line goes; a
 * parent that is left without content is then closed by its start tag.
 */
export function replaceElement(child: XmlElement, by: readonly XmlElement[], style: XmlStyle): void {
  const { parent } = child
  if (parent === undefined) throw new TypeError(`The element "${child.name}" has no parent`)
  const at = parent.children.indexOf(child)
  const between = lineStart(child, style)
  const nodes = by.flatMap((element, index): XmlNode[] => (index === 0 ? [element] : [...between, element]))
  for (const element of by) element.parent = parent
  const takesLine = nodes.length === 0 && isBlank(parent.children[at - 1])
  parent.children.splice(takesLine ? at - 1 : at, takesLine ? 2 : 1, ...nodes)
  child.parent = undefined
  if (parent.children.every(node => isBlank(node))) close(parent, style)
}

/** Takes a child away with its line. */
export function removeElement(child: XmlElement, style: XmlStyle): void {
  replaceElement(child, [], style)
}

/** The white space between the start of an element's line and the element. */
export function indentOf(element: XmlElement): string {
  const siblings = element.parent?.children ?? []
  const before = siblings[siblings.indexOf(element) - 1]
  if (isBlank(before) && before.raw.includes('\n')) return before.raw.slice(before.raw.lastIndexOf('\n') + 1)
  let indent = ''
  for (let parent = element.parent; parent !== undefined; parent = parent.parent) indent += INDENT
  return indent
}

/**
 * Moves the lines of an element's content to the right by `columns`, or to the left when negative. Text
 * that belongs to the content, such as a description, is left alone.
 *
 * @param further elements inside it whose content is moved by so many columns more
 */
export function shiftContent(
  element: XmlElement,
  columns: number,
  further: ReadonlyMap<XmlElement, number> = new Map(),
): void {
  const waiting: [element: XmlElement, columns: number][] = [[element, columns]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [each, outer] = next
    const shift = outer + (further.get(each) ?? 0)
    if (each.unread !== undefined) {
      each.unread.shift(shift)
      continue
    }
    const children = childElements(each)
    for (const child of children) waiting.push([child, shift])
    if (shift === 0 || children.length === 0) continue
    each.children = each.children.map(node => (isBlank(node) ? shiftBlank(node, shift) : node))
  }
}

/** Copies an element; its lines are indented for a place behind `indent`. */
export function copyFor(element: XmlElement, indent: string): XmlElement {
  const copy = cloneElement(element)
  shiftContent(copy, indent.length - indentOf(element).length)
  return copy
}

function shiftBlank(node: XmlLeaf, columns: number): XmlLeaf {
  return (
    node.shifted?.(columns) ?? { kind: node.kind, raw: shiftLine(node.raw, shiftedBy(NO_SHIFT, columns)) }
  )
}

/** What starts the line of an element; nothing when it has no line of its own. */
function lineStart(element: XmlElement, style: XmlStyle): XmlLeaf[] {
  if (element.parent === undefined) return [{ kind: 'text', raw: style.eol }]
  const before = element.parent.children[element.parent.children.indexOf(element) - 1]
  if (!isBlank(before)) return []
  return [{ kind: 'text', raw: before.raw.includes('\n') ? style.eol + indentOf(element) : before.raw }]
}

function open(element: XmlElement): void {
  if (element.endTag !== undefined) return
  element.endTag = `</${element.name}>`
  element.beforeClose = ''
}

function close(element: XmlElement, style: XmlStyle): void {
  element.children = []
  if (element.endTag === undefined) return
  element.endTag = undefined
  element.beforeClose = style.beforeClose
}
