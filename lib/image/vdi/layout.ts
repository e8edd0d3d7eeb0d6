/**
 * The layout of a VDI file, version 1.x, with the field names of VirtualBox's `VDICore.h`
 * (https://www.virtualbox.org/browser/vbox/trunk/src/VBox/Storage/VDICore.h).
 * All numbers are little-endian, all structures are packed.
 *
 * Pre-header (72 bytes), header (cbHeader bytes), block table at offBlocks, blocks at offData.
 */

/** Absolute file offsets of the fields of the pre-header and of the header. */
export const AT = {
  /** 64 bytes of text for people, NUL-padded. */
  szFileInfo: 0x00,
  u32Signature: 0x40,
  /** Major version in the upper, minor version in the lower 16 bits. */
  u32Version: 0x44,
  /** Bytes of the header behind the pre-header. */
  cbHeader: 0x48,
  u32Type: 0x4c,
  fFlags: 0x50,
  /** 256 bytes of UTF-8, NUL-terminated. */
  szComment: 0x54,
  /** File offset of the block table. */
  offBlocks: 0x154,
  /** File offset of physical block 0. */
  offData: 0x158,
  /** The geometry of version 1.0: four u32. */
  LegacyGeometry: 0x15c,
  /** Formerly the BIOS translation mode. */
  u32Dummy: 0x16c,
  /** Size of the virtual disk in bytes, a u64. */
  cbDisk: 0x170,
  cbBlock: 0x178,
  /** Bytes in front of the data of every block. */
  cbBlockExtra: 0x17c,
  /** Entries of the block table. */
  cBlocks: 0x180,
  /** Physical blocks. */
  cBlocksAllocated: 0x184,
  uuidCreate: 0x188,
  uuidModify: 0x198,
  /** `uuidCreate` of the parent. */
  uuidLinkage: 0x1a8,
  uuidParentModify: 0x1b8,
  /** Four u32, only in headers of version 1.1 of at least `HEADER_SIZE_PLUS` bytes. */
  LCHSGeometry: 0x1c8,
} as const

/** Bytes `7f 10 da be`; all that VirtualBox probes. */
export const SIGNATURE = 0xbeda107f

export const PRE_HEADER_SIZE = 72

/** Bytes of szFileInfo. */
export const TEXT_SIZE = 64

/** Bytes of szComment, its NUL included. */
export const COMMENT_SIZE = 256

/** The least cbHeader of version 1.x. */
export const HEADER_SIZE = 384

/** The cbHeader of "1.1+", which VirtualBox writes today and which holds LCHSGeometry. */
export const HEADER_SIZE_PLUS = 400

/** No field known today lies behind this many bytes of the file. */
export const KNOWN_BYTES = 512

export const VERSION_1_0 = 0x00010000

export const VERSION_1_1 = 0x00010001

/** What u32Type says. */
export const IMAGE_TYPE = { normal: 1, fixed: 2, undo: 3, differencing: 4 } as const

/** In fFlags: a new block is first written in full with zeros. */
export const ZERO_EXPAND_FLAG = 0x1

/** In fFlags: says once more that an image is fixed. VirtualBox believes it, whatever u32Type says. */
export const FIXED_FLAG = 0x100

/** In fFlags: says once more that an image is a differencing image. */
export const DIFFERENCING_FLAG = 0x200

/** VirtualBox 7.2 opens no smaller blocks. */
export const MIN_BLOCK_SIZE: number = 2 ** 17

/** VirtualBox 7.2 opens no larger blocks. */
export const MAX_BLOCK_SIZE: number = 2 ** 27

/** The block size that VirtualBox has always taken unless told otherwise. */
export const DEFAULT_BLOCK_SIZE: number = 2 ** 20

/** VirtualBox 4.3 and later start the block table and the data at multiples of this. */
export const DEFAULT_ALIGNMENT: number = 2 ** 20

/** Smallest unit of a virtual disk; VirtualBox rounds a disk size down to it. */
export const SECTOR_SIZE = 512

/** Bytes of an entry of the block table. */
export const ENTRY_SIZE = 4

/**
 * The longest block table that is read, a limit of this project: 64 TiB in blocks of 1 MiB.
 * A sparse file can claim four thousand million entries and would cost that much memory.
 */
export const MAX_BLOCKS: number = 2 ** 26
