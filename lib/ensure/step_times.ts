import type { RunTimes } from './result.ts'

/** Measures how long the steps of a plan take. */
export interface StepTimes {
  /** Says that the step with an index is done, and the next one begins. */
  readonly stepDone: (index: number) => void
  /** Says that all are done. */
  end(): RunTimes
}

/** Begins to measure. Steps that nobody tells of have no time of their own, unless there is only one. */
export function startTimes(steps: number, now: () => number = () => performance.now()): StepTimes {
  const begun = now()
  const known = new Map<number, number>()
  let since = begun
  return {
    stepDone: index => {
      known.set(index, secondsFrom(since, now()))
      since = now()
    },
    end: () => {
      const total = secondsFrom(begun, now())
      if (steps === 1 && known.size === 0) known.set(0, total)
      return { total, steps: Array.from({ length: steps }, (_, index) => known.get(index) ?? null) }
    },
  }
}

/** Milliseconds are what can be trusted. */
function secondsFrom(begin: number, end: number): number {
  return Math.round(end - begin) / 1000
}
