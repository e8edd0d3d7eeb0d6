import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf, hex } from '../windows/fields.ts'
import { rotatedSum } from './checksum.ts'
import {
  BOOT,
  BOOT_REGIONS,
  BOOT_SIGNATURE,
  CHECKED_SECTORS,
  FIRST_CLUSTER,
  MAJOR_VERSION,
  MAX_CLUSTER_SHIFT,
  MAX_CLUSTERS,
  MAX_SECTOR_SHIFT,
  MIN_SECTOR_SHIFT,
  MUST_BE_ZERO_SIZE,
  UNCHECKED_BYTES,
  VOLUME_FLAGS,
} from './layout.ts'

/** How a volume is divided. Positions and sizes are bytes. */
export interface Geometry {
  readonly sectorSize: number
  readonly size: number
  readonly tableStart: number
  readonly clusterSize: number
  readonly clusters: number
  /** Where the first cluster begins. */
  readonly heapStart: number
  readonly rootCluster: number
}

/**
 * Returns what a boot sector says of the division of its volume.
 *
 * @throws A GuestProblem for what contradicts itself, is larger than the device, or is of another version.
 */
export function decodeGeometry(boot: Fields, deviceSize: number): Geometry {
  checkSignatures(boot)
  const sectorShift = boot.u8(BOOT.BytesPerSectorShift)
  const clusterShift = sectorShift + boot.u8(BOOT.SectorsPerClusterShift)
  if (sectorShift < MIN_SECTOR_SHIFT || sectorShift > MAX_SECTOR_SHIFT || clusterShift > MAX_CLUSTER_SHIFT) {
    throw damaged(`its boot sector says sectors of 2^${sectorShift} and clusters of 2^${clusterShift} bytes`)
  }
  const sectorSize = 2 ** sectorShift
  const clusterSize = 2 ** clusterShift
  const sectors = boot.u64(BOOT.VolumeLength)
  const clusters = boot.u32(BOOT.ClusterCount)
  const size = sectors * sectorSize
  if (size > deviceSize) {
    throw damaged(`it says ${sectors} sectors of ${sectorSize} bytes, but has room for ${deviceSize} bytes`)
  }
  const tableStart = boot.u32(BOOT.FatOffset) * sectorSize
  const tableEnd = tableStart + boot.u32(BOOT.FatLength) * sectorSize
  const heapStart = boot.u32(BOOT.ClusterHeapOffset) * sectorSize
  const tableSize = (clusters + FIRST_CLUSTER) * 4
  const isInOrder =
    tableStart >= BOOT_REGIONS * sectorSize &&
    tableStart + tableSize <= tableEnd &&
    tableEnd <= heapStart &&
    heapStart + clusters * clusterSize <= size
  if (!isInOrder || clusters < 1 || clusters > MAX_CLUSTERS) {
    const table = `a table from byte ${tableStart} to ${tableEnd}`
    throw damaged(
      `it says ${table}, ${clusters} clusters of ${clusterSize} bytes from ${heapStart} to ${size}`,
    )
  }
  const rootCluster = boot.u32(BOOT.FirstClusterOfRootDirectory)
  return { sectorSize, size, tableStart, clusterSize, clusters, heapStart, rootCluster }
}

/**
 * Checks that the volume was dismounted, and that it has no second table.
 *
 * @throws A GuestProblem when that is not so, or for flags that are not known.
 */
export function checkVolumeState(boot: Fields): void {
  const tables = boot.u8(BOOT.NumberOfFats)
  if (tables !== 1) throw unsupported(`its NumberOfFats is ${tables}: it is for transactions (TexFAT)`)
  const flags = boot.u16(BOOT.VolumeFlags)
  if ((flags & VOLUME_FLAGS.VolumeDirty) !== 0) throw unclean(`its VolumeFlags are ${hex(flags)}: dirty`)
  if ((flags & VOLUME_FLAGS.MediaFailure) !== 0) {
    throw unclean(`its VolumeFlags are ${hex(flags)}: the disk had failures`)
  }
  if ((flags & ~VOLUME_FLAGS.ClearToZero) !== 0) {
    throw unsupported(`its VolumeFlags are ${hex(flags)}, of which not all are known`)
  }
}

/**
 * Checks the checksum of the main boot region.
 *
 * @throws A GuestProblem when it is wrong.
 */
export async function checkBootChecksum(device: BlockDevice, { sectorSize }: Geometry): Promise<void> {
  const region = await readBytes(device, 0, (CHECKED_SECTORS + 1) * sectorSize)
  const size = CHECKED_SECTORS * sectorSize
  const sum = rotatedSum(region.subarray(0, size), UNCHECKED_BYTES)
  const stored = fieldsOf(region.subarray(size), 'boot checksum')
  for (let at = 0; at < sectorSize; at += 4) {
    if (stored.u32(at) === sum) continue
    throw damaged(`its boot region has the checksum ${hex(sum, 8)}, but says ${hex(stored.u32(at), 8)}`)
  }
}

function checkSignatures(boot: Fields): void {
  const signature = boot.u16(BOOT.BootSignature)
  if (signature !== BOOT_SIGNATURE) throw damaged(`its boot sector ends in ${hex(signature)}`)
  if (boot.slice(BOOT.MustBeZero, MUST_BE_ZERO_SIZE).some(byte => byte !== 0)) {
    throw damaged('its boot sector holds something where FAT has its fields')
  }
  const revision = boot.u16(BOOT.FileSystemRevision)
  if (Math.floor(revision / 256) === MAJOR_VERSION) return
  throw unsupported(`its FileSystemRevision is ${hex(revision)}`)
}

function unclean(found: string): GuestProblem {
  return new GuestProblem({ code: 'unclean', found })
}

function unsupported(found: string): GuestProblem {
  return new GuestProblem({ code: 'unsupported_feature', found })
}
