import type { BlockPlan, FoldRange } from '../blocks/block_plan.ts'
import type { BlockSet } from '../blocks/block_set.ts'
import { freshPlan, planBlocks } from '../blocks/plan_blocks.ts'
import type { Figures, FoldFigures, ImageFigures } from '../ensure/figures.ts'
import type { TreePlan } from '../ensure/plan_tree.ts'
import type { Progress } from '../ensure/progress.ts'
import type { Compaction } from '../ensure/wanted.ts'
import { differencingHeader } from '../image/vdi/create.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { chainOf, indexMedia } from '../machine/media_graph.ts'
import { validStamp } from './compaction_stamp.ts'
import { type DeadBlocks, findDeadBlocks } from './dead_blocks.ts'
import { inPlaceObstacle } from './direct/fold_image.ts'
import type { ExaminedStates } from './examine_state.ts'
import { filledHoles } from './filled_holes.ts'
import type { FreeBlocksFound, FreeBlocksTarget } from './free_blocks.ts'
import { type FoldPaths, type OpenFold, openFold } from './open_fold.ts'

/** How a fold is to be carried out. */
export interface MeasuredFold {
  readonly images: readonly Uuid[]
  readonly paths: FoldPaths
  /** Blocks of the target that are dropped although they are allocated: zeros, and what guests do not use. */
  readonly dead: DeadBlocks | undefined
  /** Whether a new file takes the place of the target. */
  readonly isFresh: boolean
}

/** What was read to make a plan: the figures for people, and what the direct engine goes by. */
export interface Measured {
  readonly figures: Figures
  readonly folds: readonly MeasuredFold[]
  /** Bases that were looked through, with the bytes that compaction could still give back after the run. */
  readonly scanned: ReadonlyMap<Uuid, number>
  /** What guests do not use; undefined where that was not looked for. */
  readonly free: FreeBlocksFound | undefined
  /** All that was read, by the state of the images that it was read from. */
  readonly looked: ReadonlyMap<string, FoldMeasurement>
}

/** What measuring needs beside the machine. */
export interface MeasureContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
  /** An earlier measurement of the same machine, which is used again where no image changed. */
  readonly previous?: Measured
  /** What was found of guests by whoever asked before. */
  readonly examined?: ExaminedStates | undefined
}

/**
 * Reads the tables of the images that a plan folds or compacts, looks for blocks of zeros where compaction is
 * wanted, and says what the work comes to. Writes nothing.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function measureFolds(
  machine: Inspection,
  tree: TreePlan,
  wanted: Compaction | undefined,
  context: MeasureContext,
): Promise<Measured> {
  const figures: FoldFigures[] = []
  const folds: MeasuredFold[] = []
  const sizes = new Map<Uuid, number>()
  const scanned = new Map<Uuid, number>()
  const looked = new Map<string, FoldMeasurement>()
  let scannedBytes = 0
  const compactable = new Set(tree.compactable)
  const alone = tree.compactable
    .filter(id => !tree.folds.some(fold => fold.images.includes(id)))
    .filter(id => !isKnownCompact(machine, id, wanted))
    .map(id => [id])
  const ranges = [...tree.folds.map(fold => fold.images), ...alone].filter(images =>
    images.every(id => machine.images.get(id)?.header !== undefined),
  )
  const compacted = ranges.filter(([target]) => compactable.has(target ?? ''))
  const free =
    wanted?.freeSpace === 'discard' && compacted.length > 0
      ? await findFree(machine, tree, compacted.map(targetOf(machine)), context)
      : undefined
  for (const images of ranges) {
    const compaction = compactable.has(images[0] ?? '') ? wanted : undefined
    const identity = JSON.stringify([identityOf(machine, images), free?.identity, compaction])
    const unused = free?.free.get(images[0] ?? '')
    const known = context.previous?.looked.get(identity)
    const measured = known ?? (await measureFold(machine, images, compaction, unused, context))
    looked.set(identity, measured)
    scannedBytes += measured.dead?.readBytes ?? 0
    sizes.set(images[0] ?? '', measured.capacity)
    if (compaction !== undefined) scanned.set(images[0] ?? '', measured.remainingBytes)
    if (images.length > 1 || measured.figures.compacts) {
      figures.push(measured.figures)
      folds.push(measured.fold)
    }
  }
  const leafSize = (over: Uuid): number => newLeafSize(machine, over, sizes)
  return {
    figures: {
      folds: figures,
      restoredLeaves: tree.restoredLeavesOver.map(leafSize),
      snapshotLeaves: tree.snapshotLeavesOver.map(leafSize),
      scannedBytes,
    },
    folds,
    scanned,
    free,
    looked,
  }
}

/** What reads file systems is loaded only when one is to be read: most runs find nothing to do. */
async function findFree(
  machine: Inspection,
  tree: TreePlan,
  targets: readonly FreeBlocksTarget[],
  context: MeasureContext,
): Promise<FreeBlocksFound> {
  const { findFreeBlocks } = await import('./free_blocks.ts')
  return await findFreeBlocks(machine, tree, targets, context, context.previous?.free)
}

