import { GuestProblem } from './file_system.ts'

/** Blocks that are kept together: memory is taken only for pages in which something is free. */
const PAGE = 4096

/**
 * Counts the free bytes of each block of a disk. Ranges come in any order; a block is free once every byte of it is,
 * up to the end of the disk. Takes one bit a free block, and four bytes more for blocks near the ends of ranges.
 */
export class FreeBlocks {
  /** Bytes. */
  readonly diskSize: number
  /** Bytes, up to 2^31. */
  readonly blockSize: number
  readonly #free = new Map<number, Uint8Array>()
  readonly #partly = new Map<number, Uint32Array>()
  #freeBytes = 0

  constructor(diskSize: number, blockSize: number) {
    this.diskSize = diskSize
    this.blockSize = blockSize
  }

  /** Bytes of all ranges. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Whether no byte of a block is in use. */
  isFree(block: number): boolean {
    const index = block % PAGE
    return ((this.#free.get((block - index) / PAGE)?.[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
  }

  /** The blocks of which no byte is in use. */
  *blocks(): Generator<number, void> {
    for (const [page, bits] of this.#free) {
      for (let index = 0; index < PAGE; index++) {
        if (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) yield page * PAGE + index
      }
    }
  }

  /** Number of blocks of which no byte is in use. */
  count(): number {
    let count = 0
    for (const page of this.#free.values()) {
      for (let bits of page) for (; bits !== 0; bits &= bits - 1) count++
    }
    return count
  }

  /**
   * Adds a range of free bytes.
   *
   * @throws {GuestProblem} When it is not inside the disk, or holds bytes that were added before: whoever told it is
   *   not to be believed.
   */
  add(start: number, length: number): void {
    const isInside =
      Number.isSafeInteger(start) &&
      Number.isSafeInteger(length) &&
      start >= 0 &&
      length >= 0 &&
      start + length <= this.diskSize
    if (!isInside) throw wrongRange('what it calls free is not inside it')
    const { blockSize } = this
    const end = start + length
    for (let at = start; at < end; ) {
      const block = Math.floor(at / blockSize)
      const to = Math.min(end, (block + 1) * blockSize)
      this.#addToBlock(block, to - at)
      at = to
    }
    this.#freeBytes += length
  }

  /**
   * Adds all ranges that another counter of the same disk was given.
   *
   * @throws {GuestProblem} When both were given the same bytes.
   */
  addAll(other: FreeBlocks): void {
    for (const block of other.blocks()) this.#addToBlock(block, this.#lengthOf(block))
    for (const [page, counts] of other.#partly) {
      for (const [index, bytes] of counts.entries()) {
        if (bytes > 0) this.#addToBlock(page * PAGE + index, bytes)
      }
    }
    this.#freeBytes += other.#freeBytes
  }

  #lengthOf(block: number): number {
    return Math.min(this.blockSize, this.diskSize - block * this.blockSize)
  }

  #addToBlock(block: number, bytes: number): void {
    const length = this.#lengthOf(block)
    const page = Math.floor(block / PAGE)
    const index = block % PAGE
    let counts = this.#partly.get(page)
    const sum = (counts?.[index] ?? 0) + bytes
    if (sum > length || this.isFree(block)) throw wrongRange('it calls the same bytes free twice')
    if (sum === length) {
      const bits = this.#free.get(page) ?? new Uint8Array(PAGE / 8)
      bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
      this.#free.set(page, bits)
      if (counts) counts[index] = 0
      return
    }
    if (counts === undefined) {
      counts = new Uint32Array(PAGE)
      this.#partly.set(page, counts)
    }
    counts[index] = sum
  }
}

function wrongRange(found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found })
}
