import { damaged, type Fields, hex, isPowerOfTwo } from '../windows/fields.ts'
import {
  BOOT,
  END_OF_SECTOR_MARKER,
  MAX_CLUSTER,
  MAX_RECORD,
  MAX_SECTOR,
  MIN_RECORD,
  MIN_SECTOR,
} from './layout.ts'

/** How a volume is divided. Sizes are bytes. */
export interface Geometry {
  readonly sectorSize: number
  readonly clusterSize: number
  /** Whole clusters; sectors that are left over belong to none. */
  readonly clusters: number
  /** Bytes of the volume with its backup boot sector, which lies behind the last counted sector. */
  readonly size: number
  /** LCNs. */
  readonly mftLcn: number
  readonly mirrorLcn: number
  readonly recordSize: number
  readonly indexBlockSize: number
}

/**
 * Returns what a boot sector says of the division of its volume.
 *
 * @throws A GuestProblem for what contradicts itself or is larger than the device.
 */
export function decodeGeometry(boot: Fields, deviceSize: number): Geometry {
  checkLegacyFields(boot)
  const sectorSize = boot.u16(BOOT.bytes_per_sector)
  if (!isPowerOfTwo(sectorSize) || sectorSize < MIN_SECTOR || sectorSize > MAX_SECTOR) {
    throw damaged(`its boot sector says sectors of ${sectorSize} bytes`)
  }
  const sectorsPerCluster = powerOfTwo(boot.u8(BOOT.sectors_per_cluster))
  const clusterSize = sectorsPerCluster * sectorSize
  if (!isPowerOfTwo(sectorsPerCluster) || clusterSize > MAX_CLUSTER) {
    throw damaged(`its boot sector says clusters of ${sectorsPerCluster} sectors of ${sectorSize} bytes`)
  }
  const sectors = boot.u64(BOOT.number_of_sectors)
  const clusters = Math.floor(sectors / sectorsPerCluster)
  if (sectors * sectorSize > deviceSize) {
    throw damaged(`it says ${sectors} sectors of ${sectorSize} bytes, but has room for ${deviceSize} bytes`)
  }
  const mftLcn = boot.u64(BOOT.mft_lcn)
  const mirrorLcn = boot.u64(BOOT.mftmirr_lcn)
  if (mftLcn >= clusters || mirrorLcn >= clusters || mftLcn === mirrorLcn) {
    throw damaged(`its boot sector says $MFT at cluster ${mftLcn}, $MFTMirr at ${mirrorLcn} of ${clusters}`)
  }
  return {
    sectorSize,
    clusterSize,
    clusters,
    size: Math.min((sectors + 1) * sectorSize, deviceSize),
    mftLcn,
    mirrorLcn,
    recordSize: recordSize(boot, BOOT.clusters_per_mft_record, clusterSize),
    indexBlockSize: recordSize(boot, BOOT.clusters_per_index_record, clusterSize),
  }
}

/** FAT counts something in these, so a sector that has both is of no known kind. */
function checkLegacyFields(boot: Fields): void {
  const marker = boot.u16(BOOT.end_of_sector_marker)
  if (marker !== END_OF_SECTOR_MARKER) throw damaged(`its boot sector ends in ${hex(marker)}`)
  const zeros: readonly (readonly [string, number])[] = [
    ['reserved_sectors', boot.u16(BOOT.reserved_sectors)],
    ['fats', boot.u8(BOOT.fats)],
    ['root_entries', boot.u16(BOOT.root_entries)],
    ['sectors', boot.u16(BOOT.sectors)],
    ['sectors_per_fat', boot.u16(BOOT.sectors_per_fat)],
    ['large_sectors', boot.u32(BOOT.large_sectors)],
  ]
  const used = zeros.find(([, value]) => value !== 0)
  if (used !== undefined) throw damaged(`its boot sector has ${used[0]} ${used[1]}, which NTFS leaves 0`)
}

function powerOfTwo(sectorsPerCluster: number): number {
  return sectorsPerCluster > 0x80 ? 2 ** (256 - sectorsPerCluster) : sectorsPerCluster
}

function recordSize(boot: Fields, at: number, clusterSize: number): number {
  const value = boot.i8(at)
  const size = value < 0 ? 2 ** -value : value * clusterSize
  if (isPowerOfTwo(size) && size >= MIN_RECORD && size <= MAX_RECORD) return size
  throw damaged(`its boot sector says ${hex(boot.u8(at), 2)} for the size of a record, ${size} bytes`)
}
