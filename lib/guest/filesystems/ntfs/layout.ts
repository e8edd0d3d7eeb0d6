/**
 * The layout of NTFS, with the field names that the Linux documentation of NTFS uses
 * (https://flatcap.github.io/linux-ntfs/ntfs/). All numbers are little-endian. A cluster has an LCN in the volume
 * and a VCN in its file.
 */

/** Offsets in the boot sector. */
export const BOOT = {
  /** Eight characters. */
  oem_id: 0x03,
  bytes_per_sector: 0x0b,
  /** A power of two; from 0x81 on the negative of its exponent. */
  sectors_per_cluster: 0x0d,
  /** u16; this and the fields up to `media_type` are of FAT, and 0 here. */
  reserved_sectors: 0x0e,
  fats: 0x10,
  root_entries: 0x11,
  sectors: 0x13,
  media_type: 0x15,
  sectors_per_fat: 0x16,
  /** u32 of FAT, 0 here. */
  large_sectors: 0x20,
  /** u64, without the sector of the backup boot sector. */
  number_of_sectors: 0x28,
  /** u64, an LCN. */
  mft_lcn: 0x30,
  mftmirr_lcn: 0x38,
  /** Signed: clusters, or the negative exponent of bytes. */
  clusters_per_mft_record: 0x40,
  clusters_per_index_record: 0x44,
  /** u16: 55 AA. */
  end_of_sector_marker: 0x1fe,
} as const

export const BOOT_SECTOR_SIZE = 512

export const OEM_ID = 'NTFS    '

export const END_OF_SECTOR_MARKER = 0xaa55

/** Sizes that Windows makes and mounts, in bytes. */
export const MIN_SECTOR = 512
export const MAX_SECTOR = 4096
export const MAX_CLUSTER: number = 2 ** 21
export const MIN_RECORD = 512
export const MAX_RECORD = 65536

/** Offsets in what update sequences protect: MFT records, index blocks, restart pages. */
export const PROTECTED = {
  /** Four characters. */
  magic: 0x00,
  usa_ofs: 0x04,
  /** u16: the update sequence number and one u16 a stride. */
  usa_count: 0x06,
} as const

/** Offsets in an MFT record. */
export const RECORD = {
  sequence_number: 0x10,
  attrs_offset: 0x14,
  /** u16; bit 0: in use, bit 1: a directory. */
  flags: 0x16,
  bytes_in_use: 0x18,
  /** A reference; 0 in the first record of a file. */
  base_mft_record: 0x20,
} as const

export const RECORD_MAGIC = 'FILE'
export const RECORD_IN_USE = 0x1

/** Offsets in an attribute. */
export const ATTRIBUTE = {
  type: 0x00,
  /** u32, of the whole attribute. */
  length: 0x04,
  non_resident: 0x08,
  /** UTF-16 units. */
  name_length: 0x09,
  name_offset: 0x0a,
  flags: 0x0c,
  instance: 0x0e,
  /** From here on of resident attributes. */
  value_length: 0x10,
  value_offset: 0x14,
  /** From here on of others. */
  lowest_vcn: 0x10,
  highest_vcn: 0x18,
  mapping_pairs_offset: 0x20,
  allocated_size: 0x28,
  data_size: 0x30,
  initialized_size: 0x38,
} as const

export const TYPE = {
  attribute_list: 0x20,
  file_name: 0x30,
  volume_name: 0x60,
  volume_information: 0x70,
  data: 0x80,
  index_root: 0x90,
  index_allocation: 0xa0,
  bitmap: 0xb0,
  end: 0xffffffff,
} as const

/** In the flags of an attribute. */
export const COMPRESSED = 0x00ff
export const ENCRYPTED = 0x4000
export const SPARSE = 0x8000

/** Numbers of MFT records. */
export const FILE = {
  mft: 0,
  mftmirr: 1,
  logfile: 2,
  volume: 3,
  root: 5,
  bitmap: 6,
  boot: 7,
  badclus: 8,
} as const

/** Names of the records that every volume has, by their number. */
export const SYSTEM_FILES: readonly string[] = [
  '$MFT',
  '$MFTMirr',
  '$LogFile',
  '$Volume',
  '$AttrDef',
  'root directory',
  '$Bitmap',
  '$Boot',
  '$BadClus',
  '$Secure',
  '$UpCase',
  '$Extend',
]

/** Records that $MFTMirr repeats, at least. */
export const MIRRORED_RECORDS = 4

/** Offsets in an entry of an attribute list. */
export const LIST_ENTRY = {
  type: 0x00,
  length: 0x04,
  name_length: 0x06,
  name_offset: 0x07,
  lowest_vcn: 0x08,
  mft_reference: 0x10,
  instance: 0x18,
} as const

export const LIST_ENTRY_SIZE = 0x1a

