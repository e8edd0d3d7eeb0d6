/**
 * The parts of XFS that free space is read from, with the field names of `xfs_format.h` and `xfs_log_format.h`
 * (https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git, "XFS Algorithms & Data Structures").
 * All numbers are big-endian but checksums, which are little-endian.
 *
 * The data device is `sb_agcount` allocation groups of `sb_agblocks` blocks, the last one shorter. Each begins with
 * four sectors: superblock, AGF (free space), AGI (inodes), AGFL (reserve for the trees of free space). A block
 * number inside a group has 32 bits; a number for all of the file system has the group above the lowest
 * `sb_agblklog` bits and is not linear.
 */

/** The superblock (`xfs_dsb`), the first sector of the device. */
export const SB = {
  sb_magicnum: 0x00,
  sb_blocksize: 0x04,
  /** Blocks of the data device, a u64. */
  sb_dblocks: 0x08,
  /** Blocks of the realtime device, a u64. */
  sb_rblocks: 0x10,
  sb_uuid: 0x20,
  /** Number of the first block of the log, a u64; 0 for a log on another device. */
  sb_logstart: 0x30,
  sb_agblocks: 0x54,
  sb_agcount: 0x58,
  sb_logblocks: 0x60,
  /** Lowest four bits: version; above: features, a u16. */
  sb_versionnum: 0x64,
  /** A u16. */
  sb_sectsize: 0x66,
  /** Label, 12 bytes. */
  sb_fname: 0x6c,
  /** Powers of two, a u8 each. */
  sb_blocklog: 0x78,
  sb_sectlog: 0x79,
  sb_agblklog: 0x7c,
  /** A u8. */
  sb_inprogress: 0x7e,
  /** Free blocks, those in reserve and in the trees of free space included, a u64. */
  sb_fdblocks: 0x90,
  sb_features2: 0xc8,
  /** The same as sb_features2, where compilers of old put it. */
  sb_bad_features2: 0xcc,
  sb_features_compat: 0xd0,
  sb_features_ro_compat: 0xd4,
  sb_features_incompat: 0xd8,
  sb_features_log_incompat: 0xdc,
  sb_crc: 0xe0,
  /** What metadata carry in place of sb_uuid with META_UUID. */
  sb_meta_uuid: 0xf8,
} as const

/** `XFSB` */
export const SB_MAGIC = 0x58465342

/** Bytes of the superblock that are read before its sector size is known, and the least sector. */
export const MIN_SECTOR_SIZE = 512

export const MAX_SECTOR_SIZE = 32768

export const MAX_BLOCK_SIZE = 65536

/** The least blocks of an allocation group but the last. */
export const MIN_AG_BLOCKS = 64

/** An allocation group is no larger. */
export const MAX_AG_BYTES: number = 2 ** 40

export const MAX_LOG_BYTES: number = 2 ** 31

/** The head of free space of a group (`xfs_agf`), sector 1. */
export const AGF = {
  agf_magicnum: 0x00,
  agf_versionnum: 0x04,
  agf_seqno: 0x08,
  agf_length: 0x0c,
  agf_bno_root: 0x10,
  agf_cnt_root: 0x14,
  agf_rmap_root: 0x18,
  agf_bno_level: 0x1c,
  agf_flfirst: 0x28,
  agf_fllast: 0x2c,
  agf_flcount: 0x30,
  agf_freeblks: 0x34,
  agf_longest: 0x38,
  /** Blocks of the trees of free space and of reverse mappings beyond their roots. */
  agf_btreeblks: 0x3c,
  agf_uuid: 0x40,
  agf_refcount_root: 0x58,
  agf_crc: 0xd8,
} as const

/** `XAGF` */
export const AGF_MAGIC = 0x58414746

/** The head of inodes of a group (`xfs_agi`), sector 2. */
export const AGI = {
  agi_magicnum: 0x00,
  agi_versionnum: 0x04,
  agi_seqno: 0x08,
  agi_length: 0x0c,
  agi_root: 0x14,
  agi_uuid: 0x128,
  agi_crc: 0x138,
  agi_free_root: 0x148,
} as const

/** `XAGI` */
export const AGI_MAGIC = 0x58414749

/** The only version of AGF and AGI. */
export const AG_VERSION = 1

/** The blocks that a group keeps for its trees (`xfs_agfl`), sector 3. Version 4 has only the array. */
export const AGFL = {
  agfl_magicnum: 0x00,
  agfl_seqno: 0x04,
  agfl_uuid: 0x08,
  agfl_crc: 0x20,
  agfl_bno: 0x24,
} as const

/** `XAFL` */
export const AGFL_MAGIC = 0x5841464c

/** A block of the tree of free space by block number (`xfs_btree_block`, short form). */
export const BTREE = {
  bb_magic: 0x00,
  /** A u16; 0 for leaves. */
  bb_level: 0x04,
  /** A u16. */
  bb_numrecs: 0x06,
  bb_leftsib: 0x08,
  bb_rightsib: 0x0c,
  /** From here on version 5 only. Number of the block in units of 512 bytes from the start, a u64. */
  bb_blkno: 0x10,
  bb_uuid: 0x20,
  /** Number of the group. */
  bb_owner: 0x30,
  bb_crc: 0x34,
} as const

/** `ABTB` */
export const BTREE_MAGIC_V4 = 0x41425442

/** `AB3B` */
export const BTREE_MAGIC_V5 = 0x41423342

export const BTREE_HEADER_V4 = 16

export const BTREE_HEADER_V5 = 56

/** A record of a leaf, and a key of a node: start block and count of blocks, both u32. */
export const RECORD_SIZE = 8

/** A pointer of a node. */
export const POINTER_SIZE = 4

/** The kernel makes no higher trees (`XFS_BTREE_MAXLEVELS`). */
export const MAX_LEVELS = 9

/** "None" as a number of a block inside a group. */
export const NULL_BLOCK = 0xffffffff

/** Bytes of a basic block, in which the log and `bb_blkno` count. */
export const BASIC_BLOCK = 512

/**
 * The head of a record of the log (`xlog_rec_header`). The first four bytes of every other basic block of the log
 * are the number of the cycle in which it was written; what stood there is kept in the head.
 */
export const RECORD = {
  h_magicno: 0x00,
  h_cycle: 0x04,
  h_version: 0x08,
  /** Bytes behind the head, padding included. */
  h_len: 0x0c,
  /** Cycle (upper half) and basic block (lower half) of this record. */
  h_lsn: 0x10,
  h_num_logops: 0x28,
  h_fs_uuid: 0x130,
  /** Bytes of the buffer that the record was written from, which tell how many blocks the head has. */
  h_size: 0x140,
} as const

export const RECORD_MAGIC = 0xfeedbabe

/** Bytes of a record that one block of the head covers. */
export const HEADER_CYCLE_SIZE = 32768

/** An operation of a record (`xlog_op_header`). */
export const OPERATION = {
  /** A u8. */
  oh_clientid: 0x08,
  /** A u8. */
  oh_flags: 0x09,
} as const

/** The client of operations that the log itself writes. */
export const LOG_CLIENT = 0xaa

/** In oh_flags: the file system was unmounted. */
export const UNMOUNT_TRANS = 0x20