function targetOf({ images }: Inspection): (range: readonly Uuid[]) => FreeBlocksTarget {
  return range => {
    const id = range[0] ?? ''
    const top = range.at(-1) ?? id
    const blockSize = images.get(id)?.header?.blockSize ?? 0
    const blockCount = Math.ceil((images.get(top)?.header?.capacity ?? 0) / blockSize)
    return { id, top, blockSize, blockCount }
  }
}

/** Whether an earlier run left word that there is too little to compact. */
export function isKnownCompact(machine: Inspection, id: Uuid, wanted: Compaction | undefined): boolean {
  const stamp = validStamp(machine, id)
  const image = machine.images.get(id)?.header
  if (stamp === undefined || image === undefined || wanted === undefined) return false
  if (stamp.freeSpace === 'keep' && wanted.freeSpace !== 'keep') return false
  return !isWorthWhile(
    wanted,
    stamp.reclaimableBytes,
    image.allocatedBlocks * image.blockSize,
    image.blockSize,
  )
}

function newLeafSize(machine: Inspection, over: Uuid, sizes: ReadonlyMap<Uuid, number>): number {
  const header = machine.images.get(over)?.header
  if (header === undefined) return 0
  const capacity = sizes.get(over) ?? header.capacity
  return differencingHeader({ parent: { ...header, capacity } }).dataOffset
}

/** What one fold comes to. */
interface FoldMeasurement {
  readonly figures: FoldFigures
  readonly fold: MeasuredFold
  readonly capacity: number
  readonly dead: DeadBlocks | undefined
  /** What compaction could still give back after the run, in bytes. */
  readonly remainingBytes: number
}

async function measureFold(
  machine: Inspection,
  images: readonly Uuid[],
  wanted: Compaction | undefined,
  unused: BlockSet | undefined,
  context: MeasureContext,
): Promise<FoldMeasurement> {
  const paths = pathsOf(machine, images)
  const open = await openFold(context.files, paths, 'read', context.signal)
  try {
    const links = machine.images.get(images[0] ?? '')?.links ?? 1
    const merge = choosePlan(open.range, links)
    const isFree = unused === undefined ? undefined : (block: number): boolean => unused.has(block)
    const dead =
      wanted === undefined
        ? undefined
        : await findDeadBlocks(context, paths.range, merge, paths.range[0] ?? '', isFree)
    const compacted = dead === undefined ? merge : choosePlan({ ...open.range, dead: dead.has }, links)
    // A range of one image is not touched by a merge: its count stays, with orphans and all.
    const before = images.length > 1 ? figuresOf(merge) : untouched(open.range)
    const reclaimBytes = before.allocatedBytes - figuresOf(compacted).allocatedBytes
    const compacts =
      wanted !== undefined &&
      isWorthWhile(wanted, reclaimBytes, before.allocatedBytes, open.range.target.blockSize)
    const final = compacts ? compacted : merge
    return {
      figures: {
        images,
        merge: before,
        final: compacts || images.length > 1 ? figuresOf(final) : before,
        upperBound: upperBound(open, before),
        mayCompact: wanted !== undefined,
        compacts,
        reclaimBytes: compacts ? reclaimBytes : 0,
        neededBytes: final.costs.neededBytes + filledHoles(final, await open.target.file.stat()),
      },
      fold: { images, paths, dead: compacts ? dead : undefined, isFresh: final.way === 'fresh' },
      capacity: open.range.capacity,
      dead,
      remainingBytes: compacts ? 0 : Math.max(0, reclaimBytes),
    }
  } finally {
    await open.close()
  }
}

