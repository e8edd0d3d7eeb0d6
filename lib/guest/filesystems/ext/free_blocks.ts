import { type BlockDevice, readBytes } from '../../device.ts'
import { type FreeRangeListener, GuestProblem } from '../../file_system.ts'
import { addBits, areBitsSet, clearRuns, countClear, setBits } from './bitmap.ts'
import { damaged } from './check_superblock.ts'
import { type GroupDescriptor, isBitmapChecksumRight, readDescriptors } from './descriptors.ts'
import { type BlockRange, blocksOfGroup, copiesInGroup } from './groups.ts'
import { metadataBlocks } from './metadata_blocks.ts'
import type { Superblock } from './superblock.ts'

/** What a walk through the block bitmaps takes into account besides them. */
export interface WalkOptions {
  /** Runs of blocks, in order and apart, that the bitmaps must call used. */
  readonly usedRuns: readonly BlockRange[]
  /** Returns a bitmap of a group with more clusters that are to be kept; undefined for none. */
  readonly alsoUsed?: (descriptor: GroupDescriptor) => Promise<Uint8Array | undefined>
  readonly signal: AbortSignal | undefined
}

/**
 * Tells the runs of bytes that the block bitmaps of a file system call free, and checks as it goes: checksums,
 * the count of each group, and that no bitmap calls free what is known to be used.
 *
 * @returns How many blocks the bitmaps call free. With `alsoUsed` fewer may have been told.
 * @throws {GuestProblem} When a check fails.
 * @throws The signal's reason; what reading the device throws.
 */
export async function walkFreeBlocks(
  device: BlockDevice,
  superblock: Superblock,
  { usedRuns, alsoUsed, signal }: WalkOptions,
  found: FreeRangeListener,
): Promise<number> {
  const metadata = metadataBlocks(superblock)
  for await (const descriptor of readDescriptors(device, superblock)) {
    signal?.throwIfAborted()
    metadata.add(descriptor)
  }
  const metadataIn = metadata.finish()
  const usedIn = runsFrontToBack(usedRuns)
  const report = joinedBlocks(superblock, found)
  const ratio = superblock.clusterSize / superblock.blockSize
  let freeClusters = 0
  for await (const descriptor of readDescriptors(device, superblock)) {
    signal?.throwIfAborted()
    const { group } = descriptor
    const blocks = blocksOfGroup(superblock, group)
    const clusters = Math.ceil(blocks.length / ratio)
    const own = [...copiesInGroup(superblock, group), ...metadataIn(blocks)]
    const bitmap = descriptor.isBlockUninit
      ? computedBitmap(superblock, blocks, own)
      : await readBitmap(device, superblock, descriptor)
    checkUsed(superblock, bitmap, descriptor, [...own, ...usedIn(blocks)])
    freeClusters += checkedCount(bitmap, clusters, descriptor)
    const others = await alsoUsed?.(descriptor)
    if (others !== undefined) addBits(bitmap, others)
    clearRuns(bitmap, clusters, (first, length) => report.add(blocks.start + first * ratio, length * ratio))
  }
  report.end()
  return freeClusters * ratio
}

/** Reads the bitmap of a group; throws a GuestProblem for a wrong checksum. */
async function readBitmap(
  device: BlockDevice,
  superblock: Superblock,
  descriptor: GroupDescriptor,
): Promise<Uint8Array> {
  const { blockSize } = superblock
  const bitmap = await readBytes(device, descriptor.blockBitmap * blockSize, blockSize)
  if (isBitmapChecksumRight(superblock, descriptor, bitmap)) return bitmap
  throw new GuestProblem(
    damaged(`the checksum of the block bitmap of its group ${descriptor.group} is wrong`),
  )
}

/** The bitmap of a group in which nothing was ever allocated: what is there is what mke2fs put there. */
function computedBitmap(superblock: Superblock, blocks: BlockRange, own: readonly BlockRange[]): Uint8Array {
  const bitmap = new Uint8Array(superblock.blockSize)
  for (const range of own) {
    const [start, end] = clustersOf(superblock, blocks, range)
    setBits(bitmap, start, end)
  }
  return bitmap
}

/** A bitmap that calls free what certainly is used tells nothing about the rest. */
function checkUsed(
  superblock: Superblock,
  bitmap: Uint8Array,
  { group }: GroupDescriptor,
  used: readonly BlockRange[],
): void {
  const blocks = blocksOfGroup(superblock, group)
  for (const range of used) {
    const [start, end] = clustersOf(superblock, blocks, range)
    if (areBitsSet(bitmap, start, end)) continue
    const found = `the bitmap of its group ${group} calls blocks free that hold metadata (from ${range.start} on)`
    throw new GuestProblem(damaged(found))
  }
}

function checkedCount(
  bitmap: Uint8Array,
  clusters: number,
  { group, freeClusters }: GroupDescriptor,
): number {
  const counted = countClear(bitmap, clusters)
  if (counted === freeClusters) return counted
  const found = `its group ${group} has ${counted} free clusters by its bitmap, ${freeClusters} by its counter`
  throw new GuestProblem(damaged(found))
}

/** The clusters of a group, counted from its start, that a run of blocks touches: the first, and the one behind. */
function clustersOf(
  superblock: Superblock,
  group: BlockRange,
  range: BlockRange,
): [start: number, end: number] {
  const ratio = superblock.clusterSize / superblock.blockSize
  const start = Math.max(range.start - group.start, 0)
  const end = Math.min(range.start + range.length - group.start, group.length)
  return [Math.floor(start / ratio), Math.ceil(end / ratio)]
}

/** Returns a function that tells which of some ordered runs touch another; it has to be asked front to back. */
function runsFrontToBack(runs: readonly BlockRange[]): (blocks: BlockRange) => BlockRange[] {
  let next = 0
  return ({ start, length }) => {
    const touching: BlockRange[] = []
    for (; next < runs.length; next++) {
      const run = runs[next] as BlockRange
      if (run.start >= start + length) break
      if (run.start + run.length > start) touching.push(run)
      if (run.start + run.length > start + length) break
    }
    return touching
  }
}

/** Tells runs of blocks as runs of bytes, those that touch as one, and nothing beyond the last block. */
function joinedBlocks(
  { blockSize, blocksCount }: Superblock,
  found: FreeRangeListener,
): { add(start: number, length: number): void; end(): void } {
  let first = 0
  let behind = 0
  const end = (): void => {
    if (behind > first) found(first * blockSize, (behind - first) * blockSize)
  }
  return {
    add: (start, length) => {
      if (start !== behind) {
        end()
        first = start
      }
      // The last cluster may reach beyond the last block.
      behind = Math.min(start + length, blocksCount)
    },
    end,
  }
}
