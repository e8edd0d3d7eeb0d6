import { FREE, ZERO } from './constants.ts'

/** Owner of a unit that no image of the map holds. */
export const NO_OWNER = 0xffff

/** Owner of a unit whose newest entry says that it reads as zeros. */
export const ZERO_OWNER = 0xfffe

/** What has to be known of an image to find a byte of its virtual disk in its blocks. */
export interface SourceShape {
  /** Size of the virtual disk in bytes. */
  readonly capacity: number
  /** Bytes of a block, a power of two. */
  readonly blockSize: number
}

/** A run of bytes of the virtual disk with one owner. */
export interface OwnedRange {
  /** First byte of the run, from the start of the disk. */
  readonly start: number
  readonly length: number
  /** Number of an image, `ZERO_OWNER` or `NO_OWNER`. */
  readonly owner: number
  /** Where the owner is an image: the physical block. */
  readonly slot: number
  /** Where the owner is an image: byte of the physical block at which the run starts. */
  readonly offset: number
}

interface AddedImage {
  readonly blockSize: number
  /** Bytes from the start of the disk that this image can answer for. */
  readonly reach: number
}

/**
 * For every unit of a virtual disk the newest image that holds it.
 *
 * Images are numbered lowest first and added newest first; their tables are not kept, so six bytes a
 * unit are enough for a chain of any depth. An image that is shorter than the disk reads as zeros behind
 * its end, and so does all that lies below it there.
 */
export class OwnerMap {
  /** Size of the virtual disk in bytes. */
  readonly capacity: number
  /** Bytes of a unit: at most the smallest block of all images, a power of two. */
  readonly unitSize: number
  /** By unit: number of an image, `ZERO_OWNER` or `NO_OWNER`. */
  readonly owners: Uint16Array
  /** By unit: the physical block in its owner, where that is an image. */
  readonly slots: Uint32Array
  readonly #images = new Map<number, AddedImage>()
  #reach: number
  #lowest = ZERO_OWNER

  constructor(capacity: number, unitSize: number) {
    const units = Math.ceil(capacity / unitSize)
    this.capacity = capacity
    this.unitSize = unitSize
    this.owners = new Uint16Array(units).fill(NO_OWNER)
    this.slots = new Uint32Array(units)
    this.#reach = capacity
  }

  /** Bytes from the start of the disk in which a lower image can be seen; behind them all reads as zeros. */
  get reach(): number {
    return this.#reach
  }

  /**
   * Adds the next lower image.
   *
   * @throws {RangeError} When images come in another order, when the blocks of the image are not made of
   * whole units, or when its table is too short for its disk.
   */
  add(image: number, shape: SourceShape, table: Uint32Array): void {
    if (image < 0 || image >= this.#lowest) {
      throw new RangeError(`Cannot add image ${image} to the map: images are added newest first`)
    }
    const unitsInBlock = shape.blockSize / this.unitSize
    if (!Number.isInteger(unitsInBlock)) {
      throw new RangeError(`Cannot add image ${image} to the map: its blocks are smaller than a unit`)
    }
    const reach = Math.min(this.#reach, shape.capacity)
    const units = Math.ceil(reach / this.unitSize)
    const blocks = Math.ceil(reach / shape.blockSize)
    if (table.length < blocks) {
      throw new RangeError(`Cannot add image ${image} to the map: its table is shorter than its disk`)
    }
    this.#lowest = image
    this.#reach = reach
    this.#images.set(image, { blockSize: shape.blockSize, reach })
    for (let block = 0; block < blocks; block++) {
      const entry = table[block] ?? FREE
      if (entry === FREE) continue
      const first = block * unitsInBlock
      this.#claim(first, Math.min(first + unitsInBlock, units), entry === ZERO ? ZERO_OWNER : image, entry)
    }
  }

  /** Returns the bytes from `start` up to `end` in runs of one owner each, in their order. */
  ranges(start: number, end: number): OwnedRange[] {
    const ranges: OwnedRange[] = []
    const stop = Math.min(end, this.capacity)
    for (let from = start; from < stop; ) {
      const unit = Math.floor(from / this.unitSize)
      const to = Math.min(stop, (unit + 1) * this.unitSize)
      this.#pushUnit(ranges, unit, from, to)
      from = to
    }
    if (stop < end) pushZeros(ranges, Math.max(start, stop), end)
    return ranges
  }

  #claim(first: number, end: number, owner: number, slot: number): void {
    for (let unit = first; unit < end; unit++) {
      if (this.owners[unit] !== NO_OWNER) continue
      this.owners[unit] = owner
      this.slots[unit] = slot
    }
  }

  #pushUnit(ranges: OwnedRange[], unit: number, from: number, to: number): void {
    const owner = this.owners[unit] ?? NO_OWNER
    const image = this.#images.get(owner)
    if (image === undefined) {
      ranges.push({
        start: from,
        length: to - from,
        owner,
        slot: 0,
        offset: 0,
      })
      return
    }
    const held = Math.min(to, image.reach)
    if (from < held) {
      const offset = from % image.blockSize
      ranges.push({
        start: from,
        length: held - from,
        owner,
        slot: this.slots[unit] ?? 0,
        offset,
      })
    }
    if (held < to) pushZeros(ranges, Math.max(from, held), to)
  }
}

function pushZeros(ranges: OwnedRange[], start: number, end: number): void {
  ranges.push({
    start,
    length: end - start,
    owner: ZERO_OWNER,
    slot: 0,
    offset: 0,
  })
}
