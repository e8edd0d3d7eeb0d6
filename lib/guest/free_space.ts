import type { BlockDevice } from './device.ts'
import { GuestProblem, type KeepReason } from './file_system.ts'
import { findVolumes } from './find_volumes.ts'
import { FreeBlocks } from './free_blocks.ts'
import { type DeviceGuard, deviceGuard } from './guarded_device.ts'
import { reasonOfHiddenGuest } from './hidden_guest.ts'
import { findLogicalVolumes } from './lvm/find_logical_volumes.ts'
import type { Formats } from './probe.ts'
import type { Volume } from './volume.ts'

/** A disk of a machine, as its guest sees it. */
export interface GuestDisk {
  readonly device: BlockDevice
  /** Bytes of the blocks that are kept or dropped as a whole. */
  readonly blockSize: number
}

/** What was found of a volume. */
export interface VolumeReport {
  /** Number of the disk that it begins on. */
  readonly disk: number
  /** As a phrase: `partition 2`, `logical volume "vg0/root"`, `the whole disk`. */
  readonly where: string
  /** Name of what lies in it: `ext4`, `luks`; `unknown` when there is no signature of anything known. */
  readonly kind: string
  readonly label: string | undefined
  /** Bytes of the place. */
  readonly size: number
  /** Bytes that are not free; undefined when `free` is. */
  readonly used: number | undefined
  /** Bytes that hold nothing; of a kept volume what its own counters say, if they are to be had. */
  readonly free: number | undefined
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

/** Boot loaders, partition tables and their backups lie here, whatever the volumes say. */
const KEPT_AT_BOTH_ENDS = 2 ** 20

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
  const onDisks: Volume[] = []
  for (const [disk, { device }] of disks.entries()) {
    onDisks.push(...(await findVolumes(disk, guard.guard(device), guard, formats)))
  }
  const volumes = await findLogicalVolumes(onDisks, guard, formats)
  const free = disks.map(({ device, blockSize }) => new FreeBlocks(device.size, blockSize))
  const isAsleep = ({ keep }: { readonly keep: KeepReason | undefined }): boolean => keep?.wholeDisk ?? false
  let keepAll = volumes.some(({ fileSystem }) => fileSystem && isAsleep(fileSystem)) ? ASLEEP : undefined
  const walked: Walked[] = []
  for (const volume of volumes) {
    const one = keepAll ? kept(volume, keepAll) : await walk(volume, disks, guard, signal)
    walked.push(one)
    if (isAsleep(one.report)) keepAll ??= ASLEEP
  }
  const hidden = reasonOfHiddenGuest(walked.map(({ report }) => report))
  const reports = walked.map(({ report, own }, index) => {
    const keep = keepAll ?? (volumes[index]?.fileSystem?.mayBeMounted ? hidden : undefined)
    if (report.keep === undefined && keep) return { ...report, keep }
    if (own && !addAll(free, own)) keepAll ??= CONTRADICTORY
    return report
  })
  const nothing = keepAll
  return {
    volumes: nothing ? reports.map(report => ({ ...report, keep: report.keep ?? nothing })) : reports,
    disks: free.map(blocks => ({
      isFree: block => nothing === undefined && blocks.isFree(block),
      freeBlocks: nothing === undefined ? blocks.count() : 0,
    })),
    isHibernated: nothing === ASLEEP,
  }
}

interface Walked {
  readonly report: VolumeReport
  /** By disk: what it calls free. */
  readonly own?: readonly FreeBlocks[]
}

/** Collects what a volume calls free, if it is to be believed to the end. */
async function walk(
  volume: Volume,
  disks: readonly GuestDisk[],
  guard: DeviceGuard,
  signal: AbortSignal | undefined,
): Promise<Walked> {
  const { fileSystem, device } = volume
  const keep = volume.keep ?? fileSystem?.keep
  if (fileSystem === undefined || keep) return kept(volume, keep)
  const own = disks.map(({ device: { size }, blockSize }) => new FreeBlocks(size, blockSize))
  let freeBytes = 0
  const found = (disk: number, start: number, length: number): void => {
    const blocks = own[disk] as FreeBlocks
    const from = Math.max(start, KEPT_AT_BOTH_ENDS)
    const to = Math.min(start + length, blocks.diskSize - KEPT_AT_BOTH_ENDS)
    if (from < to) blocks.add(from, to - from)
  }
  try {
    await fileSystem.freeRanges((start, length) => {
      checkInside(device, start, length)
      freeBytes += length
      volume.toDisks(start, length, found)
    }, signal)
  } catch (error) {
    return kept(volume, guard.reasonOf(error))
  }
  const used = device.size - freeBytes
  return { report: { ...describe(volume), used, free: freeBytes, keep: undefined }, own }
}

/** Returns false when two volumes call the same bytes free; then nothing that was found is sure. */
function addAll(total: readonly FreeBlocks[], own: readonly FreeBlocks[]): boolean {
  try {
    for (const [disk, blocks] of own.entries()) total[disk]?.addAll(blocks)
    return true
  } catch (error) {
    if (error instanceof GuestProblem) return false
    throw error
  }
}

/** What lies behind the end of a volume belongs to another. */
function checkInside({ size }: BlockDevice, start: number, length: number): void {
  if (start >= 0 && length > 0 && start + length <= size) return
  throw new GuestProblem({ code: 'damaged', found: 'what it calls free is not inside it' })
}

function kept(volume: Volume, reason: KeepReason | undefined): Walked {
  const { fileSystem, device } = volume
  const keep = volume.keep ??
    fileSystem?.keep ??
    reason ?? { code: 'unknown', found: 'it carries no signature of a file system that is known here' }
  const free = fileSystem?.freeBytes
  const used = free === undefined ? undefined : device.size - free
  return { report: { ...describe(volume), used, free, keep } }
}

function describe({ disk, where, fileSystem, device }: Volume): Omit<VolumeReport, 'used' | 'free' | 'keep'> {
  const { kind = 'unknown', label } = fileSystem ?? {}
  return { disk, where, kind, label, size: device.size }
}
