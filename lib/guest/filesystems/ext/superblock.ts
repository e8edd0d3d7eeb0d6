import { crc32c } from '../../checksums/crc32c.ts'
import { littleEndian } from './fields.ts'
import {
  DESC_SIZE_64BIT,
  EXT2_SUPER_MAGIC,
  INCOMPAT,
  MIN_DESC_SIZE,
  MIN_INODE_SIZE,
  RO_COMPAT,
  SUPER,
  SUPERBLOCK_SIZE,
} from './layout.ts'

/** What a superblock says. Names and meanings are those of `SUPER` in `layout.ts`; nothing is checked. */
export interface Superblock {
  readonly inodesCount: number
  readonly blocksCount: number
  /** Blocks. */
  readonly freeBlocksCount: number
  readonly firstDataBlock: number
  /** Bytes; absurdly large where s_log_block_size is. */
  readonly blockSize: number
  /** Bytes of what a bit of a block bitmap stands for: of a block unless bigalloc is set. */
  readonly clusterSize: number
  readonly blocksPerGroup: number
  readonly clustersPerGroup: number
  readonly inodesPerGroup: number
  readonly state: number
  readonly revision: number
  /** Bytes. */
  readonly inodeSize: number
  /** Bits of the three words of features; 0 in revision 0. */
  readonly compat: number
  readonly incompat: number
  readonly roCompat: number
  readonly uuid: Uint8Array
  readonly volumeName: string
  readonly reservedGdtBlocks: number
  readonly journalInode: number
  readonly journalDevice: number
  readonly lastOrphan: number
  /** Bytes of a group descriptor. */
  readonly descSize: number
  readonly firstMetaBg: number
  readonly mmpBlock: number
  readonly checksumType: number
  readonly errorCount: number
  readonly backupGroups: readonly number[]
  /** What the checksums of metadata_csum begin with. */
  readonly checksumSeed: number
  /** Whether the superblock's own checksum is right; true where there is none. */
  readonly isChecksumRight: boolean
}

/**
 * Returns what a superblock says; undefined when it has no signature.
 *
 * @param bytes The 1024 bytes of the superblock.
 */
export function decodeSuperblock(bytes: Uint8Array): Superblock | undefined {
  const { u8, u16, u32, joined } = littleEndian(bytes.subarray(0, SUPERBLOCK_SIZE))
  if (u16(SUPER.s_magic) !== EXT2_SUPER_MAGIC) return undefined
  const revision = u32(SUPER.s_rev_level)
  const word = (offset: number): number => (revision === 0 ? 0 : u32(offset))
  const incompat = word(SUPER.s_feature_incompat)
  const roCompat = word(SUPER.s_feature_ro_compat)
  const is64Bit = hasBit(incompat, INCOMPAT['64bit'])
  const count = (low: number, high: number): number => (is64Bit ? joined(low, high) : u32(low))
  const hasClusters = hasBit(roCompat, RO_COMPAT.bigalloc)
  const uuid = bytes.slice(SUPER.s_uuid, SUPER.s_uuid + 16)
  const blockSize = bytesOf(u32(SUPER.s_log_block_size))
  return {
    inodesCount: u32(SUPER.s_inodes_count),
    blocksCount: count(SUPER.s_blocks_count_lo, SUPER.s_blocks_count_hi),
    freeBlocksCount: count(SUPER.s_free_blocks_count_lo, SUPER.s_free_blocks_count_hi),
    firstDataBlock: u32(SUPER.s_first_data_block),
    blockSize,
    clusterSize: hasClusters ? bytesOf(u32(SUPER.s_log_cluster_size)) : blockSize,
    blocksPerGroup: u32(SUPER.s_blocks_per_group),
    clustersPerGroup: u32(hasClusters ? SUPER.s_clusters_per_group : SUPER.s_blocks_per_group),
    inodesPerGroup: u32(SUPER.s_inodes_per_group),
    state: u16(SUPER.s_state),
    revision,
    inodeSize: revision === 0 ? MIN_INODE_SIZE : u16(SUPER.s_inode_size),
    compat: word(SUPER.s_feature_compat),
    incompat,
    roCompat,
    uuid,
    volumeName: decodeName(bytes.subarray(SUPER.s_volume_name, SUPER.s_volume_name + 16)),
    reservedGdtBlocks: u16(SUPER.s_reserved_gdt_blocks),
    journalInode: u32(SUPER.s_journal_inum),
    journalDevice: u32(SUPER.s_journal_dev),
    lastOrphan: u32(SUPER.s_last_orphan),
    descSize: is64Bit ? u16(SUPER.s_desc_size) : MIN_DESC_SIZE,
    firstMetaBg: hasBit(incompat, INCOMPAT.meta_bg) ? u32(SUPER.s_first_meta_bg) : 0,
    mmpBlock: joined(SUPER.s_mmp_block, SUPER.s_mmp_block + 4),
    checksumType: u8(SUPER.s_checksum_type),
    errorCount: u32(SUPER.s_error_count),
    backupGroups: [u32(SUPER.s_backup_bgs), u32(SUPER.s_backup_bgs + 4)],
    checksumSeed: hasBit(incompat, INCOMPAT.metadata_csum_seed) ? u32(SUPER.s_checksum_seed) : crc32c(uuid),
    isChecksumRight:
      !hasBit(roCompat, RO_COMPAT.metadata_csum) ||
      crc32c(bytes.subarray(0, SUPER.s_checksum)) === u32(SUPER.s_checksum),
  }
}

/** Tells whether a word has a bit; both as unsigned numbers of 32 bits. */
export function hasBit(word: number, bit: number): boolean {
  return (word & bit) !== 0
}

/** Whether a superblock has a feature of the word called incompat. */
export function hasIncompat(superblock: Superblock, name: keyof typeof INCOMPAT): boolean {
  return hasBit(superblock.incompat, INCOMPAT[name])
}

/** Whether a superblock has a feature of the word called ro_compat. */
export function hasRoCompat(superblock: Superblock, name: keyof typeof RO_COMPAT): boolean {
  return hasBit(superblock.roCompat, RO_COMPAT[name])
}

/** Whether group descriptors have the fields called `_hi`. */
export function hasWideDescriptors({ descSize }: Superblock): boolean {
  return descSize >= DESC_SIZE_64BIT
}

/** The size that a logarithm stands for; all absurd ones are as absurd, and finite. */
function bytesOf(logarithm: number): number {
  return 1024 * 2 ** Math.min(logarithm, 32)
}

function decodeName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end))
}
