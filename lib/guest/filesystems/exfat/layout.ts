/**
 * The layout of exFAT, with the field names of Microsoft's "exFAT file system specification". All numbers are
 * little-endian. Main boot region, backup boot region, file allocation table, cluster heap; the first cluster is
 * number 2.
 */

/** Offsets in the boot sector. */
export const BOOT = {
  /** Eight characters. */
  FileSystemName: 0x03,
  /** Where FAT has its fields: zeros. */
  MustBeZero: 0x0b,
  /** u64, in sectors. */
  VolumeLength: 0x48,
  FatOffset: 0x50,
  /** In sectors, of one table. */
  FatLength: 0x54,
  /** In sectors. */
  ClusterHeapOffset: 0x58,
  ClusterCount: 0x5c,
  FirstClusterOfRootDirectory: 0x60,
  /** u16: the major version in the high byte. */
  FileSystemRevision: 0x68,
  VolumeFlags: 0x6a,
  BytesPerSectorShift: 0x6c,
  SectorsPerClusterShift: 0x6d,
  NumberOfFats: 0x6e,
  BootSignature: 0x1fe,
} as const

export const BOOT_SECTOR_SIZE = 512

export const FILE_SYSTEM_NAME = 'EXFAT   '

export const MUST_BE_ZERO_SIZE = 53

export const BOOT_SIGNATURE = 0xaa55

/** Exponents of bytes. */
export const MIN_SECTOR_SHIFT = 9
export const MAX_SECTOR_SHIFT = 12
export const MAX_CLUSTER_SHIFT = 25

export const MAX_CLUSTERS = 0xfffffff5

export const MAJOR_VERSION = 1

/** In `VolumeFlags`. */
export const VOLUME_FLAGS = {
  /** The second table and bitmap are in use. */
  ActiveFat: 0x0001,
  VolumeDirty: 0x0002,
  MediaFailure: 0x0004,
  /** Has no meaning. */
  ClearToZero: 0x0008,
} as const

/** Sectors of the main boot region whose checksum the one behind them repeats. */
export const CHECKED_SECTORS = 11

/** Bytes of the boot sector that change without a new checksum: VolumeFlags and PercentInUse. */
export const UNCHECKED_BYTES: readonly number[] = [0x6a, 0x6b, 0x70]

/** Sectors of both boot regions, before which no table begins. */
export const BOOT_REGIONS = 24

/** Number of the first cluster. */
export const FIRST_CLUSTER = 2

/** The first two entries of a table. */
export const FIRST_ENTRIES: readonly number[] = [0xfffffff8, 0xffffffff]

export const END_OF_CHAIN = 0xffffffff

export const ENTRY_SIZE = 32

/** Directories are no larger. */
export const MAX_DIRECTORY: number = 2 ** 28

/** First bytes of directory entries. */
export const ENTRY_TYPE = {
  /** Nothing behind it is one. */
  end: 0x00,
  allocationBitmap: 0x81,
  upcaseTable: 0x82,
  volumeLabel: 0x83,
} as const

/** Offsets in directory entries. */
export const ENTRY = {
  type: 0x00,
  /** Of a bitmap: bit 0 when it is the second. */
  BitmapFlags: 0x01,
  /** Of a label, in UTF-16 units, up to 11. */
  CharacterCount: 0x01,
  VolumeLabel: 0x02,
  /** Of an up-case table. */
  TableChecksum: 0x04,
  FirstCluster: 0x14,
  /** u64, in bytes. */
  DataLength: 0x18,
} as const

export const MAX_LABEL = 11

/** An up-case table maps no more than 65536 characters of two bytes. */
export const MAX_UPCASE_TABLE = 131072
