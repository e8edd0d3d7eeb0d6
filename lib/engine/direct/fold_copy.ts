import { VboxmergeError } from '../../errors.ts'
import type { BlockLayout } from '../../image/vdi/block_table.ts'
import type { OpenFile } from '../../io/files.ts'
import { earlyFlush } from './early_flush.ts'
import type { FoldJob } from './fold_job.ts'
import { type FoldRun, foldRuns, type RunPart } from './fold_runs.ts'

/** Bytes read and written at once. */
const RUN_BYTES = 4 * 1024 * 1024

/** Runs under way at the same time. */
const LANES = 4

/**
 * Writes the data of all blocks that the plan of a job names. Several runs are under way at once; the
 * order in which they reach the file is not defined. What was written last is not flushed.
 *
 * @param file The file that is written.
 * @param layout Where blocks lie in it.
 * @throws The signal's reason; `image_corrupt` when an image ends inside a block; an error of the file
 *   system. No read, write or flush is under way any more when the promise settles.
 */
export async function copyBlocks(job: FoldJob, file: OpenFile, layout: BlockLayout): Promise<void> {
  const runs = foldRuns(job, layout, RUN_BYTES)
  const flush = earlyFlush(file)
  let failed = false
  const work = async (): Promise<void> => {
    let buffer = new Uint8Array(0)
    try {
      for (let next = runs.next(); !failed && next.done !== true; next = runs.next()) {
        job.signal?.throwIfAborted()
        const run = next.value
        if (buffer.length < run.length) buffer = new Uint8Array(run.length)
        await copyRun(run, buffer.subarray(0, run.length), file)
        job.onBytes?.(run.length)
        flush.wrote(run.length)
      }
    } catch (error) {
      failed = true
      throw error
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, work))
  const flushed = await Promise.allSettled([flush.settled()])
  for (const part of [...lanes, ...flushed]) if (part.status === 'rejected') throw part.reason
}

async function copyRun(run: FoldRun, buffer: Uint8Array, file: OpenFile): Promise<void> {
  for (const part of run.parts) await readPart(part, buffer.subarray(part.at, part.at + part.length))
  await file.write(buffer, run.to)
}

async function readPart({ image, position }: RunPart, buffer: Uint8Array): Promise<void> {
  if (image === undefined) {
    buffer.fill(0)
    return
  }
  const done = await image.file.read(buffer, position)
  if (done === buffer.length) return
  const problem = `the file ends at byte ${position + done}, inside a block`
  throw new VboxmergeError(
    'image_corrupt',
    `Cannot read "${image.path}": ${problem}; restore it from a backup`,
  )
}
