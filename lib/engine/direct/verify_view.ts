import type { BlockPlan } from '../../blocks/block_plan.ts'
import type { Progress } from '../../ensure/progress.ts'
import { VboxmergeError } from '../../errors.ts'
import { openChain } from '../../image/chain_view.ts'
import type { BlockLayout } from '../../image/vdi/block_table.ts'
import type { Files, OpenFile } from '../../io/files.ts'
import type { MeasuredFold } from '../measure_folds.ts'
import {
  type DigestWork,
  digestBlocks,
  findUnlikeBlock,
  readerOfPlan,
  readerOfView,
  type ViewDigests,
} from './view_digests.ts'

/** What comparing a disk with what it read as before needs. */
export interface VerifyContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
}

/** Compares what was written with what the disk read as before. */
export type ConfirmData = (file: OpenFile, layout: BlockLayout) => Promise<void>

/**
 * Reads a disk through the images of a fold before anything is written, and returns what compares it with what it will
 * read as once the data of the fold are written and its table follows. Blocks that no guest uses are left out.
 *
 * @throws What reading the images throws; the signal's reason. What is returned throws `verify_failed`.
 */
export async function confirmFold(
  fold: MeasuredFold,
  plan: BlockPlan,
  context: VerifyContext,
): Promise<ConfirmData> {
  const { below, range } = fold.paths
  const subject = range[0] ?? ''
  const skip = fold.dead?.isUnused ?? (() => false)
  const before = await digestChain([...below, ...range], plan, { ...context, subject, skip })
  return async (file, layout) => {
    const lower = below.length === 0 ? undefined : await openChain(context.files, below, { links: 'ignore' })
    try {
      const reader = readerOfPlan(plan, file, layout, lower)
      const unlike = await findUnlikeBlock(reader, before, workOf(plan, { ...context, subject, skip }))
      if (unlike === undefined) return
      throw new VboxmergeError(
        'verify_failed',
        `Cannot confirm the fold into ${JSON.stringify(subject)}: block ${unlike} of the disk would not read as it ` +
          'did before; no image was deleted, and the machine reads from its old ones; run the same command again, and ' +
          'look after the disk of this computer',
      )
    } finally {
      await lower?.close()
    }
  }
}

/**
 * Reads an image that was written for a clone and the chain that it was written from, and compares them. Blocks that no
 * guest uses are left out.
 *
 * @param paths Of the chain, lowest first.
 * @throws `verify_failed`; what reading the images throws; the signal's reason.
 */
export async function confirmClone(
  path: string,
  paths: readonly string[],
  plan: BlockPlan,
  skip: (block: number) => boolean,
  context: VerifyContext,
): Promise<void> {
  const subject = path
  const before = await digestChain(paths, plan, { ...context, subject, skip })
  const view = await openChain(context.files, [path])
  try {
    const reader = readerOfView(view, plan.target.blockSize)
    const unlike = await findUnlikeBlock(reader, before, workOf(plan, { ...context, subject, skip }))
    if (unlike === undefined) return
    throw new VboxmergeError(
      'verify_failed',
      `Cannot confirm the clone in ${JSON.stringify(path)}: block ${unlike} of the disk does not read as in the ` +
        'machine; nothing is left of the clone; run the same command again, and look after the disk of this computer',
    )
  } finally {
    await view.close()
  }
}

interface WholeWork extends VerifyContext {
  readonly subject: string
  readonly skip: (block: number) => boolean
}

async function digestChain(paths: readonly string[], plan: BlockPlan, work: WholeWork): Promise<ViewDigests> {
  const { files, signal } = work
  const options = signal === undefined ? {} : { signal }
  const view = await openChain(files, paths, { links: 'ignore', ...options })
  try {
    return await digestBlocks(readerOfView(view, plan.target.blockSize), workOf(plan, work))
  } finally {
    await view.close()
  }
}

function workOf(plan: BlockPlan, { onProgress, signal, subject, skip }: WholeWork): DigestWork {
  const total = plan.allocatedBlocks * plan.target.blockSize
  let done = 0
  const onBytes = (bytes: number): void => {
    done += bytes
    onProgress({ phase: 'verify', subject, done: Math.min(done, total), total, unit: 'bytes' })
  }
  return { signal, skip, onBytes }
}
