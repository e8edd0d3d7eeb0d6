import type { Buffer } from 'node:buffer'
import { readMarkup, readStartTag } from './read_tag.ts'
import { BYTE, nameEnd, textOf } from './xml_bytes.ts'
import { type LineShift, NO_SHIFT, shiftedBy, shiftLine } from './xml_text.ts'
import type { UnreadElement, XmlAttribute, XmlElement, XmlLeaf, XmlNode } from './xml_tree.ts'

const FIELDS = 4

/** Where the elements of a text stand, in document order: 16 bytes for each. */
export class ElementPlaces {
  #fields = new Uint32Array(1024 * FIELDS)
  #count = 0

  /** Adds the next element, which ends with its start tag; returns its number. */
  start(at: number, tagEnd: number): number {
    const number = this.#count++
    if (this.#count * FIELDS > this.#fields.length) this.#grow()
    this.#fields.set([at, tagEnd, tagEnd, this.#count], number * FIELDS)
    return number
  }

  /** Ends an element in which all that were added since are. */
  end(number: number, at: number): void {
    this.#fields.set([at, this.#count], number * FIELDS + 2)
  }

  /** The byte of its first `<`. */
  startOf(number: number): number {
    return this.#fields[number * FIELDS] ?? 0
  }

  /** The byte behind its start tag. */
  tagEndOf(number: number): number {
    return this.#fields[number * FIELDS + 1] ?? 0
  }

  /** The byte behind its last `>`. */
  endOf(number: number): number {
    return this.#fields[number * FIELDS + 2] ?? 0
  }

  /** The number of the first element that stands behind it. */
  nextOf(number: number): number {
    return this.#fields[number * FIELDS + 3] ?? 0
  }

  #grow(): void {
    const fields = new Uint32Array(this.#fields.length * 2)
    fields.set(this.#fields)
    this.#fields = fields
  }
}

/** A text that was read and found well-formed. */
export interface XmlSource {
  readonly bytes: Buffer
  readonly places: ElementPlaces
}

/** What is in an element once somebody looked inside. */
type Content = Pick<XmlElement, 'attributes' | 'beforeClose' | 'children' | 'endTag'>

/** An element of a text; its attributes and children are made when they are first asked for. */
export class ReadElement implements XmlElement, UnreadElement {
  readonly kind = 'element'
  readonly name: string
  parent: XmlElement | undefined
  readonly #source: XmlSource
  readonly #number: number
  #shift: LineShift
  #content: Content | undefined

  /** @param shift how the lines of its content are to be moved */
  constructor(
    source: XmlSource,
    number: number,
    parent: XmlElement | undefined,
    shift: LineShift = NO_SHIFT,
  ) {
    this.#source = source
    this.#number = number
    this.#shift = shift
    this.parent = parent
    const start = source.places.startOf(number) + 1
    this.name = textOf(source.bytes, start, nameEnd(source.bytes, start))
  }

  get unread(): UnreadElement | undefined {
    return this.#content === undefined ? this : undefined
  }

  get bytes(): Uint8Array | undefined {
    const { bytes, places } = this.#source
    if (this.#shift.left + this.#shift.right > 0) return undefined
    return bytes.subarray(places.startOf(this.#number), places.endOf(this.#number))
  }

  copy(parent: XmlElement | undefined): XmlElement {
    return new ReadElement(this.#source, this.#number, parent, this.#shift)
  }

  shift(columns: number): void {
    this.#shift = shiftedBy(this.#shift, columns)
  }

  get attributes(): readonly XmlAttribute[] {
    return this.#opened().attributes
  }

  set attributes(attributes: readonly XmlAttribute[]) {
    this.#opened().attributes = attributes
  }

  get beforeClose(): string {
    return this.#opened().beforeClose
  }

  set beforeClose(space: string) {
    this.#opened().beforeClose = space
  }

  get children(): XmlNode[] {
    return this.#opened().children
  }

  set children(children: XmlNode[]) {
    this.#opened().children = children
  }

  get endTag(): string | undefined {
    return this.#opened().endTag
  }

  set endTag(tag: string | undefined) {
    this.#opened().endTag = tag
  }

  #opened(): Content {
    this.#content ??= this.#open()
    return this.#content
  }

  #open(): Content {
    const { bytes, places } = this.#source
    const tag = readStartTag(bytes, places.startOf(this.#number))
    const { attributes, beforeClose } = tag
    if (tag.isClosed) return { attributes, beforeClose, children: [], endTag: undefined }
    const end = places.endOf(this.#number)
    const contentEnd = bytes.lastIndexOf(BYTE.less, end - 1)
    const children = this.#readChildren(tag.end, contentEnd)
    return { attributes, beforeClose, children, endTag: textOf(bytes, contentEnd, end) }
  }

  #readChildren(start: number, end: number): XmlNode[] {
    const { places } = this.#source
    const [first, behind] = [this.#number + 1, places.nextOf(this.#number)]
    // Lines are those of elements; white space in an element without any is its text.
    const shift = first < behind ? this.#shift : NO_SHIFT
    const children: XmlNode[] = []
    let at = start
    for (let child = first; child < behind; child = places.nextOf(child)) {
      this.#pushLeaves(children, at, places.startOf(child), shift)
      children.push(new ReadElement(this.#source, child, this, this.#shift))
      at = places.endOf(child)
    }
    this.#pushLeaves(children, at, end, shift)
    return children
  }

  #pushLeaves(children: XmlNode[], start: number, end: number, shift: LineShift): void {
    const { bytes } = this.#source
    for (let at = start; at < end; ) {
      const isText = bytes[at] !== BYTE.less
      const { kind, end: behind } = isText ? textAt(bytes, at) : readMarkup(bytes, at)
      children.push(new ReadLeaf(bytes, kind, at, behind, shift))
      at = behind
    }
  }
}

/** Text ends at the next `<`, which is always there: at least that of the end tag. */
function textAt(bytes: Buffer, at: number): { readonly kind: 'text'; readonly end: number } {
  return { kind: 'text', end: bytes.indexOf(BYTE.less, at) }
}

/** A piece of a text that is no element; its characters are made when they are asked for, each time anew. */
class ReadLeaf implements XmlLeaf {
  readonly kind: XmlLeaf['kind']
  readonly #bytes: Buffer
  readonly #start: number
  readonly #end: number
  readonly #shift: LineShift

  constructor(bytes: Buffer, kind: XmlLeaf['kind'], start: number, end: number, shift: LineShift) {
    this.kind = kind
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#shift = shift
  }

  get raw(): string {
    const raw = textOf(this.#bytes, this.#start, this.#end)
    return this.kind === 'text' ? shiftLine(raw, this.#shift) : raw
  }

  shifted(columns: number): XmlLeaf {
    return new ReadLeaf(this.#bytes, this.kind, this.#start, this.#end, shiftedBy(this.#shift, columns))
  }
}
