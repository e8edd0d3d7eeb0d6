import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged } from './check_superblock.ts'
import { le32, withoutField } from './checksums.ts'
import { readDescriptorBlock } from './descriptors.ts'
import { littleEndian } from './fields.ts'
import { descriptorsPerBlock } from './groups.ts'
import { I_BLOCK_SIZE, INODE, INODE_FLAG, MIN_INODE_SIZE, MODE } from './layout.ts'
import { hasBit, hasRoCompat, type Superblock } from './superblock.ts'

/** What an inode says of its data. */
export interface Inode {
  readonly number: number
  readonly isRegularFile: boolean
  /** Bytes. */
  readonly size: number
  readonly links: number
  /** Whether `blocks` is a tree of extents, not block numbers. */
  readonly hasExtents: boolean
  /** Whether `blocks` holds the data themselves. */
  readonly hasInlineData: boolean
  /** The 60 bytes of i_block. */
  readonly blocks: Uint8Array
  /** What checksums of its blocks begin with. */
  readonly checksumSeed: number
}

/**
 * Reads an inode.
 *
 * @param number From 1; has to be one that the superblock has room for.
 * @throws {GuestProblem} For a wrong checksum of it or of its group.
 * @throws What reading the device throws.
 */
export async function readInode(device: BlockDevice, superblock: Superblock, number: number): Promise<Inode> {
  const { inodesPerGroup, inodeSize, blockSize } = superblock
  const group = Math.floor((number - 1) / inodesPerGroup)
  const perBlock = descriptorsPerBlock(superblock)
  const descriptors = await readDescriptorBlock(device, superblock, Math.floor(group / perBlock))
  const descriptor = descriptors[group % perBlock]
  if (descriptor === undefined) throw new GuestProblem(damaged(`it has no inode ${number}`))
  const position = descriptor.inodeTable * blockSize + ((number - 1) % inodesPerGroup) * inodeSize
  const bytes = await readBytes(device, position, inodeSize)
  if (!isInodeChecksumRight(superblock, bytes, number)) {
    throw new GuestProblem(damaged(`the checksum of its inode ${number} is wrong`))
  }
  return decodeInode(superblock, bytes, number)
}

/** Returns what an inode says, unchecked. */
export function decodeInode(superblock: Superblock, bytes: Uint8Array, number: number): Inode {
  const { u16, u32, joined } = littleEndian(bytes)
  const flags = u32(INODE.i_flags)
  return {
    number,
    isRegularFile: (u16(INODE.i_mode) & MODE.FORMAT_MASK) === MODE.REGULAR,
    size: joined(INODE.i_size_lo, INODE.i_size_high),
    links: u16(INODE.i_links_count),
    hasExtents: hasBit(flags, INODE_FLAG.EXTENTS),
    hasInlineData: hasBit(flags, INODE_FLAG.INLINE_DATA),
    blocks: bytes.slice(INODE.i_block, INODE.i_block + I_BLOCK_SIZE),
    checksumSeed: seedOf(superblock, bytes, number),
  }
}

function isInodeChecksumRight(superblock: Superblock, bytes: Uint8Array, number: number): boolean {
  if (!hasRoCompat(superblock, 'metadata_csum')) return true
  const { u16 } = littleEndian(bytes)
  const endOfKnown = bytes.length > MIN_INODE_SIZE ? MIN_INODE_SIZE + u16(INODE.i_extra_isize) : 0
  const hasHigh = endOfKnown >= INODE.i_checksum_hi + 2
  const zeroed = withoutField(bytes, INODE.l_i_checksum_lo, 2)
  if (hasHigh) zeroed.fill(0, INODE.i_checksum_hi, INODE.i_checksum_hi + 2)
  const checksum = crc32c(zeroed, seedOf(superblock, bytes, number))
  if (!hasHigh) return u16(INODE.l_i_checksum_lo) === checksum % 2 ** 16
  return u16(INODE.i_checksum_hi) * 2 ** 16 + u16(INODE.l_i_checksum_lo) === checksum
}

function seedOf({ checksumSeed }: Superblock, bytes: Uint8Array, number: number): number {
  const generation = bytes.subarray(INODE.i_generation, INODE.i_generation + 4)
  return crc32c(generation, crc32c(le32(number), checksumSeed))
}
