import { COMPAT } from './layout.ts'
import { hasIncompat, hasRoCompat, type Superblock } from './superblock.ts'

/** A run of blocks. */
export interface BlockRange {
  readonly start: number
  readonly length: number
}

/** Groups of a file system. */
export function groupCount({ blocksCount, firstDataBlock, blocksPerGroup }: Superblock): number {
  return Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup)
}

/** Blocks of the table of group descriptors. */
export function descriptorBlocks(superblock: Superblock): number {
  return Math.ceil(groupCount(superblock) / descriptorsPerBlock(superblock))
}

/** Group descriptors in a block. */
export function descriptorsPerBlock({ blockSize, descSize }: Superblock): number {
  return blockSize / descSize
}

/** The blocks of a group; the last one may be shorter. */
export function blocksOfGroup(superblock: Superblock, group: number): BlockRange {
  const { firstDataBlock, blocksPerGroup, blocksCount } = superblock
  const start = firstDataBlock + group * blocksPerGroup
  return { start, length: Math.min(blocksPerGroup, blocksCount - start) }
}

/** Blocks of a table of inodes. */
export function inodeTableBlocks({ inodesPerGroup, inodeSize, blockSize }: Superblock): number {
  return Math.ceil((inodesPerGroup * inodeSize) / blockSize)
}

/**
 * Returns the block in which a block of the table of group descriptors lies: behind the superblock, or with
 * meta_bg from `s_first_meta_bg` on in the first of the groups that it describes.
 *
 * @param index Of the block in the table, from 0.
 */
export function descriptorBlock(superblock: Superblock, index: number): number {
  if (!hasIncompat(superblock, 'meta_bg') || index < superblock.firstMetaBg) {
    return superblockBlock(superblock) + 1 + index
  }
  const group = index * descriptorsPerBlock(superblock)
  const { start } = blocksOfGroup(superblock, group)
  if (group === 0) return superblockBlock(superblock) + 1
  return start + (hasSuperblock(superblock, group) ? 1 : 0)
}

/**
 * Returns the runs of blocks at the start of a group that hold copies of the superblock and of the table of group
 * descriptors, and what is reserved for that table to grow.
 */
export function copiesInGroup(superblock: Superblock, group: number): readonly BlockRange[] {
  const { start } = blocksOfGroup(superblock, group)
  const first = group === 0 ? superblockBlock(superblock) : start
  const superblocks = hasSuperblock(superblock, group) ? 1 : 0
  // Block 0 of 1 KiB is in group 0 where clusters are larger.
  const bootBlocks: BlockRange[] = group === 0 && first > start ? [{ start, length: first - start }] : []
  const table = tableBlocksInGroup(superblock, group, superblocks === 1)
  const length = superblocks + table
  return length === 0 ? bootBlocks : [...bootBlocks, { start: first, length }]
}

function tableBlocksInGroup(superblock: Superblock, group: number, hasCopy: boolean): number {
  const { reservedGdtBlocks, firstMetaBg } = superblock
  const isMeta = hasIncompat(superblock, 'meta_bg')
  const perBlock = descriptorsPerBlock(superblock)
  const metaGroup = Math.floor(group / perBlock)
  if (!isMeta || metaGroup < firstMetaBg) {
    return hasCopy ? (isMeta ? firstMetaBg : descriptorBlocks(superblock)) + reservedGdtBlocks : 0
  }
  const place = group % perBlock
  return place === 0 || place === 1 || place === perBlock - 1 ? 1 : 0
}

/** Whether a group begins with a copy of the superblock. */
export function hasSuperblock(superblock: Superblock, group: number): boolean {
  if (group === 0) return true
  if (hasSparseSuper2(superblock)) return superblock.backupGroups.includes(group)
  if (!hasRoCompat(superblock, 'sparse_super')) return true
  return group === 1 || [3, 5, 7].some(base => isPowerOf(base, group))
}

function hasSparseSuper2({ compat }: Superblock): boolean {
  return (compat & COMPAT.sparse_super2) !== 0
}

function superblockBlock({ blockSize }: Superblock): number {
  return blockSize === 1024 ? 1 : 0
}

function isPowerOf(base: number, value: number): boolean {
  let power = base
  while (power < value) power *= base
  return power === value
}
