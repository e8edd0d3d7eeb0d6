/**
 * The layout of ext2, ext3 and ext4 with the field names of Linux
 * (https://docs.kernel.org/filesystems/ext4/globals.html, https://docs.kernel.org/filesystems/ext4/dynamic.html).
 * All numbers are little-endian; a number in two fields has its lower bits in the one called `_lo`.
 *
 * 1024 bytes for a boot loader, the superblock, then groups of blocks. Each group has a descriptor, a bitmap of
 * its blocks, a bitmap of its inodes and a table of its inodes, which may lie in other groups (flex_bg).
 */

/** Byte of the device at which the superblock begins, whatever the block size. */
export const SUPERBLOCK_OFFSET = 1024

export const SUPERBLOCK_SIZE = 1024

export const EXT2_SUPER_MAGIC = 0xef53

/** Offsets in the superblock. */
export const SUPER = {
  s_inodes_count: 0x00,
  s_blocks_count_lo: 0x04,
  /** Blocks, also where bitmaps count clusters. */
  s_free_blocks_count_lo: 0x0c,
  /** 1 where blocks are 1 KiB and no clusters, for the superblock then has a block of its own; else 0. */
  s_first_data_block: 0x14,
  /** A block has 2^(10 + this) bytes. */
  s_log_block_size: 0x18,
  /** A cluster has 2^(10 + this) bytes. */
  s_log_cluster_size: 0x1c,
  s_blocks_per_group: 0x20,
  s_clusters_per_group: 0x24,
  s_inodes_per_group: 0x28,
  s_magic: 0x38,
  s_state: 0x3a,
  s_rev_level: 0x4c,
  s_inode_size: 0x58,
  s_feature_compat: 0x5c,
  s_feature_incompat: 0x60,
  s_feature_ro_compat: 0x64,
  s_uuid: 0x68,
  /** 16 bytes, NUL-padded. */
  s_volume_name: 0x78,
  s_reserved_gdt_blocks: 0xce,
  s_journal_inum: 0xe0,
  s_journal_dev: 0xe4,
  s_last_orphan: 0xe8,
  s_desc_size: 0xfe,
  s_first_meta_bg: 0x104,
  s_blocks_count_hi: 0x150,
  s_free_blocks_count_hi: 0x158,
  /** A u64. */
  s_mmp_block: 0x168,
  s_checksum_type: 0x175,
  s_error_count: 0x194,
  /** Two u32: the groups with copies of the superblock where sparse_super2 is set. */
  s_backup_bgs: 0x24c,
  s_checksum_seed: 0x270,
  s_checksum: 0x3fc,
} as const

/** Bits of s_state. */
export const STATE = { VALID_FS: 1, ERROR_FS: 2, ORPHAN_FS: 4, FC_REPLAY: 0x20 } as const

/** The only s_checksum_type there is. */
export const CHECKSUM_TYPE_CRC32C = 1

/** Bits of s_feature_compat by the names of mke2fs. */
export const COMPAT = {
  dir_prealloc: 0x1,
  imagic_inodes: 0x2,
  has_journal: 0x4,
  ext_attr: 0x8,
  resize_inode: 0x10,
  dir_index: 0x20,
  lazy_bg: 0x40,
  snapshot_exclude_inode: 0x80,
  snapshot_exclude_bitmap: 0x100,
  sparse_super2: 0x200,
  fast_commit: 0x400,
  stable_inodes: 0x800,
  orphan_file: 0x1000,
} as const

