import type { MeasuredDisk } from '../engine/measure_clone.ts'
import type { PreparedRun } from './prepare.ts'
import type { Progress } from './progress.ts'

/** A part of a run that tells its own progress. */
export interface Piece {
  /** Tells whether a moment belongs to it. */
  readonly covers: (progress: Progress) => boolean
  /** How much of the run it is, in any unit. */
  readonly weight: number
}

/** A rate says nothing before so many milliseconds. */
const SETTLED_MS = 2000

/** The pieces of a run as its engine will tell of them. */
export function piecesOf({ choice, plan, measured }: PreparedRun): Piece[] {
  if (choice.name === 'virtualbox') {
    return plan.steps.map(({ kind, forecast }) => ({
      covers: ({ phase }) => phase === kind,
      weight: 1 + forecast.readBytes + forecast.writtenBytes,
    }))
  }
  return measured.folds.map(({ images, paths }) => {
    const figures = plan.figures.folds.find(fold => fold.images[0] === images[0])
    return { covers: ({ subject }) => subject === paths.range[0], weight: figures?.final.writtenBytes ?? 0 }
  })
}

/** The pieces of a clone, whose images are written in their order. */
export function cloneDiskPieces(disks: readonly MeasuredDisk[]): Piece[] {
  return disks.map(({ disk, writtenBytes }) => ({
    covers: ({ phase, subject }) => phase === 'clone' && subject === disk.name,
    weight: writtenBytes,
  }))
}

/**
 * Returns what adds to each moment of a run's pieces how far the whole run is. Moments of nothing that is in `pieces`
 * stay as they are.
 *
 * @param now Tells milliseconds of a clock that never goes back.
 */
export function addOverall(pieces: readonly Piece[], now: () => number): (progress: Progress) => Progress {
  const total = pieces.reduce((sum, { weight }) => sum + weight, 0)
  const begun = now()
  return progress => {
    const at = pieces.findIndex(({ covers }) => covers(progress))
    const piece = pieces[at]
    if (piece === undefined || total === 0) return progress
    const before = pieces.slice(0, at).reduce((sum, { weight }) => sum + weight, 0)
    const inside = progress.total > 0 ? Math.min(1, progress.done / progress.total) : 1
    const share = (before + inside * piece.weight) / total
    const elapsed = now() - begun
    const isSettled = elapsed >= SETTLED_MS && share > 0
    const secondsLeft = isSettled ? Math.ceil((elapsed * (1 - share)) / share / 1000) : null
    return { ...progress, overall: { piece: at + 1, pieces: pieces.length, share, secondsLeft } }
  }
}
