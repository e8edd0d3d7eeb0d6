import { type BlockDevice, readBytes } from '../device.ts'
import { GuestProblem } from '../file_system.ts'
import { gptSectorSize, readGpt } from './gpt.ts'
import { hasGptSignature } from './gpt_header.ts'
import { readMbr } from './mbr.ts'
import { decodeMbrSector, PROTECTIVE, SECTOR } from './mbr_sector.ts'
import { DYNAMIC_DISK, damagedTable, type PartitionTable } from './partition.ts'

/**
 * Reads the partition table of a disk: GPT, or MBR with logical partitions.
 *
 * A boot sector of NTFS or FAT ends as an MBR does; the caller looks for file systems on the whole disk as well.
 *
 * @returns Undefined when there is none, or an empty one.
 * @throws {GuestProblem} When there is something that could be one, and is damaged or can be read in two ways.
 * @throws What reading the device throws.
 */
export async function readPartitions(device: BlockDevice): Promise<PartitionTable | undefined> {
  if (device.size < 2 * SECTOR) return undefined
  const mbr = decodeMbrSector(await readBytes(device, 0, SECTOR))
  const sectorSize = await gptSectorSize(device)
  const table =
    sectorSize !== undefined
      ? await readGpt(device, sectorSize, mbr)
      : mbr?.some(({ type }) => type === PROTECTIVE)
        ? noGpt()
        : mbr && mbr.length > 0
          ? await readMbr(device, mbr)
          : undefined
  if (table === undefined || table.partitions.length === 0) return undefined
  if (table.partitions.some(({ keep }) => keep === DYNAMIC_DISK)) throw new GuestProblem(DYNAMIC_DISK)
  return table
}

/** Whether anything says that there is a GPT, whole or not. Boot sectors of file systems never do. */
export async function saysGpt(device: BlockDevice): Promise<boolean> {
  if (device.size < 2 * SECTOR) return false
  const mbr = decodeMbrSector(await readBytes(device, 0, SECTOR))
  const isProtective = mbr?.some(({ type }) => type === PROTECTIVE) ?? false
  return isProtective || (await hasGptSignature(device, 512)) || (await hasGptSignature(device, 4096))
}

function noGpt(): never {
  throw damagedTable('its MBR says that there is a GPT, and there is none')
}
