const PAGE_SIZE = 16 * 1024

/** Which of a write's 512-byte sectors reached the disk; index 0 is the sector of its first byte. */
export type SectorMask = (sector: number) => boolean

/** The unit in which a disk writes or does not write. */
export const SECTOR_SIZE = 512

/**
 * The bytes of a file in memory, with holes. A fork costs nothing: pages are shared until one side
 * writes to them.
 */
export class MemoryContent {
  #length = 0
  #pages: Map<number, Uint8Array> = new Map()
  #ownsMap = true
  /** Pages that no one else sees, so that they may be changed in place. */
  #owned: Set<number> = new Set()

  /** Length in bytes. */
  get length(): number {
    return this.#length
  }

  /** Bytes that are held; a hole holds none. */
  get allocatedBytes(): number {
    return this.#pages.size * PAGE_SIZE
  }

  /** The pages that are no hole, by their number. Those of a fork, and of what it came from, stay as they are. */
  pages(): Iterable<readonly [number, Uint8Array]> {
    return this.#pages
  }

  /** Returns a copy that is independent of this one. */
  fork(): MemoryContent {
    const copy = new MemoryContent()
    copy.#length = this.#length
    copy.#pages = this.#pages
    copy.#ownsMap = false
    this.#ownsMap = false
    this.#owned.clear()
    return copy
  }

  /** Reads from byte `position` on; returns the bytes read, fewer only at the end. */
  read(buffer: Uint8Array, position: number): number {
    const end = Math.min(position + buffer.length, this.#length)
    let at = position
    while (at < end) {
      const offset = at % PAGE_SIZE
      const bytes = Math.min(PAGE_SIZE - offset, end - at)
      const page = this.#pages.get((at - offset) / PAGE_SIZE)
      const target = buffer.subarray(at - position, at - position + bytes)
      if (page === undefined) target.fill(0)
      else target.set(page.subarray(offset, offset + bytes))
      at += bytes
    }
    return Math.max(0, at - position)
  }

  /** Writes all of `data`, which must not be changed afterwards: whole pages of it are kept, not copied. */
  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return
    let done = 0
    while (done < data.length) {
      const offset = (position + done) % PAGE_SIZE
      const bytes = Math.min(PAGE_SIZE - offset, data.length - done)
      const index = (position + done - offset) / PAGE_SIZE
      const piece = data.subarray(done, done + bytes)
      if (bytes === PAGE_SIZE) this.#share(index, piece)
      else this.#own(index).set(piece, offset)
      done += bytes
    }
    this.#length = Math.max(this.#length, position + data.length)
  }

  /** Writes the sectors of `data` that `mask` names; the length grows as if all had been written. */
  writeSectors(data: Uint8Array, position: number, mask: SectorMask): void {
    const first = Math.floor(position / SECTOR_SIZE)
    let done = 0
    while (done < data.length) {
      const sector = Math.floor((position + done) / SECTOR_SIZE)
      const bytes = Math.min((sector + 1) * SECTOR_SIZE - position - done, data.length - done)
      if (mask(sector - first)) this.write(data.subarray(done, done + bytes), position + done)
      done += bytes
    }
    if (data.length > 0) this.#length = Math.max(this.#length, position + data.length)
  }

  /** Sets the length in bytes; what is added reads as zeros. */
  truncate(length: number): void {
    if (length < this.#length) this.#cut(length)
    this.#length = length
  }

  /** All bytes in a buffer of its own. */
  bytes(): Uint8Array {
    const buffer = new Uint8Array(this.#length)
    this.read(buffer, 0)
    return buffer
  }

  #cut(length: number): void {
    const offset = length % PAGE_SIZE
    const kept = Math.ceil(length / PAGE_SIZE)
    this.#changeMap()
    for (const index of this.#pages.keys()) if (index >= kept) this.#drop(index)
    const last = (length - offset) / PAGE_SIZE
    if (offset > 0 && this.#pages.has(last)) this.#own(last).fill(0, offset)
  }

  #drop(index: number): void {
    this.#pages.delete(index)
    this.#owned.delete(index)
  }

  #share(index: number, page: Uint8Array): void {
    this.#changeMap()
    this.#pages.set(index, page)
    this.#owned.delete(index)
  }

  #own(index: number): Uint8Array {
    const page = this.#pages.get(index)
    if (page !== undefined && this.#owned.has(index)) return page
    this.#changeMap()
    const own = page === undefined ? new Uint8Array(PAGE_SIZE) : new Uint8Array(page)
    this.#pages.set(index, own)
    this.#owned.add(index)
    return own
  }

  #changeMap(): void {
    if (this.#ownsMap) return
    this.#pages = new Map(this.#pages)
    this.#ownsMap = true
  }
}
