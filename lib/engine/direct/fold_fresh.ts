import { dirname } from 'node:path'
import type { BlockPlan } from '../../blocks/block_plan.ts'
import type { OpenImage } from '../../image/image.ts'
import { readWhole } from '../../image/read_whole.ts'
import type { Files, OpenFile } from '../../io/files.ts'
import { copyIdentity } from '../../io/identity.ts'
import { copyBlocks } from './fold_copy.ts'
import { CHANGED_HEADER_BYTES, patchFreshHeader } from './fold_header.ts'
import { type FoldJob, imageOf } from './fold_job.ts'
import { writeTable } from './fold_table.ts'

/** A fold into a new file that takes the place of the target. */
export interface FreshFoldJob extends FoldJob {
  readonly files: Files
  /** Path of the new file, in the folder of the target. Nothing may have this name. */
  readonly freshPath: string
}

const COPY_BYTES = 1024 * 1024

/**
 * Carries out a plan of `freshPlan`: writes a complete new file beside the target, with the header of the
 * target in all but the fields that change, flushes it, and renames it over the target.
 *
 * The open file of the target is the old one afterwards; whoever needs the new one opens the path again.
 * When this throws before the rename, the target is untouched and no new file is left.
 *
 * @throws `image_corrupt` when an image ends inside a block; the signal's reason; an error of the file
 *   system.
 */
export async function foldIntoFresh(job: FreshFoldJob): Promise<void> {
  const { plan, files, freshPath, signal } = job
  const target = imageOf(job, plan.targetIndex)
  if (plan.way !== 'fresh') throw new RangeError('Cannot fold into a fresh file: the plan is for the old one')
  signal?.throwIfAborted()
  const file = await files.open(freshPath, 'create')
  try {
    try {
      await writeFresh(job, target, file)
    } finally {
      await file.close()
    }
    signal?.throwIfAborted()
    await files.rename(freshPath, target.path)
  } catch (error) {
    await files.unlink(freshPath).catch(() => undefined)
    throw error
  }
  await files.syncFolder(dirname(target.path))
}

async function writeFresh(job: FreshFoldJob, target: OpenImage, file: OpenFile): Promise<void> {
  const { plan, modification } = job
  await reserveData(plan, file)
  await file.truncate(plan.fileSize)
  await copyFront(job, target, file)
  const header = new Uint8Array(CHANGED_HEADER_BYTES)
  await readWhole(target, header, 0)
  patchFreshHeader(header, plan, modification)
  await file.write(header, 0)
  await writeTable(file, plan.tableOffset, plan.table, 0, plan.table.length)
  const { blockSize, blockExtra } = plan.target
  const layout = { blockSize, blockExtra, dataOffset: plan.dataOffset }
  await copyBlocks(job, file, layout)
  await copyIdentity(file, target.file)
  await file.sync()
  await job.confirm?.(file, layout)
}

/** Has place set aside for a new file whose blocks will all be written; one of fixed size may have holes. */
export async function reserveData({ target, fileSize }: BlockPlan, file: OpenFile): Promise<void> {
  if (target.variant !== 'fixed') await file.reserve(fileSize)
}

/** Copies what lies in front of the table and, where its place is the same, between the table and the data. */
async function copyFront({ plan }: FreshFoldJob, target: OpenImage, file: OpenFile): Promise<void> {
  const { tableOffset, dataOffset } = plan.target
  const stays = plan.tableOffset === tableOffset && plan.dataOffset === dataOffset
  const end = Math.min(stays ? dataOffset : tableOffset, target.fileSize)
  const buffer = new Uint8Array(Math.min(COPY_BYTES, end))
  for (let from = 0; from < end; from += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, end - from))
    await readWhole(target, part, from)
    await file.write(part, from)
  }
}
