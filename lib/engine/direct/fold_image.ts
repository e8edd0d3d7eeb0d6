import type { BlockPlan } from '../../blocks/block_plan.ts'
import { VboxmergeError } from '../../errors.ts'
import type { OpenImage } from '../../image/image.ts'
import { blockOffset } from '../../image/vdi/block_table.ts'
import type { FileStat, OpenFile } from '../../io/files.ts'
import { copyBlocks } from './fold_copy.ts'
import { writeHeader } from './fold_header.ts'
import { type FoldJob, imageOf } from './fold_job.ts'
import { droppedTable, writeEntries, writeTable } from './fold_table.ts'

/**
 * Returns why a plan cannot be carried out where the target lies, as a phrase about the target, or
 * undefined when it can.
 */
export function inPlaceObstacle(
  plan: Pick<BlockPlan, 'needsFresh' | 'tableOffset'>,
  stat: Pick<FileStat, 'links'>,
): string | undefined {
  if (plan.needsFresh) return 'its block table has no room for the larger disk'
  // An entry that lies in two sectors could reach the disk in halves.
  if (plan.tableOffset % 4 !== 0)
    return `its block table starts at byte ${plan.tableOffset}, not at a multiple of 4`
  return stat.links === 1 ? undefined : `its file has ${stat.links} names`
}

/**
 * Carries out a plan of `planBlocks` in the file of the target.
 *
 * Each step is flushed before the next, and at every moment the disk reads right through the top of the
 * range: the table and the disk grow; entries of dropped blocks are reset; data are written into slots
 * that no entry shows, together with a raised count, and confirmed where that is asked for; entries are pointed to them; the count is lowered;
 * the file is cut. No entry on the disk is ever at or above the count, and no slot is named twice. A run
 * that was stopped or died anywhere is finished by planning anew from what is on disk.
 *
 * The target is as it was when this throws before its first write, which is also where an obstacle of
 * `inPlaceObstacle` is found. Once all data are written the signal is not looked at any more.
 *
 * @throws `unsupported` for an obstacle; `image_corrupt` when an image ends inside a block; the signal's
 *   reason; an error of the file system.
 */
export async function foldInPlace(job: FoldJob): Promise<void> {
  const { plan } = job
  const image = imageOf(job, plan.targetIndex)
  const { file, path } = image
  if (plan.way !== 'in-place') throw new RangeError('Cannot fold in place: the plan is for a fresh file')
  const obstacle = inPlaceObstacle(plan, await file.stat())
  if (obstacle !== undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot write in ${JSON.stringify(path)}: ${obstacle}; a fresh file can take its place`,
    )
  }
  job.signal?.throwIfAborted()
  await grow(plan, image)
  job.signal?.throwIfAborted()
  await drop(plan, file)
  await writeData(job, image)
  await job.confirm?.(file, plan.target)
  await pointToData(plan, file)
  await settleHeader(job, image)
  await settleLength(plan, file)
}

async function grow(plan: BlockPlan, image: OpenImage): Promise<void> {
  const { file } = image
  const { growth, table, tableOffset, capacity, target } = plan
  if (growth === undefined) return
  const { firstBlock, tail } = growth
  await writeTable(file, tableOffset, droppedTable(plan), firstBlock, table.length)
  if (tail !== undefined) await writeZeros(file, blockOffset(target, tail.slot) + tail.offset, tail.length)
  await file.sync()
  await writeHeader(image, { capacity, blockCount: table.length })
  await file.sync()
}

async function drop(plan: BlockPlan, file: OpenFile): Promise<void> {
  if (plan.drops.length === 0) return
  await writeEntries(file, plan.tableOffset, droppedTable(plan), plan.drops)
  await file.sync()
}

async function writeData(job: FoldJob, image: OpenImage): Promise<void> {
  const { allocatedBlocks, target, writes } = job.plan
  const isMore = allocatedBlocks > target.allocatedBlocks
  if (writes.length === 0 && !isMore) return
  job.signal?.throwIfAborted()
  if (isMore) await writeHeader(image, { allocatedBlocks })
  await image.file.reserve(job.plan.fileSize)
  await copyBlocks(job, image.file, target)
  await image.file.sync()
}

async function pointToData(plan: BlockPlan, file: OpenFile): Promise<void> {
  if (plan.entries.length === 0) return
  await writeEntries(file, plan.tableOffset, plan.table, plan.entries)
  await file.sync()
}

async function settleHeader({ plan, modification }: FoldJob, image: OpenImage): Promise<void> {
  if (!plan.changed) return
  await writeHeader(image, {
    allocatedBlocks: plan.allocatedBlocks,
    modification,
  })
  await image.file.sync()
}

async function settleLength(plan: BlockPlan, file: OpenFile): Promise<void> {
  if ((await file.stat()).size === plan.fileSize) return
  await file.truncate(plan.fileSize)
  await file.sync()
}

const ZEROS_BYTES = 1024 * 1024

async function writeZeros(file: OpenFile, position: number, length: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(length, ZEROS_BYTES))
  for (let done = 0; done < length; done += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, length - done)), position + done)
  }
}
