import type { SnapshotInfo } from '../machine/info_types.ts'
import type { Step } from './result.ts'

/** Returns the snapshots that a machine will have once some steps are carried out. Pure. */
export function forecastTree(snapshots: readonly SnapshotInfo[], steps: readonly Step[]): SnapshotInfo[] {
  const known = new Map(snapshots.map(snapshot => [snapshot.id, snapshot]))
  const gone = new Set(steps.flatMap(goneBy))
  const nearest = (id: string | null): string | null => {
    let at = id
    while (at !== null && gone.has(at)) at = known.get(at)?.parent ?? null
    return at
  }
  const restored = steps.find(step => step.kind === 'restore')?.snapshot.id
  const current = nearest(restored ?? snapshots.find(snapshot => snapshot.current)?.id ?? null)
  const left = snapshots
    .filter(({ id }) => !gone.has(id))
    .map(snapshot => ({
      ...snapshot,
      parent: nearest(snapshot.parent),
      current: snapshot.id === current,
    }))
  const taken = steps.find(step => step.kind === 'snapshot')
  if (taken === undefined) return left
  const planned = { id: 'planned', name: taken.name, parent: current, timeStamp: '', current: true }
  return [...left.map(snapshot => ({ ...snapshot, current: false })), planned]
}

function goneBy(step: Step): string[] {
  return step.kind === 'merge' || step.kind === 'discard' ? step.snapshots.map(({ id }) => id) : []
}
