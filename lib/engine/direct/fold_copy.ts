import { VboxmergeError } from '../../errors.ts'
import type { BlockLayout } from '../../image/vdi/block_table.ts'
import { withAlignedBuffer } from '../../io/aligned_buffer.ts'
import type { OpenFile } from '../../io/files.ts'
import { inLanes } from '../../io/in_lanes.ts'
import { earlyFlush } from './early_flush.ts'
import type { FoldJob } from './fold_job.ts'
import { type FoldRun, foldRuns, type RunPart } from './fold_runs.ts'

/** Bytes read and written at once. */
export const RUN_BYTES: number = 4 * 1024 * 1024

/** Runs under way at the same time. */
export const LANES: number = 4

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
  const flush = earlyFlush(file)
  const copy = inLanes(LANES, foldRuns(job, layout, RUN_BYTES), async run => {
    job.signal?.throwIfAborted()
    if (await shareRun(run, file)) {
      job.onShared?.(run.length)
    } else {
      await withAlignedBuffer(RUN_BYTES, memory => copyRun(run, memory.subarray(0, run.length), file))
      flush.wrote(run.length)
    }
    job.onBytes?.(run.length)
  })
  const [copied] = await Promise.allSettled([copy])
  const [flushed] = await Promise.allSettled([flush.settled()])
  for (const part of [copied, flushed]) if (part.status === 'rejected') throw part.reason
}

/** Returns false when the run has to be copied, whatever became of its place. */
async function shareRun(run: FoldRun, file: OpenFile): Promise<boolean> {
  for (const { image, position, length, at } of run.parts) {
    if (image === undefined || !(await file.share(image.file, position, length, run.to + at))) return false
  }
  return true
}

async function copyRun(run: FoldRun, buffer: Uint8Array, file: OpenFile): Promise<void> {
  for (const part of run.parts) await readPart(part, buffer.subarray(part.at, part.at + part.length))
  await file.write(buffer, run.to)
}

/**
 * Fills the whole buffer with a part of a run.
 *
 * @throws `image_corrupt` when the image ends inside it.
 */
export async function readPart(
  { image, position }: Pick<RunPart, 'image' | 'position'>,
  buffer: Uint8Array,
): Promise<void> {
  if (image === undefined) {
    buffer.fill(0)
    return
  }
  const done = await image.file.read(buffer, position)
  if (done === buffer.length) return
  const problem = `the file ends at byte ${position + done}, inside a block`
  throw new VboxmergeError(
    'image_corrupt',
    `Cannot read ${JSON.stringify(image.path)}: ${problem}; restore it from a backup`,
  )
}
