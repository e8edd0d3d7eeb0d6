/**
 * The layout of FAT12, FAT16 and FAT32, with the field names of Microsoft's "FAT: General Overview of On-Disk
 * Format". All numbers are little-endian. Boot sector and other reserved sectors, file allocation tables, root
 * directory of FAT12 and FAT16, clusters; the first cluster is number 2.
 */

/** Offsets in the boot sector. */
export const BOOT = {
  jmpBoot: 0x00,
  /** Eight characters. */
  OEMName: 0x03,
  BytsPerSec: 0x0b,
  SecPerClus: 0x0d,
  RsvdSecCnt: 0x0e,
  NumFATs: 0x10,
  /** Entries of the root directory; 0 on FAT32. */
  RootEntCnt: 0x11,
  /** u16; 0 when `TotSec32` counts. */
  TotSec16: 0x13,
  Media: 0x15,
  /** u16; 0 on FAT32. */
  FATSz16: 0x16,
  TotSec32: 0x20,
  Signature: 0x1fe,
} as const

/** Offsets in the boot sector of FAT12 and FAT16. */
export const BOOT_16 = { State: 0x25, BootSig: 0x26, VolLab: 0x2b, FilSysType: 0x36 } as const

/** Offsets in the boot sector of FAT32. */
export const BOOT_32 = {
  FATSz32: 0x24,
  ExtFlags: 0x28,
  FSVer: 0x2a,
  RootClus: 0x2c,
  FSInfo: 0x30,
  State: 0x41,
  BootSig: 0x42,
  VolLab: 0x47,
  FilSysType: 0x52,
} as const

export const BOOT_SECTOR_SIZE = 512

/** The second byte of `jmpBoot` is any, the third a NOP, after the first of these; or the second of these. */
export const SHORT_JUMP = 0xeb
export const NEAR_JUMP = 0xe9
export const NOP = 0x90

export const BOOT_SIGNATURE = 0xaa55

/** `BootSig` of a boot sector that has a label and the name of a type. */
export const EXTENDED_SIGNATURE = 0x29

/** What `FilSysType` says; "FAT" alone is said of all. */
export const TYPE_NAMES = { 12: 'FAT12   ', 16: 'FAT16   ', 32: 'FAT32   ' } as const

export const TYPE_NAME_SIZE = 8

export const LABEL_SIZE = 11
export const NO_LABEL = 'NO NAME'

export const MIN_SECTOR = 512
export const MAX_SECTOR = 4096

/** The lowest `Media`, but for 0xF0 of floppy disks. */
export const FIXED_MEDIA = 0xf8
export const FLOPPY_MEDIA = 0xf0

/** Names at `OEMName` of what is not FAT but begins like it. */
export const OTHER_NAMES: readonly string[] = ['NTFS    ', 'EXFAT   ', '-FVE-FS-']

/** Where BitLocker To Go, which begins like FAT32, has {4967D63B-2E29-4AD8-8399-F6A339E3D001}. */
export const BITLOCKER_TO_GO_AT = 0x1a8
export const BITLOCKER_TO_GO: readonly number[] = [
  0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01,
]

/** In `State`. */
export const STATE_DIRTY = 0x01
export const STATE_SURFACE_TEST = 0x02

/** In `ExtFlags`. */
export const MIRRORING_OFF = 0x80

export const ROOT_ENTRY_SIZE = 32

/** Number of the first cluster. */
export const FIRST_CLUSTER = 2

/** A volume of fewer clusters is FAT12, of fewer than the second number FAT16. */
export const FAT16_CLUSTERS = 4085
export const FAT32_CLUSTERS = 65525

/** The most that entries of 28 bits can number. */
export const MAX_CLUSTERS = 0x0ffffff5

/** Drivers differ by some clusters in where a kind begins; no tool makes such volumes. */
export const DOUBTFUL_CLUSTERS = 16

/** Offsets in the sector of FAT32 that counts free clusters, and what it has there. */
export const FSINFO_SIGNATURES: readonly (readonly [at: number, value: number])[] = [
  [0x000, 0x41615252],
  [0x1e4, 0x61417272],
  [0x1fc, 0xaa550000],
]

/** In `FSInfo` when there is no such sector, beside 0. */
export const NO_FSINFO = 0xffff
