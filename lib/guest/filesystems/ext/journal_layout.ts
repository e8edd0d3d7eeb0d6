/**
 * The layout of the journal, JBD2, with the field names of Linux
 * (https://docs.kernel.org/filesystems/ext4/journal.html). All numbers are big-endian, unlike those of ext.
 *
 * Block 0 of the journal is its superblock. From s_first on, round and round, lie transactions: descriptor blocks,
 * each followed by the blocks that it describes, revocation blocks, and a commit block at the end.
 */

export const JBD2_MAGIC_NUMBER = 0xc03b3998

/** Offsets in the header of all blocks but those described. */
export const HEADER = { h_magic: 0x00, h_blocktype: 0x04, h_sequence: 0x08 } as const

export const HEADER_SIZE = 12

/** What h_blocktype says. */
export const BLOCKTYPE = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const

export const JOURNAL_SUPERBLOCK_SIZE = 1024

/** Offsets in the journal's superblock; from s_feature_compat on only in version 2. */
export const JOURNAL_SUPER = {
  s_blocksize: 0x0c,
  /** Blocks of the journal. */
  s_maxlen: 0x10,
  s_first: 0x14,
  /** Sequence number of the first transaction of the log. */
  s_sequence: 0x18,
  /** Block of the journal at which the log begins; 0 when there is nothing to replay. */
  s_start: 0x1c,
  s_errno: 0x20,
  s_feature_compat: 0x24,
  s_feature_incompat: 0x28,
  s_feature_ro_compat: 0x2c,
  s_uuid: 0x30,
  s_checksum_type: 0x50,
  /** Blocks at the end of the journal for fast commits; 0 for `DEFAULT_FAST_COMMIT_BLOCKS`. */
  s_num_fc_blocks: 0x54,
  s_checksum: 0xfc,
} as const

/** Bits of s_feature_compat. */
export const JOURNAL_COMPAT = { checksum: 0x1 } as const

/** Bits of s_feature_incompat. */
export const JOURNAL_INCOMPAT = {
  revoke: 0x1,
  '64bit': 0x2,
  async_commit: 0x4,
  csum_v2: 0x8,
  csum_v3: 0x10,
  fast_commit: 0x20,
} as const

/** The s_checksum_type that csum_v2 and csum_v3 have today. */
export const JBD2_CRC32C_CHKSUM = 4

/** A checksum at the end of descriptor and revocation blocks, with csum_v2 and csum_v3. */
export const BLOCK_TAIL_SIZE = 4

/** Offsets in a tag of a descriptor block, with csum_v3. */
export const TAG3 = { t_blocknr: 0, t_flags: 6, t_blocknr_high: 8, t_checksum: 12 } as const

export const TAG3_SIZE = 16

/** Offsets in a tag without csum_v3; t_blocknr_high is there with 64bit only. */
export const TAG = { t_blocknr: 0, t_checksum: 4, t_flags: 6, t_blocknr_high: 8 } as const

/** Bytes of a tag without csum_v3 and without 64bit; csum_v2 adds 2, 64bit 4. */
export const TAG_SIZE = 8

/** Bits of t_flags, of which the lower 16 bits count. */
export const TAG_FLAG = { ESCAPE: 1, SAME_UUID: 2, DELETED: 4, LAST_TAG: 8 } as const

/** Bytes of the UUID behind a tag that has not SAME_UUID. */
export const TAG_UUID_SIZE = 16

/** Offsets in a commit block. */
export const COMMIT = { h_chksum_type: 0x0c, h_chksum_size: 0x0d, h_chksum: 0x10 } as const

/** The h_chksum_type and h_chksum_size of a transaction with a checksum of the first kind. */
export const JBD2_CRC32_CHKSUM = { type: 1, size: 4 } as const

/** Offset in a revocation block: its bytes in use, the header included. */
export const REVOKE = { r_count: 0x0c } as const

export const REVOKE_HEADER_SIZE = 16

/** What s_num_fc_blocks stands for when it is 0. */
export const DEFAULT_FAST_COMMIT_BLOCKS = 256

/** The least that fast commits leave for the log. */
export const MIN_LOG_BLOCKS = 1024

/** The first two bytes, little-endian, of a block that begins fast commits, and offset of their sequence number. */
export const FAST_COMMIT = { TAG_HEAD: 9, fc_tid: 8 } as const
