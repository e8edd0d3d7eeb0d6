import { dirname, join } from 'node:path'
import { randomUuid } from '../../image/uuid.ts'
import type { Inspection } from '../../machine/inspection.ts'
import type { JournalFile } from '../../machine/journal.ts'
import type { StateSettings, Uuid } from '../../machine/machine.ts'
import { chainOf, eachState, indexMedia } from '../../machine/media_graph.ts'
import type { Prepared } from '../prepared.ts'
import { FRESH_SUFFIX } from './clean_up.ts'
import type { NewImage, NewSnapshot } from './next_settings.ts'

/** The new things of a run, named before anything is written. */
export interface RunNames {
  /** Differencing images of the state that is restored. */
  readonly leaves: readonly NewImage[]
  readonly snapshot: NewSnapshot | undefined
  readonly now: Date
}

/** Names what a run is going to make. */
export function nameNewThings({ machine, plan }: Prepared, now: Date): RunNames {
  const { inspection } = machine
  const { tree } = plan
  const leaves = tree.restoredLeavesOver.map(over => newImage(inspection, over, over))
  const leafOver = new Map(leaves.map(leaf => [leaf.over, leaf.id]))
  if (tree.snapshot === undefined) return { leaves, snapshot: undefined, now }
  const nvramName = `${now.toISOString().slice(0, 19).replaceAll(':', '-')}-${nanoseconds(now)}Z.nvram`
  return {
    leaves,
    snapshot: {
      ...tree.snapshot,
      id: randomUuid(),
      images: tree.snapshotLeavesOver.map(over => newImage(inspection, leafOver.get(over) ?? over, over)),
      nvramFile: inspection.nvram.exists ? join(inspection.settings.snapshotFolder, nvramName) : undefined,
    },
    now,
  }
}

function nanoseconds(now: Date): string {
  return String(now.getUTCMilliseconds() * 1_000_000).padStart(9, '0')
}

function newImage(machine: Inspection, over: Uuid, known: Uuid): NewImage {
  const id = randomUuid()
  const media = indexMedia([machine.settings.media])
  const autoReset = chainOf(media, known)[0]?.type === 'Immutable'
  return { id, path: join(machine.settings.snapshotFolder, `{${id}}.vdi`), over, autoReset }
}

/** Every file that a run makes outside of commits. */
export function createdFiles(prepared: Prepared, names: RunNames): JournalFile[] {
  const images = [...names.leaves, ...(names.snapshot?.images ?? [])]
  const fresh = prepared.measured.folds.map(({ images: [target], paths }) => ({
    kind: 'image' as const,
    path: `${paths.range[0]}${FRESH_SUFFIX}`,
    id: target,
  }))
  const nvram = names.snapshot?.nvramFile
  return [
    ...images.map(({ id, path }) => ({ kind: 'image' as const, path, id })),
    ...fresh,
    ...(nvram === undefined ? [] : [{ kind: 'nvram' as const, path: nvram, id: undefined }]),
  ]
}

/** Every file that no settings name once the run is done. */
export function unwantedFiles({ machine, plan }: Prepared): JournalFile[] {
  const { settings, images } = machine.inspection
  const { tree } = plan
  const folded = tree.folds.flatMap(fold => fold.images.slice(1))
  const unwanted: JournalFile[] = [...folded, ...tree.deleted].map(id => ({
    kind: 'image',
    path: images.get(id)?.medium.path ?? '',
    id,
  }))
  const gone = new Set([...tree.discarded, ...tree.merged].map(snapshot => snapshot.id))
  for (const { id, state } of eachState(settings)) {
    if (id !== undefined && gone.has(id)) unwanted.push(...stateFiles(state))
  }
  const { stateFile } = settings.currentState
  if (stateFile !== undefined && (tree.discardSavedState || tree.restore !== undefined)) {
    unwanted.push({ kind: 'saved_state', path: stateFile, id: undefined })
  }
  return unwanted.filter(
    file => file.path !== '' && file.path !== settings.file && dirname(file.path) !== '.',
  )
}

function stateFiles({ stateFile, nvramFile }: StateSettings): JournalFile[] {
  return [
    ...(stateFile === undefined ? [] : [{ kind: 'saved_state' as const, path: stateFile, id: undefined }]),
    ...(nvramFile === undefined ? [] : [{ kind: 'nvram' as const, path: nvramFile, id: undefined }]),
  ]
}
