import { damaged } from './fields.ts'

/** A run of clusters. */
export interface ClusterRun {
  /** Number of the first cluster, as the format counts. */
  readonly first: number
  readonly count: number
}

/** Clusters that cannot be free, and what they hold: `$MFT`. */
export interface NamedRun extends ClusterRun {
  readonly holds: string
}

/** Is told of runs of free clusters, each behind the one before. */
export type FreeRunListener = (run: ClusterRun) => void

/**
 * Returns a listener that hands free runs on and compares each with the clusters that cannot be free: an
 * allocation map that calls its own volume's tables free is not one to trust.
 *
 * @throws A GuestProblem, from the listener, for the first run that holds such a cluster.
 */
export function withoutUsed(used: readonly NamedRun[], next: FreeRunListener): FreeRunListener {
  const waiting = used.filter(run => run.count > 0).sort((a, b) => a.first - b.first)
  let at = 0
  return free => {
    for (; at < waiting.length; at++) {
      const run = waiting[at] as NamedRun
      if (run.first >= free.first + free.count) break
      if (run.first + run.count <= free.first) continue
      throw damaged(`it calls cluster ${Math.max(run.first, free.first)} free, which holds its ${run.holds}`)
    }
    next(free)
  }
}
