import type { EnsureHost } from './host.ts'
import { addOverall, type Piece } from './overall_progress.ts'
import type { Progress } from './progress.ts'
import { reportStatus } from './status_reporter.ts'

/** A run whose progress is told. */
export interface ToldRun {
  /** Absolute path of the `.vbox` file whose lock the run holds. */
  readonly settingsFile: string
  /** That of the lock. */
  readonly token: string
  /** What is done, as the plans of a machine are named. */
  readonly operation: string
  readonly pieces: readonly Piece[]
  /** The caller's. */
  readonly onProgress: (progress: Progress) => void
}

/** Tells how far a run is. */
export interface Teller {
  readonly onProgress: (progress: Progress) => void
  /** Takes back what was told to others. */
  readonly end: () => Promise<void>
}

/** Tells the caller and others how far a run is, its pieces and the whole. */
export function tellProgress({ statusFiles: files, ticks }: EnsureHost, run: ToldRun): Teller {
  const now = ticks ?? (() => performance.now())
  const withOverall = addOverall(run.pieces, now)
  const status = files === undefined ? undefined : reportStatus({ files, ...run }, run.operation, now)
  return {
    onProgress: moment => {
      const progress = withOverall(moment)
      status?.show(progress)
      run.onProgress(progress)
    },
    end: async () => await status?.end(),
  }
}
