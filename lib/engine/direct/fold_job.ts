import type { BlockPlan } from '../../blocks/block_plan.ts'
import type { OpenImage } from '../../image/image.ts'
import type { BlockLayout } from '../../image/vdi/block_table.ts'
import type { OpenFile } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'

/** A fold that is to be carried out. */
export interface FoldJob {
  readonly plan: BlockPlan
  /** The open images by their numbers in the chain. For a fold in place the target is open for writing. */
  readonly images: ReadonlyMap<number, OpenImage>
  /** The modification UUID that the target gets. */
  readonly modification: Uuid
  /** Stops the work between two runs of blocks; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Is handed the written file once all data are flushed, before any entry shows them and before a new file takes
   * the place of the old one. What it throws ends the work there.
   */
  readonly confirm?: ((file: OpenFile, layout: BlockLayout) => Promise<void>) | undefined
  /** Is told of bytes of blocks as they are written. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Is told of those of them that files share from now on, instead of having a copy each. */
  readonly onShared?: ((bytes: number) => void) | undefined
}

/** Returns an open image by its number in the chain. Throws a RangeError when it is not given. */
export function imageOf(job: Pick<FoldJob, 'images'>, index: number): OpenImage {
  const image = job.images.get(index)
  if (image === undefined) throw new RangeError(`Cannot fold: image ${index} of the chain is not open`)
  return image
}
