import { basename } from 'node:path'
import type { CloneStep, FoldSummary, SnapshotRef, Step } from '../../ensure/result.ts'
import { escapeName, formatBytes, formatCount, quote } from './text.ts'

/**
 * How a step is told: as what was `done`; as what a plan holds, in a sentence (`planned`), as a point of a list (`plan`),
 * or as such without all names (`brief`).
 */
export type Tense = 'done' | 'planned' | 'plan' | 'brief'

const NAMES_IN_A_LINE = 4

const LOST: Readonly<Record<Tense, string>> = {
  done: 'what was not in it is gone',
  planned: 'what is not in it would be lost',
  plan: 'what is not in it is lost',
  brief: 'what is not in it is lost',
}

/** Tells a step in a line or more, without indentation. `planned` and `plan` name every snapshot. */
export function describeStep(step: Step, tense: Tense): string[] {
  const say = (done: string, planned: string): string => {
    if (tense === 'done') return done
    return tense === 'planned' ? `would ${planned}` : planned
  }
  switch (step.kind) {
    case 'recover':
      return [`${say('finished', 'finish')} what an interrupted run had begun: ${escapeName(step.reason)}`]
    case 'restore': {
      const lost = LOST[tense]
      return [`${say('went', 'go')} back to the snapshot ${quote(step.snapshot.name)}; ${lost}`]
    }
    case 'discard':
      if (step.what === 'saved_state') return [say('discarded the saved state', 'discard the saved state')]
      return withNames(
        `${say('deleted', 'delete')} ${formatCount(step.snapshots.length, 'snapshot')} of other branches with their data`,
        step.snapshots,
        tense,
      )
    case 'merge':
      return withNames(
        `${say('merged', 'merge')} ${mergeSummary(step.snapshots, step.disks)}`,
        step.snapshots,
        tense,
      )
    case 'compact':
      return step.images.map(
        image =>
          `${say('compacted', 'compact')} ${fileName(image.path)}, ` +
          `${tense === 'done' ? '' : 'giving '}${formatBytes(image.reclaimBytes)}${tense === 'done' ? ' given' : ''} back`,
      )
    case 'snapshot':
      return [`${say('took', 'take')} the snapshot ${quote(step.name)}`]
    case 'clone':
      return describeClone(step, say)
    case 'undo':
      return [
        `${say('went', 'go')} back to the state of ${escapeName(step.madeAt)}; ` +
          `${formatCount(step.files, 'file')} from ${escapeName(step.backup)}`,
      ]
  }
}

function describeClone(step: CloneStep, say: (done: string, planned: string) => string): string[] {
  const what = `the clone ${quote(step.name)}`
  const place = escapeName(step.settingsFile)
  if (step.action === 'finish') return [`${say('finished', 'finish')} ${what}: ${place}`]
  const of = step.snapshot === null ? 'the current state' : `the snapshot ${quote(step.snapshot.name)}`
  const verb = step.action === 'create' ? say('wrote', 'write') : say('replaced', 'replace')
  return [
    `${verb} ${what} with ${of}: ${place}`,
    ...step.disks.map(disk => `  ${fileName(disk.path)}, ${formatBytes(disk.bytes)}`),
  ]
}

function mergeSummary(snapshots: readonly SnapshotRef[], disks: readonly FoldSummary[]): string {
  const images = disks.reduce((sum, disk) => sum + disk.folded.length, 0)
  const what = snapshots.length > 0 ? formatCount(snapshots.length, 'snapshot') : formatCount(images, 'image')
  return disks.length === 0 ? what : `${what} into ${disks.map(disk => fileName(disk.path)).join(', ')}`
}

function withNames(line: string, snapshots: readonly SnapshotRef[], tense: Tense): string[] {
  const names = snapshots.map(snapshot => quote(snapshot.name))
  if (names.length === 0) return [line]
  if (tense === 'planned' || tense === 'plan') return [`${line}:`, ...names.map(name => `  ${name}`)]
  const rest = names.length - NAMES_IN_A_LINE
  const shown = rest > 0 ? [...names.slice(0, NAMES_IN_A_LINE), `and ${rest} more`] : names
  return [`${line} (${shown.join(', ')})`]
}

function fileName(path: string): string {
  return escapeName(basename(path))
}
