import { type BlockDevice, partOf } from './device.ts'
import type { KeepReason } from './file_system.ts'
import type { DeviceGuard } from './guarded_device.ts'
import type { Partition, PartitionTable } from './partitions/partition.ts'
import { readPartitions, saysGpt } from './partitions/read_partitions.ts'
import { type Formats, probeDevice } from './probe.ts'
import { runOfDisk, type Volume } from './volume.ts'

/** Where disks are partitioned, nothing that counts for the whole disk begins behind this. */
const FIRST_MIB = 2 ** 20

/**
 * Finds the partitions of a disk and what lies in them, or what lies on the whole disk.
 *
 * @param disk Its number among the machine's disks.
 * @param device One that `guard` has made.
 * @throws What reading the device throws.
 */
export async function findVolumes(
  disk: number,
  device: BlockDevice,
  guard: DeviceGuard,
  formats?: Formats,
): Promise<Volume[]> {
  const table = await tableOf(device, guard)
  const partitions = 'partitions' in table ? table.partitions : []
  const whole = await probeDevice(withoutPartitions(device, partitions), guard, formats)
  const onWhole = (keep: KeepReason | undefined): Volume[] => {
    const range = { start: 0, length: device.size }
    return [
      { disk, where: 'the whole disk', device, fileSystem: whole, keep, toDisks: runOfDisk(disk, range) },
    ]
  }
  if ('problem' in table) {
    // The boot sector of a file system may look like a table that makes no sense.
    const isBootSector = whole !== undefined && !(await saysGpt(device))
    return onWhole(isBootSector ? undefined : table.problem)
  }
  if (partitions.length === 0) return onWhole(undefined)
  if (whole?.keep?.code === 'raid_member') return onWhole(undefined)
  if (whole) {
    return onWhole({
      code: 'ambiguous',
      found: `it has partitions, and the signature of ${whole.kind} outside of them`,
    })
  }
  const volumes: Volume[] = []
  for (const partition of partitions) {
    volumes.push(await volumeOf(disk, device, partition, guard, formats))
  }
  return volumes
}

async function volumeOf(
  disk: number,
  whole: BlockDevice,
  { number, range, keep }: Partition,
  guard: DeviceGuard,
  formats: Formats | undefined,
): Promise<Volume> {
  const device = partOf(whole, range)
  const fileSystem = await probeDevice(device, guard, formats)
  return { disk, where: `partition ${number}`, device, fileSystem, keep, toDisks: runOfDisk(disk, range) }
}

async function tableOf(
  device: BlockDevice,
  guard: DeviceGuard,
): Promise<Pick<PartitionTable, 'partitions'> | { readonly problem: KeepReason }> {
  try {
    return (await readPartitions(device)) ?? { partitions: [] }
  } catch (error) {
    return { problem: guard.reasonOf(error) }
  }
}

/**
 * Shows zeros where partitions are: a signature near the end of the disk (RAID) may be that of the last partition, and
 * then says nothing of the whole disk.
 */
function withoutPartitions(device: BlockDevice, partitions: readonly Partition[]): BlockDevice {
  if (partitions.length === 0) return device
  return {
    size: device.size,
    read: async (buffer, position) => {
      await device.read(buffer, position)
      for (const { range } of partitions) {
        const from = Math.max(position, range.start, FIRST_MIB)
        const to = Math.min(position + buffer.length, range.start + range.length)
        if (from < to) buffer.fill(0, from - position, to - position)
      }
    },
  }
}