/** No attribute list is larger on Windows. */
export const MAX_ATTRIBUTE_LIST: number = 2 ** 18

/** Offsets in the value of VOLUME_INFORMATION. */
export const VOLUME = { major_ver: 0x08, minor_ver: 0x09, flags: 0x0a } as const

/** Versions whose structures are these, as `major.minor`. */
export const KNOWN_VERSIONS: readonly string[] = ['1.2', '3.0', '3.1']

export const VOLUME_FLAGS = {
  dirty: 0x0001,
  resize_log_file: 0x0002,
  upgrade_on_mount: 0x0004,
  mounted_on_nt4: 0x0008,
  delete_usn_underway: 0x0010,
  repair_object_id: 0x0020,
  /** Windows 10 sets it on every volume. */
  windows_10: 0x0080,
  chkdsk_underway: 0x4000,
  modified_by_chkdsk: 0x8000,
} as const

/** Flags of volumes whose $Bitmap is right. */
export const HARMLESS_VOLUME_FLAGS: readonly number[] = [
  VOLUME_FLAGS.mounted_on_nt4,
  VOLUME_FLAGS.repair_object_id,
  VOLUME_FLAGS.windows_10,
  VOLUME_FLAGS.modified_by_chkdsk,
]

/** Offsets in a restart page of $LogFile. */
export const RESTART_PAGE = {
  system_page_size: 0x10,
  log_page_size: 0x14,
  restart_area_offset: 0x18,
  minor_ver: 0x1a,
  major_ver: 0x1c,
} as const

export const RESTART_MAGIC = 'RSTR'
/** Of a page that chkdsk has written. */
export const CHKDSK_MAGIC = 'CHKD'

/** Offsets in the restart area that a restart page holds. */
export const RESTART_AREA = {
  current_lsn: 0x00,
  log_clients: 0x08,
  client_free_list: 0x0a,
  client_in_use_list: 0x0c,
  flags: 0x0e,
} as const

export const NO_CLIENT = 0xffff
export const RESTART_VOLUME_IS_CLEAN = 0x0002

/** Offsets in the value of INDEX_ROOT, and from there in its index header. */
export const INDEX_ROOT = { type: 0x00, index_block_size: 0x08, header: 0x10 } as const

/** Offsets in an index block. */
export const INDEX_BLOCK = { index_block_vcn: 0x10, header: 0x18 } as const

export const INDEX_MAGIC = 'INDX'

/** Offsets in an index header; the first two count from the header. */
export const INDEX_HEADER = { entries_offset: 0x00, index_length: 0x04 } as const

/** Offsets in an entry of an index of file names. */
export const INDEX_ENTRY = {
  indexed_file: 0x00,
  length: 0x08,
  key_length: 0x0a,
  flags: 0x0c,
  /** The file name. */
  key: 0x10,
} as const

export const INDEX_ENTRY_END = 0x2

/** Offsets in a file name. */
export const FILE_NAME = { file_name_length: 0x40, file_name: 0x42 } as const

/** Name of the index of file names. */
export const FILE_NAME_INDEX = '$I30'

/** Byte of the volume where the header of shadow copies is, if there were any. */
export const VSS_HEADER_AT = 0x1e00

/** Offsets in the header of shadow copies and in the blocks of their catalog. */
export const VSS = {
  /** A GUID, in header and blocks. */
  identifier: 0x00,
  /** u32: 1 in the header, 2 in a block of the catalog. */
  record_type: 0x14,
  /** u64 of the header: byte of the volume; 0 when there is no catalog. */
  catalog_offset: 0x30,
  /** u64 of a block: byte of the volume where the next one is; 0 in the last. */
  next_block: 0x28,
} as const

/** {3808876b-c176-4e48-b7ae-04046e6cc752} as it is stored. */
export const VSS_IDENTIFIER: readonly number[] = [
  0x6b, 0x87, 0x08, 0x38, 0x76, 0xc1, 0x48, 0x4e, 0xb7, 0xae, 0x04, 0x04, 0x6e, 0x6c, 0xc7, 0x52,
]

export const VSS_IDENTIFIER_TEXT = '{3808876b-c176-4e48-b7ae-04046e6cc752}'

export const VSS_HEADER_SIZE = 512
export const VSS_CATALOG_TYPE = 2
export const VSS_BLOCK_SIZE = 16384
export const VSS_BLOCK_HEADER_SIZE = 128
export const VSS_ENTRY_SIZE = 128

/** Types of entries of the catalog that hold nothing. Others tell of a shadow copy. */
export const VSS_EMPTY_ENTRIES: readonly number[] = [0, 1]

/** Bytes of hiberfil.sys that are zeros when no guest sleeps. */
export const HIBERNATION_HEADER_SIZE = 4096
