import type { BlockDevice } from './device.ts'
import type { KeepReason } from './file_system.ts'
import { findVolumes } from './find_volumes.ts'
import { FreeBlocks } from './free_blocks.ts'
import { type DeviceGuard, deviceGuard } from './guarded_device.ts'
import { reasonOfHiddenGuest } from './hidden_guest.ts'
import { findLogicalVolumes } from './lvm/find_logical_volumes.ts'
import type { Formats } from './probe.ts'
import type { Volume } from './volume.ts'
import { addAll, keptVolume, type Walked, walkVolume } from './walk_volume.ts'

/** A disk of a machine, as its guest sees it. */
export interface GuestDisk {
  readonly device: BlockDevice
  /** Bytes of the blocks that are kept or dropped as a whole. */
  readonly blockSize: number
  /** Whether the images hold data of a block. By default all do. */
  readonly holds?: (block: number) => boolean
}

/** What was found of a volume. */
export interface VolumeReport {
  /** Number of the disk that it begins on. */
  readonly disk: number
  /** As a phrase: `partition 2`, `logical volume "vg0/root"`, `the whole disk`. */
  readonly where: string
  /** Name of what lies in it: `ext4`, `luks`; `unknown` when there is no signature of anything known. */
  readonly kind: string
  /** The guest's own words: any characters. */
  readonly label: string | undefined
  /** Bytes of the place. */
  readonly size: number
  /** Bytes that are not free; undefined when `free` is. */
  readonly used: number | undefined
  /** Bytes that hold nothing; of a kept volume what its own counters say, if they are to be had. */
  readonly free: number | undefined
  /** Bytes of free blocks that lie wholly in it and that the images hold; undefined for a volume that is kept. */
  readonly reclaimable: number | undefined
  /** Why every byte of it is kept. */
  readonly keep: KeepReason | undefined
}

/** What is free on one disk. */
export interface DiskFreeSpace {
  /** Whether no byte of a block is needed by the guest. */
  isFree(block: number): boolean
  /** Number of such blocks. */
  readonly freeBlocks: number
}

/** What is free on the disks of a machine. */
export interface FreeSpace {
  readonly volumes: readonly VolumeReport[]
  /** In the order of the disks. */
  readonly disks: readonly DiskFreeSpace[]
  /** True when a guest sleeps on one of the disks, which keeps all blocks of all of them. */
  readonly isHibernated: boolean
}

/** How free space is looked for. */
export interface FreeSpaceOptions {
  readonly signal?: AbortSignal | undefined
  /** What is looked for; all formats. For tests. */
  readonly formats?: Formats
}

const ASLEEP: KeepReason = {
  code: 'hibernated',
  found: 'a guest that sleeps remembers what is free here',
  wholeDisk: true,
}

const CONTRADICTORY: KeepReason = {
  code: 'damaged',
  found: 'another volume of the machine calls the same bytes free',
}

/**
 * Finds the blocks that no guest file system uses.
 *
 * All disks of a machine belong into one call: a sleeping guest remembers all of them, and groups of logical volumes
 * may span them. Only partitions and logical volumes are looked at; what lies between them is kept, and so are the
 * first and last MiB of each disk.
 *
 * @throws The signal's reason; what reading a device throws. What a guest wrote there makes no error, only volumes
 *   that are kept.
 */
export async function findFreeSpace(
  disks: readonly GuestDisk[],
  { signal, formats }: FreeSpaceOptions = {},
): Promise<FreeSpace> {
  const guard = deviceGuard(signal)
  const volumes = await allVolumes(
    disks.map(({ device }) => device),
    guard,
    formats,
  )
  const walked: Walked[] = []
  let isHibernated = volumes.some(({ fileSystem }) => fileSystem?.keep?.wholeDisk)
  for (const volume of volumes) {
    const one = isHibernated ? keptVolume(volume, ASLEEP) : await walkVolume(volume, disks, guard, signal)
    walked.push(one)
    if (one.report.keep?.wholeDisk) isHibernated = true
  }
  const free = disks.map(({ device, blockSize }) => new FreeBlocks(device.size, blockSize))
  const hidden = reasonOfHiddenGuest(walked.map(({ report }) => report))
  let keepAll = isHibernated ? ASLEEP : undefined
  const reports = walked.map(({ report, own }, index) => {
    const keep = keepAll ?? (volumes[index]?.fileSystem?.mayBeMounted ? hidden : undefined)
    if (keep) return withKeep(report, keep)
    if (own && !addAll(free, own)) keepAll = CONTRADICTORY
    return report
  })
  const nothing = keepAll
  return {
    volumes: nothing ? reports.map(report => withKeep(report, nothing)) : reports,
    disks: free.map(blocks => ({
      isFree: block => nothing === undefined && blocks.isFree(block),
      freeBlocks: nothing === undefined ? blocks.count() : 0,
    })),
    isHibernated,
  }
}

/**
 * Tells what lies on disks, without looking for what is free there: that is what the volumes' own counters say.
 *
 * @throws The signal's reason; what reading a device throws.
 */
export async function listVolumes(
  devices: readonly BlockDevice[],
  { signal, formats }: FreeSpaceOptions = {},
): Promise<VolumeReport[]> {
  const volumes = await allVolumes(devices, deviceGuard(signal), formats)
  return volumes.map(volume => {
    const { report } = keptVolume(volume, undefined)
    const isKept = volume.fileSystem === undefined || (volume.keep ?? volume.fileSystem.keep) !== undefined
    return isKept ? report : { ...report, keep: undefined }
  })
}

async function allVolumes(
  devices: readonly BlockDevice[],
  guard: DeviceGuard,
  formats: Formats | undefined,
): Promise<Volume[]> {
  const volumes: Volume[] = []
  for (const [disk, device] of devices.entries()) {
    volumes.push(...(await findVolumes(disk, guard.guard(device), guard, formats)))
  }
  return await findLogicalVolumes(volumes, guard, formats)
}

/** The reason of a volume itself says more than the one that keeps it with others. */
function withKeep(report: VolumeReport, keep: KeepReason): VolumeReport {
  return { ...report, reclaimable: undefined, keep: report.keep ?? keep }
}
