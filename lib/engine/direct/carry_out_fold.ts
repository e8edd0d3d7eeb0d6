import type { Progress } from '../../ensure/progress.ts'
import { randomUuid } from '../../image/uuid.ts'
import { removeIfThere } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { choosePlan, type MeasuredFold } from '../measure_folds.ts'
import { openFold } from '../open_fold.ts'
import { FRESH_SUFFIX } from './clean_up.ts'
import { foldIntoFresh } from './fold_fresh.ts'
import { foldInPlace } from './fold_image.ts'
import { verifyTables } from './fold_verify.ts'
import { confirmFold } from './verify_view.ts'

/** What carrying out a fold needs beside it. */
export interface FoldContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  /** Is told of bytes that files share from now on, instead of having a copy each. */
  readonly onShared: (bytes: number) => void
  readonly signal: AbortSignal | undefined
  /** `full` compares what the disk reads as, too. */
  readonly verify: 'tables' | 'full'
}

/**
 * Folds a run of images into its lowest one, planning anew from what is on disk, and compares the outcome's
 * header and table with the plan.
 *
 * @throws {VboxmergeError} `image_corrupt`, `unsupported`, `verify_failed`; the signal's reason; an error of
 * the file system. The disk reads right through the top of the range whenever this throws.
 */
export async function carryOutFold(fold: MeasuredFold, context: FoldContext): Promise<void> {
  const { files, signal } = context
  const open = await openFold(files, fold.paths, 'write', signal)
  try {
    const { links } = await open.target.file.stat()
    const plan = choosePlan(
      fold.dead === undefined ? open.range : { ...open.range, dead: fold.dead.has },
      links,
    )
    const modification = randomUuid()
    const images = new Map(open.chain.map((image, index) => [index, image]))
    const confirm = context.verify === 'full' ? await confirmFold(fold, plan, context) : undefined
    const job = {
      plan,
      images,
      modification,
      signal,
      confirm,
      onShared: context.onShared,
      onBytes: progressOf(fold, plan.costs.writtenBytes, context),
    }
    if (plan.way === 'in-place') {
      await foldInPlace(job)
    } else {
      const freshPath = `${open.target.path}${FRESH_SUFFIX}`
      await removeIfThere(files, freshPath)
      await foldIntoFresh({ ...job, files, freshPath })
    }
    await verifyTables(files, open.target.path, plan, plan.changed ? modification : undefined)
  } finally {
    await open.close()
  }
}

function progressOf(fold: MeasuredFold, total: number, { onProgress }: FoldContext): (bytes: number) => void {
  const subject = fold.paths.range[0] ?? ''
  const phase = fold.images.length > 1 ? 'merge' : 'compact'
  let done = 0
  return bytes => {
    done += bytes
    onProgress({ phase, subject, done, total, unit: 'bytes' })
  }
}
