import type { Files } from '../io/files.ts'
import { removeStatus, writeStatus } from '../machine/run_status.ts'
import type { Progress } from './progress.ts'
import type { Wanted } from './wanted.ts'

/** A run that is over sooner needs to tell nobody how far it is. */
const FIRST_MS = 1000
const INTERVAL_MS = 1000

/** Where a run tells how far it is. */
export interface StatusPlace {
  readonly files: Files
  /** Absolute path of the `.vbox` file. */
  readonly settingsFile: string
  /** That of the lock which the run holds. */
  readonly token: string
}

/** Tells others how far a run is. */
export interface StatusReporter {
  readonly show: (progress: Progress) => void
  /** Takes back what was told. */
  readonly end: () => Promise<void>
}

/**
 * Returns what writes a run's progress beside its machine, now and then, as well as it goes: whatever happens to that
 * file is no matter of the run's.
 *
 * @param now Tells milliseconds of a clock that never goes back.
 */
export function reportStatus(place: StatusPlace, operation: string, now: () => number): StatusReporter {
  const { files, settingsFile, token } = place
  let last = now() + FIRST_MS - INTERVAL_MS
  let writing: Promise<void> | undefined
  let hasFailed = false
  const show = (progress: Progress): void => {
    if (hasFailed || writing !== undefined || now() - last < INTERVAL_MS) return
    last = now()
    const { overall } = progress
    const status = {
      token,
      operation,
      step: `${progress.phase} ${progress.subject}`,
      percent: overall === undefined ? null : Math.floor(100 * overall.share),
      secondsLeft: overall?.secondsLeft ?? null,
    }
    writing = writeStatus(files, settingsFile, status)
      .catch(() => {
        hasFailed = true
      })
      .finally(() => {
        writing = undefined
      })
  }
  const end = async (): Promise<void> => {
    await writing
    hasFailed = true
    await removeStatus(files, settingsFile)
  }
  return { show, end }
}

/** Names what is wanted, as the plans of a machine are named. */
export function operationOf({ merged, compacted, baseSnapshot }: Wanted): string {
  const parts = [
    ...(merged === undefined ? [] : ['merged']),
    ...(compacted === undefined ? [] : ['compacted']),
    ...(baseSnapshot === undefined ? [] : ['base_snapshot']),
  ]
  return parts.length === 3 ? 'golden_image' : parts.join(' ')
}
