import type { BlockPlan } from '../../blocks/block_plan.ts'
import { BlockSet } from '../../blocks/block_set.ts'
import { FREE } from '../../blocks/constants.ts'
import { type BlockLayout, blockOffset, slotSize } from '../../image/vdi/block_table.ts'
import { isZero } from '../../image/zero.ts'
import { withAlignedBuffer } from '../../io/aligned_buffer.ts'
import type { OpenFile } from '../../io/files.ts'
import { inLanes } from '../../io/in_lanes.ts'
import { earlyFlush } from './early_flush.ts'
import { LANES, RUN_BYTES, readPart } from './fold_copy.ts'
import type { FoldJob } from './fold_job.ts'
import { type FoldRun, foldRuns, partsWithin } from './fold_runs.ts'

/** What became of the blocks that were copied. */
export interface CopiedBlocks {
  /** Blocks that turned out to hold nothing but zeros, and were not written. */
  readonly zeros: BlockSet
  /** By block: the slot that its data were written into; `FREE` for all others. */
  readonly slots: Uint32Array
}

/** A block with data mostly shows it in its first bytes, so that of a block that is shared few have to be read. */
const FIRST_READ = 4096

/** Where a part of a run goes: `from` and `to` are bytes of the run. */
interface Segment {
  readonly from: number
  readonly to: number
  /** File offset in the new image. */
  readonly position: number
}

/**
 * Tells whether a plan's blocks can be copied by `copyDataBlocks`, which holds whole blocks in memory.
 */
export function canCopyDataBlocks({ target: { blockSize } }: Pick<BlockPlan, 'target'>): boolean {
  return blockSize <= RUN_BYTES
}

/**
 * Writes the data of the blocks that a plan for a new image names, but of those that hold nothing but zeros: each is
 * looked at when it has been read to be copied, so that no byte is read twice. The others lie in the order of the
 * disk without gaps, or in their own places where the image is of fixed size. Nothing is flushed at the end.
 *
 * @param layout Where blocks lie in the new image.
 * @throws The signal's reason; `image_corrupt` when an image ends inside a block; an error of the file system. No
 *   read, write or flush is under way any more when the promise settles.
 */
export async function copyDataBlocks(
  job: FoldJob,
  file: OpenFile,
  layout: BlockLayout,
): Promise<CopiedBlocks> {
  const copy = new DataCopy(job, file, layout)
  const flush = earlyFlush(file)
  const work = inLanes(LANES, inTurn(foldRuns(job, layout, RUN_BYTES)), async ({ run, previous, done }) => {
    try {
      job.signal?.throwIfAborted()
      await withAlignedBuffer(RUN_BYTES, async memory => {
        flush.wrote(await copy.run(run, memory.subarray(0, run.length), previous, done))
      })
    } finally {
      // A run that failed never gets its turn; whoever waits for it must not wait for ever.
      done(undefined)
    }
    job.onBytes?.(run.length)
  })
  const [copied] = await Promise.allSettled([work])
  const [flushed] = await Promise.allSettled([flush.settled()])
  for (const part of [copied, flushed]) if (part.status === 'rejected') throw part.reason
  return { zeros: copy.zeros, slots: copy.slots }
}

/** A run, and its place in the order in which slots are given out. */
interface Turn {
  readonly run: FoldRun
  /** The first slot that the runs before left over; undefined when one of them failed. */
  readonly previous: Promise<number | undefined>
  /** Is called with the first slot that is left over. */
  readonly done: (slot: number | undefined) => void
}

