import type { BlockDevice } from './device.ts'
import { GuestProblem, type KeepReason } from './file_system.ts'
import { FreeBlocks } from './free_blocks.ts'
import type { GuestDisk, VolumeReport } from './free_space.ts'
import type { DeviceGuard } from './guarded_device.ts'
import type { Volume } from './volume.ts'

/** A volume whose free ranges were collected, or that is kept. */
export interface Walked {
  readonly report: VolumeReport
  /** By disk: what it calls free. Undefined when it is kept. */
  readonly own?: readonly FreeBlocks[]
}

/** Boot loaders, partition tables and their backups lie here, whatever the volumes say. */
const KEPT_AT_BOTH_ENDS = 2 ** 20

/**
 * Collects what a volume calls free, if it is to be believed to the end.
 *
 * @throws The signal's reason; what reading a device throws.
 */
export async function walkVolume(
  volume: Volume,
  disks: readonly GuestDisk[],
  guard: DeviceGuard,
  signal: AbortSignal | undefined,
): Promise<Walked> {
  const { fileSystem, device } = volume
  const keep = volume.keep ?? fileSystem?.keep
  if (fileSystem === undefined || keep) return keptVolume(volume, keep)
  const own = disks.map(disk => new FreeBlocks(disk.device.size, disk.blockSize))
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
    return keptVolume(volume, guard.reasonOf(error))
  }
  const used = device.size - freeBytes
  const reclaimable = reclaimableBytes(disks, own)
  return { report: { ...describe(volume), used, free: freeBytes, reclaimable, keep: undefined }, own }
}

/** Reports a volume as kept, with its own reason before the one that is given. */
export function keptVolume(volume: Volume, reason: KeepReason | undefined): Walked {
  const { fileSystem, device } = volume
  const keep = volume.keep ??
    fileSystem?.keep ??
    reason ?? { code: 'unknown', found: 'it carries no signature of a file system that is known here' }
  const free = fileSystem?.freeBytes
  const used = free === undefined ? undefined : device.size - free
  return { report: { ...describe(volume), used, free, reclaimable: undefined, keep } }
}

/** Returns false when two volumes call the same bytes free; then nothing that was found is sure. */
export function addAll(total: readonly FreeBlocks[], own: readonly FreeBlocks[]): boolean {
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

function reclaimableBytes(disks: readonly GuestDisk[], free: readonly FreeBlocks[]): number {
  let bytes = 0
  for (const [disk, { blockSize, holds }] of disks.entries()) {
    for (const block of free[disk]?.blocks() ?? []) if (holds?.(block) ?? true) bytes += blockSize
  }
  return bytes
}

function describe({
  disk,
  where,
  fileSystem,
  device,
}: Volume): Pick<VolumeReport, 'disk' | 'where' | 'kind' | 'label' | 'size'> {
  const { kind = 'unknown', label } = fileSystem ?? {}
  return { disk, where, kind, label, size: device.size }
}
