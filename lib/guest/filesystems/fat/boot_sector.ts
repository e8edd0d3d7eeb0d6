import { damaged, type Fields, isPowerOfTwo } from '../windows/fields.ts'
import {
  BITLOCKER_TO_GO,
  BITLOCKER_TO_GO_AT,
  BOOT,
  BOOT_16,
  BOOT_32,
  BOOT_SIGNATURE,
  EXTENDED_SIGNATURE,
  FIXED_MEDIA,
  FLOPPY_MEDIA,
  LABEL_SIZE,
  MAX_SECTOR,
  MIN_SECTOR,
  NEAR_JUMP,
  NO_LABEL,
  NOP,
  OTHER_NAMES,
  ROOT_ENTRY_SIZE,
  SHORT_JUMP,
  TYPE_NAME_SIZE,
} from './layout.ts'
import { entryBits } from './table_kind.ts'

/** How a volume is divided. Positions and sizes are bytes. */
export interface Geometry {
  /** Bits of an entry of the file allocation table. */
  readonly bits: 12 | 16 | 32
  readonly sectorSize: number
  readonly size: number
  readonly reservedSectors: number
  readonly tables: number
  readonly tableSize: number
  readonly clusterSize: number
  readonly clusters: number
  /** Where the first cluster begins. */
  readonly dataStart: number
}

/**
 * Returns whether a boot sector is one of FAT. There is no signature of its own: several fields have to be what no
 * other boot sector has.
 */
export function isFat(boot: Fields): boolean {
  const first = boot.u8(BOOT.jmpBoot)
  const isJump = first === NEAR_JUMP || (first === SHORT_JUMP && boot.u8(BOOT.jmpBoot + 2) === NOP)
  if (!isJump || boot.u16(BOOT.Signature) !== BOOT_SIGNATURE) return false
  if (OTHER_NAMES.includes(String.fromCharCode(...boot.slice(BOOT.OEMName, 8)))) return false
  const sectorSize = boot.u16(BOOT.BytsPerSec)
  const media = boot.u8(BOOT.Media)
  return (
    isPowerOfTwo(sectorSize) &&
    sectorSize >= MIN_SECTOR &&
    sectorSize <= MAX_SECTOR &&
    isPowerOfTwo(boot.u8(BOOT.SecPerClus)) &&
    boot.u16(BOOT.RsvdSecCnt) > 0 &&
    boot.u8(BOOT.NumFATs) > 0 &&
    (media >= FIXED_MEDIA || media === FLOPPY_MEDIA)
  )
}

/** Returns whether BitLocker To Go is behind a boot sector that looks like one of FAT32. */
export function isBitLockerToGo(boot: Fields): boolean {
  return BITLOCKER_TO_GO.every((byte, at) => boot.u8(BITLOCKER_TO_GO_AT + at) === byte)
}

/**
 * Returns what a boot sector says of the division of its volume.
 *
 * @throws A GuestProblem for what contradicts itself or is larger than the device.
 */
export function decodeGeometry(boot: Fields, deviceSize: number): Geometry {
  const sectorSize = boot.u16(BOOT.BytsPerSec)
  const sectorsPerCluster = boot.u8(BOOT.SecPerClus)
  const sectors = boot.u16(BOOT.TotSec16) || boot.u32(BOOT.TotSec32)
  if (sectors * sectorSize > deviceSize) {
    throw damaged(`it says ${sectors} sectors of ${sectorSize} bytes, but has room for ${deviceSize} bytes`)
  }
  const reservedSectors = boot.u16(BOOT.RsvdSecCnt)
  const tables = boot.u8(BOOT.NumFATs)
  const short = boot.u16(BOOT.FATSz16)
  const tableSectors = short || boot.u32(BOOT_32.FATSz32)
  const rootSectors = Math.ceil((boot.u16(BOOT.RootEntCnt) * ROOT_ENTRY_SIZE) / sectorSize)
  if (tables > 2) throw damaged(`its boot sector says ${tables} file allocation tables`)
  if (short === 0 && rootSectors > 0)
    throw damaged('its boot sector says FAT32 with a root directory of FAT16')
  const dataSector = reservedSectors + tables * tableSectors + rootSectors
  const clusters = Math.floor((sectors - dataSector) / sectorsPerCluster)
  if (clusters < 1) throw damaged(`its clusters begin at sector ${dataSector} of ${sectors}`)
  const bits = entryBits(clusters, short === 0, typeNameOf(boot))
  const tableSize = tableSectors * sectorSize
  if (Math.ceil(((clusters + 2) * bits) / 8) > tableSize) {
    throw damaged(`its file allocation table of ${tableSize} bytes is too short for ${clusters} clusters`)
  }
  return {
    bits,
    sectorSize,
    size: sectors * sectorSize,
    reservedSectors,
    tables,
    tableSize,
    clusterSize: sectorsPerCluster * sectorSize,
    clusters,
    dataStart: dataSector * sectorSize,
  }
}

/** Returns the label in a boot sector; undefined when there is none. */
export function labelOf(boot: Fields): string | undefined {
  const at = boot.u16(BOOT.FATSz16) === 0 ? BOOT_32 : BOOT_16
  if (boot.u8(at.BootSig) !== EXTENDED_SIGNATURE) return undefined
  const label = String.fromCharCode(...boot.slice(at.VolLab, LABEL_SIZE)).trim()
  return label === '' || label === NO_LABEL ? undefined : label
}

/** The name of a type in a boot sector, which drivers do not look at but formatting programs write. */
function typeNameOf(boot: Fields): string | undefined {
  const at = boot.u16(BOOT.FATSz16) === 0 ? BOOT_32 : BOOT_16
  if (boot.u8(at.BootSig) !== EXTENDED_SIGNATURE) return undefined
  return String.fromCharCode(...boot.slice(at.FilSysType, TYPE_NAME_SIZE))
}

/** Returns the start of each file allocation table. */
export function tableStarts({ tables, tableSize, reservedSectors, sectorSize }: Geometry): number[] {
  return Array.from({ length: tables }, (_, at) => reservedSectors * sectorSize + at * tableSize)
}