/** Plans in place where that is safe, else a fresh file. */
export function choosePlan(range: FoldRange, links: number): BlockPlan {
  const plan = planBlocks(range)
  return inPlaceObstacle(plan, { links }) === undefined ? plan : freshPlan(range)
}

/** Files of a fold and of what lies below it. */
export function pathsOf(machine: Inspection, images: readonly Uuid[]): FoldPaths {
  const media = indexMedia([[...machine.images.values()].map(image => image.medium)])
  const below = chainOf(media, images[0] ?? '').slice(0, -1)
  return {
    below: below.map(medium => medium.path),
    range: images.map(id => machine.images.get(id)?.medium.path ?? ''),
  }
}

/** Changes when one of the images does, or one below them. */
function identityOf(machine: Inspection, images: readonly Uuid[]): string {
  const media = indexMedia([[...machine.images.values()].map(image => image.medium)])
  const below = chainOf(media, images[0] ?? '').slice(0, -1)
  return [...below.map(({ id }) => id), ...images]
    .map(id => {
      const image = machine.images.get(id)
      const { fileSize, mtimeNs, links, header, medium } = image ?? {}
      return `${id} ${fileSize} ${mtimeNs} ${links} ${header?.modification} ${medium?.path}`
    })
    .join('\n')
}

function figuresOf(plan: BlockPlan): ImageFigures {
  const { readBytes, writtenBytes } = plan.costs
  const allocatedBytes = plan.allocatedBlocks * plan.target.blockSize
  return { readBytes, writtenBytes, allocatedBytes, fileSize: plan.fileSize }
}

function untouched({ target }: FoldRange): ImageFigures {
  const allocatedBytes = target.allocatedBlocks * target.blockSize
  return { readBytes: 0, writtenBytes: 0, allocatedBytes, fileSize: target.fileSize }
}

function isWorthWhile(
  { minReclaim }: Compaction,
  reclaimBytes: number,
  allocatedBytes: number,
  blockSize: number,
): boolean {
  if (reclaimBytes <= 0) return false
  if (minReclaim === 'one_block') return reclaimBytes >= blockSize
  return reclaimBytes >= ('bytes' in minReclaim ? minReclaim.bytes : minReclaim.share * allocatedBytes)
}

/** VirtualBox may hold every block that an image of the range holds. */
function upperBound({ chain, range }: OpenFold, before: ImageFigures): ImageFigures {
  const { target, targetIndex, capacity } = range
  let blocks = target.allocatedBlocks
  for (const { header } of chain.slice(targetIndex + 1)) {
    const { allocatedBlocks, blockSize } = header
    blocks += allocatedBlocks * Math.max(1, blockSize / target.blockSize)
  }
  blocks = Math.min(Math.ceil(capacity / target.blockSize), blocks)
  const fileSize = target.dataOffset + blocks * (target.blockSize + target.blockExtra)
  return { ...before, allocatedBytes: blocks * target.blockSize, fileSize }
}