/** Bits of s_feature_incompat by the names of mke2fs. */
export const INCOMPAT = {
  compression: 0x1,
  filetype: 0x2,
  needs_recovery: 0x4,
  journal_dev: 0x8,
  meta_bg: 0x10,
  extent: 0x40,
  '64bit': 0x80,
  mmp: 0x100,
  flex_bg: 0x200,
  ea_inode: 0x400,
  dirdata: 0x1000,
  metadata_csum_seed: 0x2000,
  large_dir: 0x4000,
  inline_data: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const

/** Bits of s_feature_ro_compat by the names of mke2fs. */
export const RO_COMPAT = {
  sparse_super: 0x1,
  large_file: 0x2,
  btree_dir: 0x4,
  huge_file: 0x8,
  /** `GDT_CSUM` in Linux. */
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  has_snapshot: 0x80,
  quota: 0x100,
  bigalloc: 0x200,
  metadata_csum: 0x400,
  replica: 0x800,
  'read-only': 0x1000,
  project: 0x2000,
  shared_blocks: 0x4000,
  verity: 0x8000,
  orphan_present: 0x10000,
} as const

/** Offsets in a group descriptor; the fields called `_hi` are there in descriptors of 64 bytes or more. */
export const GROUP = {
  bg_block_bitmap_lo: 0x00,
  bg_inode_bitmap_lo: 0x04,
  bg_inode_table_lo: 0x08,
  /** Clusters. */
  bg_free_blocks_count_lo: 0x0c,
  bg_flags: 0x12,
  bg_block_bitmap_csum_lo: 0x18,
  bg_itable_unused_lo: 0x1c,
  bg_checksum: 0x1e,
  bg_block_bitmap_hi: 0x20,
  bg_inode_bitmap_hi: 0x24,
  bg_inode_table_hi: 0x28,
  bg_free_blocks_count_hi: 0x2c,
  bg_itable_unused_hi: 0x32,
  bg_block_bitmap_csum_hi: 0x38,
} as const

/** Bytes of a group descriptor unless the feature 64bit is set. */
export const MIN_DESC_SIZE = 32

/** Bytes of a group descriptor from which on it has the fields called `_hi`. */
export const DESC_SIZE_64BIT = 64

/** Bytes of the largest group descriptor that Linux mounts. */
export const MAX_DESC_SIZE = 1024

/** Bits of bg_flags. */
export const GROUP_FLAG = { INODE_UNINIT: 1, BLOCK_UNINIT: 2 } as const

/** Offsets in an inode. */
export const INODE = {
  i_mode: 0x00,
  i_size_lo: 0x04,
  i_links_count: 0x1a,
  i_flags: 0x20,
  /** 60 bytes: a tree of extents, or 15 block numbers. */
  i_block: 0x28,
  i_generation: 0x64,
  i_size_high: 0x6c,
  l_i_checksum_lo: 0x7c,
  i_extra_isize: 0x80,
  i_checksum_hi: 0x82,
} as const

/** Bytes of an inode in revision 0, and of the smallest in any. */
export const MIN_INODE_SIZE = 128

export const I_BLOCK_SIZE = 60

/** The mask and the value of i_mode for a regular file. */
export const MODE = { FORMAT_MASK: 0xf000, REGULAR: 0x8000 } as const

/** Bits of i_flags. */
export const INODE_FLAG = { EXTENTS: 0x80000, INLINE_DATA: 0x10000000 } as const

/** Number of the inode that is the journal. */
export const JOURNAL_INO = 8

/** Offsets in the header of a node of a tree of extents. */
export const EXTENT_HEADER = { eh_magic: 0, eh_entries: 2, eh_max: 4, eh_depth: 6 } as const

export const EXTENT_MAGIC = 0xf30a

/** Bytes of the header, of an entry of a leaf and of an entry of an inner node. */
export const EXTENT_SIZE = 12

/** The deepest tree that Linux makes. */
export const MAX_EXTENT_DEPTH = 5

/** Offsets in an entry of a leaf. */
export const EXTENT = { ee_block: 0, ee_len: 4, ee_start_hi: 6, ee_start_lo: 8 } as const

/** The longest extent with data; a greater ee_len means one that was never written. */
export const MAX_EXTENT_LENGTH = 32768

/** Offsets in an entry of an inner node. */
export const EXTENT_INDEX = { ei_block: 0, ei_leaf_lo: 4, ei_leaf_hi: 8 } as const

/** Block numbers in i_block that name data themselves; three more name blocks of block numbers. */
export const DIRECT_BLOCKS = 12

/** Offsets in the block of the multiple mount protection. */
export const MMP = { mmp_magic: 0x00, mmp_seq: 0x04, mmp_checksum: 0x3fc } as const

export const MMP_MAGIC = 0x004d4d50

/** What mmp_seq is after a clean unmount. */
export const MMP_SEQ_CLEAN = 0xff4d4d50

/** Groups that are walked through at most, a limit of this project: 256 TiB in groups of 128 MiB. */
export const MAX_GROUPS: number = 2 ** 21
