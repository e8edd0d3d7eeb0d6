import type { BlockPlan } from '../blocks/block_plan.ts'
import type { Progress } from '../ensure/progress.ts'
import type { Files } from '../io/files.ts'
import { scanZeros } from './scan_zeros.ts'

/** Blocks that no state needs. */
export interface DeadBlocks {
  has(block: number): boolean
  /** Tells of those among them that no guest uses, whatever they hold; the others hold zeros. */
  isUnused(block: number): boolean
  /** Bytes that were read to find them. */
  readonly readBytes: number
}

/** What looking for dead blocks needs. */
export interface DeadBlocksContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Finds the blocks of a plan's outcome that need not be held: those that a guest does not use, and among the others
 * those of zeros.
 *
 * @param paths Files of the images that it is read from, lowest first, down to the base.
 * @param subject What progress is told of.
 * @param isFree Tells of the blocks that no guest uses.
 * @throws The signal's reason.
 */
export async function findDeadBlocks(
  { files, onProgress, signal }: DeadBlocksContext,
  paths: readonly string[],
  plan: BlockPlan,
  subject: string,
  isFree: (block: number) => boolean = () => false,
): Promise<DeadBlocks> {
  const total = plan.allocatedBlocks * plan.target.blockSize
  let done = 0
  const onRead = (bytes: number): void => {
    done += bytes
    onProgress({ phase: 'scan', subject, done, total, unit: 'bytes' })
  }
  const zeros = await scanZeros(files, paths, plan, onRead, signal, isFree)
  return {
    has: block => zeros.has(block) || isFree(block),
    isUnused: isFree,
    readBytes: zeros.readBytes,
  }
}
