import type { Relink } from '../../machine/inspection.ts'
import type { Journal, JournalFile } from '../../machine/journal.ts'
import type { StateSettings } from '../../machine/machine.ts'
import { eachState } from '../../machine/media_graph.ts'
import type { Prepared } from '../prepared.ts'
import type { DirectRun } from './direct_run.ts'
import { createdFiles, type RunNames, unwantedFiles } from './run_names.ts'

/** The journal for the time in which a machine is being taken out of VirtualBox; keeps what an older one asks for. */
export function registrationJournal(run: DirectRun, old: Journal | undefined): Journal {
  const { settings, settingsHash } = run.prepared.machine.inspection
  const { user, vboxUserHome } = run
  const hashes = { before: settingsHash, first: undefined, second: undefined }
  const empty = {
    hashes,
    relinks: [],
    created: [],
    deletes: [],
    restoredNvram: undefined,
    settles: undefined,
  }
  return { ...empty, ...old, machine: settings.id, registered: true, user, vboxUserHome }
}

/** The journal of the work itself. */
export function workJournal(
  run: DirectRun,
  prepared: Prepared,
  names: RunNames,
  registered: boolean,
  hashes: Journal['hashes'],
): Journal {
  const { inspection, journal: old } = prepared.machine
  const { user, vboxUserHome } = run
  return {
    machine: inspection.settings.id,
    registered,
    user,
    vboxUserHome,
    hashes,
    relinks: relinksOf(prepared, names),
    created: createdFiles(prepared, names),
    deletes: union(unwantedFiles(prepared), old?.deletes ?? []),
    restoredNvram: restoredNvram(prepared),
    settles: prepared.plan.tree.settles,
  }
}

function relinksOf({ plan }: Prepared, names: RunNames): Relink[] {
  return plan.tree.folds.flatMap(({ images, children }) => {
    const from = images[images.length - 1]
    const to = images[0]
    if (from === undefined || to === undefined) return []
    const leaves = names.leaves.filter(leaf => leaf.over === from).map(leaf => leaf.id)
    return [...children, ...leaves].map(child => ({ child, from, to }))
  })
}

function restoredNvram({ machine, plan }: Prepared): Journal['restoredNvram'] {
  const { restore } = plan.tree
  if (restore === undefined) return undefined
  const { settings, nvram } = machine.inspection
  let source: StateSettings | undefined
  for (const { id, state } of eachState(settings)) if (id === restore.id) source = state
  const from = source?.nvramFile
  const to = nvram.path
  return from === undefined || from === to ? undefined : { from, to }
}

function union(files: readonly JournalFile[], more: readonly JournalFile[]): JournalFile[] {
  const paths = new Set(files.map(file => file.path))
  return [...files, ...more.filter(file => !paths.has(file.path))]
}
