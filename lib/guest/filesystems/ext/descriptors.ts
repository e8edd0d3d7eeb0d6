import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged } from './check_superblock.ts'
import { crc16, le32, withoutField } from './checksums.ts'
import { littleEndian } from './fields.ts'
import {
  descriptorBlock,
  descriptorBlocks,
  descriptorsPerBlock,
  groupCount,
  inodeTableBlocks,
} from './groups.ts'
import { GROUP, GROUP_FLAG } from './layout.ts'
import { hasBit, hasRoCompat, hasWideDescriptors, type Superblock } from './superblock.ts'

/** What a group descriptor says; block numbers lie inside the file system. */
export interface GroupDescriptor {
  readonly group: number
  readonly blockBitmap: number
  readonly inodeBitmap: number
  /** The first block of the table. */
  readonly inodeTable: number
  readonly freeClusters: number
  /** Whether the block bitmap was never written and has to be computed. */
  readonly isBlockUninit: boolean
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: number
  /** Of the block bitmap; 16 bits of it in narrow descriptors. */
  readonly bitmapChecksum: number
}

/**
 * Reads all group descriptors in order, one block at a time.
 *
 * @throws {GuestProblem} For a wrong checksum, or a place outside the file system.
 * @throws What reading the device throws.
 */
export async function* readDescriptors(
  device: BlockDevice,
  superblock: Superblock,
): AsyncGenerator<GroupDescriptor, void, undefined> {
  for (let index = 0; index < descriptorBlocks(superblock); index++) {
    yield* await readDescriptorBlock(device, superblock, index)
  }
}

/** Reads the group descriptors in one block of their table. Throws as `readDescriptors` does. */
export async function readDescriptorBlock(
  device: BlockDevice,
  superblock: Superblock,
  index: number,
): Promise<GroupDescriptor[]> {
  const { blockSize, descSize, blocksCount } = superblock
  const block = descriptorBlock(superblock, index)
  if (block >= blocksCount) throw new GuestProblem(damaged(`its table of groups reaches beyond its end`))
  const bytes = await readBytes(device, block * blockSize, blockSize)
  const perBlock = descriptorsPerBlock(superblock)
  const first = index * perBlock
  const count = Math.min(perBlock, groupCount(superblock) - first)
  return Array.from({ length: count }, (_, at) => {
    const own = bytes.subarray(at * descSize, (at + 1) * descSize)
    if (!isChecksumRight(superblock, own, first + at)) {
      throw new GuestProblem(damaged(`the checksum of its group ${first + at} is wrong`))
    }
    return checked(superblock, decodeDescriptor(superblock, own, first + at))
  })
}

/** Returns what a group descriptor says, unchecked. */
export function decodeDescriptor(superblock: Superblock, bytes: Uint8Array, group: number): GroupDescriptor {
  const { u16, u32 } = littleEndian(bytes)
  const isWide = hasWideDescriptors(superblock)
  const number32 = (low: number, high: number): number => (isWide ? u32(high) * 2 ** 32 : 0) + u32(low)
  const number16 = (low: number, high: number): number => (isWide ? u16(high) * 2 ** 16 : 0) + u16(low)
  // Without checksums nobody minds the flags.
  const flags = hasGroupChecksums(superblock) ? u16(GROUP.bg_flags) : 0
  const unused = number16(GROUP.bg_itable_unused_lo, GROUP.bg_itable_unused_hi)
  return {
    group,
    blockBitmap: number32(GROUP.bg_block_bitmap_lo, GROUP.bg_block_bitmap_hi),
    inodeBitmap: number32(GROUP.bg_inode_bitmap_lo, GROUP.bg_inode_bitmap_hi),
    inodeTable: number32(GROUP.bg_inode_table_lo, GROUP.bg_inode_table_hi),
    freeClusters: number16(GROUP.bg_free_blocks_count_lo, GROUP.bg_free_blocks_count_hi),
    isBlockUninit: hasBit(flags, GROUP_FLAG.BLOCK_UNINIT),
    unusedInodes: unusedInodes(superblock, flags, unused),
    bitmapChecksum: number16(GROUP.bg_block_bitmap_csum_lo, GROUP.bg_block_bitmap_csum_hi),
  }
}

function unusedInodes(superblock: Superblock, flags: number, unused: number): number {
  if (!hasGroupChecksums(superblock)) return 0
  return hasBit(flags, GROUP_FLAG.INODE_UNINIT) ? superblock.inodesPerGroup : unused
}

/** Whether a bitmap as read is what the descriptor of its group was written for. */
export function isBitmapChecksumRight(
  superblock: Superblock,
  { bitmapChecksum }: GroupDescriptor,
  bitmap: Uint8Array,
): boolean {
  if (!hasRoCompat(superblock, 'metadata_csum')) return true
  const checksum = crc32c(bitmap.subarray(0, superblock.clustersPerGroup / 8), superblock.checksumSeed)
  return bitmapChecksum === (hasWideDescriptors(superblock) ? checksum : checksum % 2 ** 16)
}

function hasGroupChecksums(superblock: Superblock): boolean {
  return hasRoCompat(superblock, 'metadata_csum') || hasRoCompat(superblock, 'uninit_bg')
}

function isChecksumRight(superblock: Superblock, bytes: Uint8Array, group: number): boolean {
  const stored = littleEndian(bytes).u16(GROUP.bg_checksum)
  if (hasRoCompat(superblock, 'metadata_csum')) {
    const seed = crc32c(le32(group), superblock.checksumSeed)
    return stored === crc32c(withoutField(bytes, GROUP.bg_checksum, 2), seed) % 2 ** 16
  }
  if (!hasRoCompat(superblock, 'uninit_bg')) return true
  const head = crc16(bytes.subarray(0, GROUP.bg_checksum), crc16(le32(group), crc16(superblock.uuid)))
  return stored === crc16(bytes.subarray(GROUP.bg_checksum + 2), head)
}

function checked(superblock: Superblock, descriptor: GroupDescriptor): GroupDescriptor {
  const { blocksCount, firstDataBlock } = superblock
  const { group, blockBitmap, inodeBitmap, inodeTable } = descriptor
  const places: readonly [string, number, number][] = [
    ['block bitmap', blockBitmap, 1],
    ['inode bitmap', inodeBitmap, 1],
    ['inode table', inodeTable, inodeTableBlocks(superblock)],
  ]
  for (const [what, start, length] of places) {
    if (start <= firstDataBlock || start + length > blocksCount) {
      throw new GuestProblem(damaged(`the ${what} of its group ${group} would be at block ${start}`))
    }
  }
  return descriptor
}
