import type { FreeRangeListener } from '../../file_system.ts'
import { type Chunk, chunkIndexOf, placesOf } from './chunks.ts'
import { damaged, u64At, unsupported } from './fields.ts'
import { GROUP, RESERVED_START, SUPER_COPIES, SUPER_ROOM, TYPE } from './layout.ts'
import type { TreeRoot } from './superblock.ts'
import { type Item, objectidOf, offsetOf, type Volume } from './tree.ts'

/** References to extents, which may stand as items of their own behind them. */
const REFERENCES: readonly number[] = [
  TYPE.EXTENT_OWNER_REF,
  TYPE.TREE_BLOCK_REF,
  TYPE.EXTENT_DATA_REF,
  TYPE.SHARED_BLOCK_REF,
  TYPE.SHARED_DATA_REF,
]

/** What no extent covers and is in use nevertheless: boot loader, superblocks. */
const KEPT: readonly { readonly start: number; readonly end: number }[] = [
  { start: 0, end: RESERVED_START },
  ...SUPER_COPIES.map(start => ({ start, end: start + SUPER_ROOM })),
]

/** What is seen of the extents on the way through their tree. */
export interface FreeSpace {
  /** Takes the next item of the extent tree. */
  add(item: Item): void
  /**
   * Tells the rest, and compares what was seen with what is counted.
   *
   * @throws {GuestProblem} When counters differ, or trees that are in use lie in free space.
   */
  finish(): void
}

/** What is known of a chunk. */
interface Tally {
  /** Bytes of its extents. */
  extents: number
  /** Bytes that its block group counts. */
  counted: number | undefined
}

/**
 * Turns the items of the extent tree into the space between extents, and tells where that lies on the device.
 *
 * @param roots Of trees that were read; their blocks have to be extents.
 */
export function freeSpaceOf(volume: Volume, roots: readonly TreeRoot[], found: FreeRangeListener): FreeSpace {
  const { superblock, chunks } = volume
  const tallies = chunks.map((): Tally => ({ extents: 0, counted: undefined }))
  const needed = new Set(roots.map(({ bytenr }) => bytenr))
  let index = 0
  let cursor = chunks[0]?.start ?? 0

  const finishChunk = (): void => {
    const chunk = chunks[index] as Chunk
    tellGap(chunk, cursor, chunk.start + chunk.length, found)
    index++
    cursor = chunks[index]?.start ?? 0
  }
  const addExtent = (start: number, length: number): void => {
    while (index < chunks.length && endOf(chunks[index] as Chunk) <= start) finishChunk()
    const chunk = chunks[index]
    const isInside = chunk !== undefined && start >= cursor && start + length <= endOf(chunk)
    const isWhole = length > 0 && start % superblock.sectorsize === 0 && length % superblock.sectorsize === 0
    if (!isInside || !isWhole)
      throw damaged(`its extent of ${length} bytes at ${start} is in a strange place`)
    tellGap(chunk, cursor, start, found)
    cursor = start + length
    ;(tallies[index] as Tally).extents += length
    needed.delete(start)
  }
  const addGroup = (item: Item): void => {
    const start = objectidOf(item)
    const at = chunkIndexOf(chunks, start)
    const chunk = chunks[at]
    const isRight =
      chunk?.start === start &&
      chunk.length === offsetOf(item) &&
      item.data.byteLength === GROUP.size &&
      u64At(item.data, GROUP.flags) === chunk.type
    if (!isRight) throw damaged(`its block group at ${start} is no chunk`)
    ;(tallies[at] as Tally).counted = u64At(item.data, GROUP.used)
  }

  return {
    add: item => {
      if (item.type === TYPE.EXTENT_ITEM) addExtent(objectidOf(item), offsetOf(item))
      else if (item.type === TYPE.METADATA_ITEM) addExtent(objectidOf(item), superblock.nodesize)
      else if (item.type === TYPE.BLOCK_GROUP_ITEM) addGroup(item)
      else if (!REFERENCES.includes(item.type)) {
        throw unsupported(`its extent tree has an item of type ${item.type}`)
      }
    },
    finish: () => {
      while (index < chunks.length) finishChunk()
      tellUnallocated(volume, found)
      for (const [at, { extents, counted }] of tallies.entries()) {
        if (extents === counted) continue
        const name = `its block group at ${chunks[at]?.start}`
        throw damaged(`${name} has ${extents} bytes of extents, and says ${counted ?? 'nothing'}`)
      }
      const sum = tallies.reduce((sum, { extents }) => sum + extents, 0)
      if (sum !== superblock.bytesUsed) {
        throw damaged(`it has ${sum} bytes of extents, its superblock says ${superblock.bytesUsed}`)
      }
      if (needed.size > 0) throw damaged(`its tree block at ${[...needed][0]} counts as free`)
    },
  }
}

/** Tells free logical addresses of a chunk, once for each copy. */
function tellGap(chunk: Chunk, from: number, to: number, found: FreeRangeListener): void {
  for (const copy of chunk.copies) tellUnkept(copy + from - chunk.start, copy + to - chunk.start, found)
}

/** Tells what of the device belongs to no chunk. */
function tellUnallocated({ chunks, superblock }: Volume, found: FreeRangeListener): void {
  let end = 0
  for (const { start, length } of placesOf(chunks)) {
    tellUnkept(end, start, found)
    end = start + length
  }
  tellUnkept(end, superblock.device.totalBytes, found)
}

/** Tells a run of bytes but for what is kept by rule. */
function tellUnkept(from: number, to: number, found: FreeRangeListener): void {
  let start = from
  for (const kept of KEPT) {
    if (kept.end <= start || kept.start >= to) continue
    if (kept.start > start) found(start, kept.start - start)
    start = kept.end
  }
  if (start < to) found(start, to - start)
}

function endOf({ start, length }: Chunk): number {
  return start + length
}
