import { currentDiskMaps, type KnownFree } from '../engine/disk_maps.ts'
import type { FreeBlocksFound } from '../engine/free_blocks.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { describeImage, describeSnapshots } from './describe_machine.ts'
import { summarize } from './plan.ts'
import type { MachinePicture } from './report_data.ts'

/** What is known to be free on the disk of a chain, lowest image first. */
export type FreeOf = (chain: readonly Uuid[]) => KnownFree | undefined

/**
 * Takes down all that a report shows of a machine. Reads block tables, no data.
 *
 * @throws The signal's reason.
 */
export async function takePicture(
  machine: Inspection,
  files: Files,
  signal: AbortSignal | undefined,
  freeOf?: FreeOf,
): Promise<MachinePicture> {
  return {
    summary: summarize(machine),
    snapshots: describeSnapshots(machine),
    images: [...machine.images.values()].map(image => describeImage(machine, image, [])),
    disks: await currentDiskMaps(machine, { files, signal, ...(freeOf === undefined ? {} : { freeOf }) }),
  }
}

/** Returns what a search for unneeded blocks tells of the disk of a chain. */
export function freeOfSearch(machine: Inspection, found: FreeBlocksFound | undefined): FreeOf {
  return chain => {
    const id = chain.find(image => found?.free.has(image))
    const blocks = id === undefined ? undefined : found?.free.get(id)
    const blockSize = machine.images.get(id ?? '')?.header?.blockSize
    return blocks === undefined || blockSize === undefined
      ? undefined
      : { blockSize, has: block => blocks.has(block) }
  }
}
