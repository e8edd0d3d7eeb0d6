/** A set of blocks of a disk, one bit each. */
export class BlockSet {
  readonly #bits: Uint8Array
  /** Number of blocks that the disk has. */
  readonly size: number

  constructor(size: number) {
    this.size = size
    this.#bits = new Uint8Array(Math.ceil(size / 8))
  }

  has(block: number): boolean {
    return ((this.#bits[Math.floor(block / 8)] ?? 0) & (1 << (block % 8))) !== 0
  }

  add(block: number): void {
    const at = Math.floor(block / 8)
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (block % 8))
  }
}
