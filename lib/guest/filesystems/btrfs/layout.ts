/**
 * The parts of Btrfs that free space is read from, with the field names of `btrfs_tree.h`
 * (https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html). All numbers are little-endian, all structures are
 * packed.
 *
 * Everything but the superblock has a logical address, which chunks map to devices. Trees are of nodes of one size;
 * a tree is changed by writing its nodes elsewhere, and a superblock of the next generation shows the new state.
 */

/** The first superblock, and the copies of it that lie inside the device. */
export const SUPER_OFFSET: number = 2 ** 16

export const SUPER_COPIES: readonly number[] = [2 ** 26, 2 ** 38]

export const SUPER_SIZE = 4096

/** Around every superblock the kernel uses nothing of so many bytes. */
export const SUPER_ROOM: number = 2 ** 16

/** The start of the device is left to boot loaders. */
export const RESERVED_START: number = 2 ** 20

/** The superblock (`btrfs_super_block`). */
export const SB = {
  /** 32 bytes, as have the headers of nodes. */
  csum: 0x00,
  fsid: 0x20,
  /** Where on the device this copy lies, a u64. */
  bytenr: 0x30,
  /** A u64. */
  flags: 0x38,
  /** Eight characters. */
  magic: 0x40,
  generation: 0x48,
  /** Logical addresses, each a u64. */
  root: 0x50,
  chunk_root: 0x58,
  log_root: 0x60,
  total_bytes: 0x70,
  bytes_used: 0x78,
  num_devices: 0x88,
  sectorsize: 0x90,
  nodesize: 0x94,
  sys_chunk_array_size: 0xa0,
  chunk_root_generation: 0xa4,
  /** Three words of features, each a u64. */
  compat_flags: 0xac,
  compat_ro_flags: 0xb4,
  incompat_flags: 0xbc,
  /** A u16. */
  csum_type: 0xc4,
  /** A u8 each. */
  root_level: 0xc6,
  chunk_root_level: 0xc7,
  /** The device that this superblock lies on (`btrfs_dev_item`). */
  dev_item: 0xc9,
  /** 256 bytes of text, NUL-padded. */
  label: 0x12b,
  /** What nodes carry in place of fsid with METADATA_UUID. */
  metadata_uuid: 0x23b,
  /** Keys and chunks of the system, as many as fit. */
  sys_chunk_array: 0x32b,
} as const

export const MAGIC = '_BHRfS_M'

export const SYS_CHUNK_ARRAY_SIZE = 2048

export const MIN_SECTOR_SIZE = 512

export const MAX_NODE_SIZE = 65536

/** A device (`btrfs_dev_item`). */
export const DEV = {
  devid: 0,
  total_bytes: 8,
  bytes_used: 16,
  uuid: 66,
  size: 98,
} as const

/** The head of a node (`btrfs_header`). */
export const HEADER = {
  csum: 0x00,
  fsid: 0x20,
  bytenr: 0x30,
  generation: 0x50,
  /** The tree that it belongs to. */
  owner: 0x58,
  nritems: 0x60,
  /** A u8; 0 for leaves. */
  level: 0x64,
  size: 0x65,
} as const

/** Trees are no higher than this many levels. */
export const MAX_LEVELS = 8

/** A key: objectid u64, type u8, offset u64. */
export const KEY = { objectid: 0, type: 8, offset: 9, size: 17 } as const

/** An item of a leaf (`btrfs_item`), behind the head. Its data lie `offset` bytes behind the head. */
export const ITEM = { offset: 17, length: 21, size: 25 } as const

/** A pointer of a node that is no leaf (`btrfs_key_ptr`). */
export const POINTER = { blockptr: 17, generation: 25, size: 33 } as const

/** Numbers of trees. */
export const TREE = { root: 1, extent: 2, chunk: 3 } as const

/** Objects of the chunk tree. */
export const FIRST_CHUNK_TREE_OBJECTID = 256
export const DEV_ITEMS_OBJECTID = 1

/** Types of keys. */
export const TYPE = {
  ROOT_ITEM: 132,
  EXTENT_ITEM: 168,
  METADATA_ITEM: 169,
  EXTENT_OWNER_REF: 172,
  TREE_BLOCK_REF: 176,
  EXTENT_DATA_REF: 178,
  SHARED_BLOCK_REF: 182,
  SHARED_DATA_REF: 184,
  BLOCK_GROUP_ITEM: 192,
  DEV_ITEM: 216,
  CHUNK_ITEM: 228,
} as const

/** Where a tree is rooted (`btrfs_root_item`). */
export const ROOT_ITEM = { generation: 160, bytenr: 176, level: 238, size: 239 } as const

/** A chunk (`btrfs_chunk`): its key's offset is its logical address. */
export const CHUNK = {
  length: 0x00,
  /** A u64. */
  type: 0x18,
  /** A u16. */
  num_stripes: 0x2c,
  stripes: 0x30,
} as const

/** Where a chunk lies on a device (`btrfs_stripe`). */
export const STRIPE = { devid: 0, offset: 8, dev_uuid: 16, size: 32 } as const

/** What a chunk holds. */
export const CHUNK_TYPE = { DATA: 1, SYSTEM: 2, METADATA: 4 } as const

/** Two copies on the same device; no bit of a profile stands for a single one. */
export const DUP = 0x20

/** Bits of profiles for more than one device. */
export const PROFILES: Readonly<Record<number, string>> = {
  8: 'RAID0',
  16: 'RAID1',
  64: 'RAID10',
  128: 'RAID5',
  256: 'RAID6',
  512: 'RAID1C3',
  1024: 'RAID1C4',
}

/** A block group (`btrfs_block_group_item`): the key has address and length of its chunk. */
export const GROUP = { used: 0, flags: 16, size: 24 } as const
