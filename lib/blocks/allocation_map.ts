import { NO_OWNER, type OwnerMap, ZERO_OWNER } from './owner_map.ts'

/** Parts that a map has when its reader asks for no other number. */
export const DEFAULT_CELLS = 1024

/** Bytes that one image holds. */
export interface HeldShare {
  /** Number of the image in its chain: 0 is the base, all above are differencing images. */
  readonly level: number
  readonly bytes: number
}

/** What a part of a disk is made of. Every byte of it is in exactly one of the shares. */
export interface AllocationCell {
  /** Bytes that an image holds and the guest may need, lowest image first. */
  readonly held: readonly HeldShare[]
  /** Bytes that an image says to be zeros, without holding them. */
  readonly zero: number
  /** Bytes that were never written: no image says anything of them. */
  readonly unallocated: number
  /** Bytes that an image holds and that the guest does not use; 0 where nobody looked. */
  readonly free: number
}

/** A disk, cut into parts of the same length. */
export interface AllocationMap {
  /** Size of the disk in bytes. */
  readonly capacity: number
  /** Bytes of a part; the last one may be shorter. */
  readonly cellSize: number
  readonly cells: readonly AllocationCell[]
  /** By level: bytes of the disk that are read from that image. */
  readonly visible: readonly number[]
}

/** How a map is made. */
export interface AllocationWish {
  /** Number of images in the chain. */
  readonly levels: number
  /** The most parts that the map may have. Default 1024. */
  readonly cells?: number | undefined
  /** Whether the guest does not use the block that lies at a byte of the disk; undefined where nobody looked. */
  readonly isFree?: ((start: number) => boolean) | undefined
}

/**
 * Tells what each part of a disk is made of, in the units of its owner map: a unit that an image holds up to the
 * image's end counts as held to its own end.
 *
 * @throws {RangeError} When less than one part is asked for.
 */
export function allocationMap(map: OwnerMap, { levels, cells: most, isFree }: AllocationWish): AllocationMap {
  const units = map.owners.length
  const unitsInCell = unitsPerCell(units, most ?? DEFAULT_CELLS)
  const visible = new Array<number>(levels).fill(0)
  const cells: AllocationCell[] = []
  for (let first = 0; first < units; first += unitsInCell) {
    const cell = new OpenCell()
    for (let unit = first; unit < Math.min(units, first + unitsInCell); unit++) {
      const start = unit * map.unitSize
      const bytes = Math.min(map.unitSize, map.capacity - start)
      const owner = map.owners[unit] ?? NO_OWNER
      const level = visible[owner]
      if (level !== undefined) visible[owner] = level + bytes
      cell.add(owner, bytes, isFree?.(start) === true)
    }
    cells.push(cell.close())
  }
  return { capacity: map.capacity, cellSize: unitsInCell * map.unitSize, cells, visible }
}

function unitsPerCell(units: number, cells: number): number {
  if (!(Number.isInteger(cells) && cells >= 1))
    throw new RangeError(`Cannot map a disk in ${cells} parts: it takes a whole number from 1 on`)
  return Math.max(1, Math.ceil(units / cells))
}

/** Adds up the units of one part. */
class OpenCell {
  readonly #held = new Map<number, number>()
  #zero = 0
  #unallocated = 0
  #free = 0

  add(owner: number, bytes: number, isFree: boolean): void {
    if (owner === NO_OWNER) this.#unallocated += bytes
    else if (owner === ZERO_OWNER) this.#zero += bytes
    else if (isFree) this.#free += bytes
    else this.#held.set(owner, (this.#held.get(owner) ?? 0) + bytes)
  }

  close(): AllocationCell {
    const held = [...this.#held].sort(([a], [b]) => a - b).map(([level, bytes]) => ({ level, bytes }))
    return { held, zero: this.#zero, unallocated: this.#unallocated, free: this.#free }
  }
}