function* inTurn(runs: Iterable<FoldRun>): Generator<Turn> {
  let previous: Promise<number | undefined> = Promise.resolve(0)
  for (const run of runs) {
    const { promise, resolve } = deferred<number | undefined>()
    yield { run, previous, done: resolve }
    previous = promise
  }
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Copies runs of blocks; keeps what they have in common. */
class DataCopy {
  readonly zeros: BlockSet
  readonly slots: Uint32Array
  readonly #job: FoldJob
  readonly #file: OpenFile
  readonly #layout: BlockLayout
  /** False once the file system refused to share blocks. */
  #shares = true

  constructor(job: FoldJob, file: OpenFile, layout: BlockLayout) {
    this.#job = job
    this.#file = file
    this.#layout = layout
    this.zeros = new BlockSet(job.plan.table.length)
    this.slots = new Uint32Array(job.plan.table.length).fill(FREE)
  }

  /** Returns the bytes that were written, those left out that are shared. */
  async run(
    run: FoldRun,
    buffer: Uint8Array,
    previous: Turn['previous'],
    done: Turn['done'],
  ): Promise<number> {
    const isShared = this.#shares
    const hasData = isShared
      ? await this.#lookInto(run, buffer)
      : await this.#read(run, buffer).then(() => this.#blocksWithData(buffer))
    const first = await previous
    if (first === undefined) return 0
    const segments = this.#place(run, hasData, first)
    done(first + hasData.filter(Boolean).length)
    let written = 0
    for (const segment of segments) {
      if (isShared && (await this.#share(run, segment))) continue
      const bytes = buffer.subarray(segment.from, segment.to)
      if (isShared) await this.#read(run, buffer, segment)
      await this.#file.write(bytes, segment.position)
      written += bytes.length
    }
    return written
  }

  async #read(run: FoldRun, buffer: Uint8Array, { from, to } = { from: 0, to: run.length }): Promise<void> {
    for (const part of partsWithin(run, from, to)) {
      await readPart(part, buffer.subarray(part.at, part.at + part.length))
    }
  }

  #blocksWithData(buffer: Uint8Array): boolean[] {
    const size = slotSize(this.#layout)
    const count = buffer.length / size
    return Array.from({ length: count }, (_, at) => !isZero(buffer.subarray(at * size, (at + 1) * size)))
  }

  /** As `#blocksWithData`, reading of each block no more than it takes to see data. */
  async #lookInto(run: FoldRun, buffer: Uint8Array): Promise<boolean[]> {
    const size = slotSize(this.#layout)
    const found: boolean[] = []
    for (let start = 0; start < run.length; start += size) {
      const middle = start + Math.min(FIRST_READ, size)
      found.push(
        (await this.#holdsData(run, buffer, start, middle)) ||
          (await this.#holdsData(run, buffer, middle, start + size)),
      )
    }
    return found
  }

  async #holdsData(run: FoldRun, buffer: Uint8Array, from: number, to: number): Promise<boolean> {
    await this.#read(run, buffer, { from, to })
    return !isZero(buffer.subarray(from, to))
  }

  /** Gives slots to the blocks with data and says where they go; notes the others. */
  #place(run: FoldRun, hasData: readonly boolean[], first: number): Segment[] {
    const { plan } = this.#job
    const size = slotSize(this.#layout)
    const isFixed = plan.target.variant === 'fixed'
    const planned = (run.to - blockOffset(this.#layout, 0)) / size
    const segments: Segment[] = []
    let slot = first
    for (const [at, data] of hasData.entries()) {
      const block = isFixed ? planned + at : (plan.writes[planned + at] ?? 0)
      if (!data) {
        this.zeros.add(block)
        continue
      }
      const own = isFixed ? block : slot
      slot += 1
      this.slots[block] = own
      append(segments, { from: at * size, to: (at + 1) * size, position: blockOffset(this.#layout, own) })
    }
    return segments
  }

  async #share(run: FoldRun, { from, to, position }: Segment): Promise<boolean> {
    const parts = [...partsWithin(run, from, to)]
    for (const { image, position: source, length, at } of this.#shares ? parts : []) {
      if (image === undefined) return false
      if (await this.#file.share(image.file, source, length, position + at - from)) continue
      this.#shares = false
      return false
    }
    if (this.#shares) this.#job.onShared?.(to - from)
    return this.#shares
  }
}

/** Joins neighbours, in the run as in the file. */
function append(segments: Segment[], next: Segment): void {
  const last = segments.at(-1)
  const continues = last?.to === next.from && last.position + (last.to - last.from) === next.position
  if (last !== undefined && continues) segments[segments.length - 1] = { ...last, to: next.to }
  else segments.push(next)
}
