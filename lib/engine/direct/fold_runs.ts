import type { Piece } from '../../blocks/block_pieces.ts'
import type { OpenImage } from '../../image/image.ts'
import { type BlockLayout, blockOffset } from '../../image/vdi/block_table.ts'
import { type FoldJob, imageOf } from './fold_job.ts'

/** Bytes of a run that come from one place, or are zeros. */
export interface RunPart {
  /** First byte, from the start of the run. */
  readonly at: number
  readonly length: number
  /** Undefined for zeros. */
  readonly image: OpenImage | undefined
  /** File offset in `image`. */
  readonly position: number
}

/** Bytes that lie together in the file that is written, and where they come from, in their order. */
export interface FoldRun {
  /** File offset of the first byte. */
  readonly to: number
  readonly length: number
  readonly parts: readonly RunPart[]
}

interface OpenRun {
  to: number
  length: number
  parts: RunPart[]
}

/**
 * Yields what the plan of a job writes into blocks, in runs of at most `maxBytes`. Neighbouring bytes are
 * joined, on both sides, so that a chain which was written in one go is copied in large reads and writes.
 *
 * @param layout Where blocks lie in the file that is written.
 */
export function* foldRuns(job: FoldJob, layout: BlockLayout, maxBytes: number): Generator<FoldRun> {
  let run: OpenRun = { to: 0, length: 0, parts: [] }
  for (const block of job.plan.writes) {
    const start = blockOffset(layout, job.plan.table[block] ?? 0)
    for (const piece of job.plan.pieces(block)) {
      for (const part of split(piece, maxBytes)) {
        const to = start + part.offset
        if (to !== run.to + run.length || run.length + part.length > maxBytes) {
          if (run.length > 0) yield run
          run = { to, length: 0, parts: [] }
        }
        append(run, job, part)
      }
    }
  }
  if (run.length > 0) yield run
}

/** Yields the parts of a run from byte `from` up to `to`, cut where they reach over that. */
export function* partsWithin({ parts }: FoldRun, from: number, to: number): Generator<RunPart> {
  for (const part of parts) {
    const at = Math.max(from, part.at)
    const length = Math.min(to, part.at + part.length) - at
    if (length > 0) yield { at, length, image: part.image, position: part.position + at - part.at }
  }
}

function* split(piece: Piece, maxBytes: number): Generator<Piece> {
  for (let done = 0; done < piece.length; done += maxBytes) {
    const length = Math.min(maxBytes, piece.length - done)
    const source = piece.source === 'zero' ? 'zero' : { ...piece.source, offset: piece.source.offset + done }
    yield { offset: piece.offset + done, length, source }
  }
}

function append(run: OpenRun, job: FoldJob, { length, source }: Piece): void {
  const image = source === 'zero' ? undefined : imageOf(job, source.image)
  const position =
    source === 'zero' || image === undefined ? 0 : blockOffset(image.header, source.slot) + source.offset
  const last = run.parts.at(-1)
  if (last !== undefined && continues(last, image, position)) {
    run.parts[run.parts.length - 1] = { ...last, length: last.length + length }
  } else {
    run.parts.push({ at: run.length, length, image, position })
  }
  run.length += length
}

function continues(last: RunPart, image: OpenImage | undefined, position: number): boolean {
  return last.image === image && (image === undefined || last.position + last.length === position)
}
