import { EXIT_STATUS, VboxmergeError } from '../../errors.ts'
import { isStop, stopped } from '../../failure_state.ts'
import { removeIfThere, replaceFile, temporaryOf } from '../../io/durable_file.ts'
import { isFull } from '../../io/errno.ts'
import type { Files } from '../../io/files.ts'
import type { Journal } from '../../machine/journal.ts'
import type { MachineSettings, Uuid } from '../../machine/machine.ts'
import { indexMedia } from '../../machine/media_graph.ts'
import { MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import { readSettings } from '../../machine/read_settings.ts'
import { parseSettings } from '../../machine/settings_document.ts'
import { printable } from '../../virtualbox/printable.ts'
import type { Prepared } from '../prepared.ts'
import { carryOutFold } from './carry_out_fold.ts'
import { deleteCreated, deletePending, deleteUnnamed } from './clean_up.ts'
import { Commits } from './commit_settings.ts'
import type { DirectRun } from './direct_run.ts'
import { removeJournal, writeJournal } from './journal_file.ts'
import { workJournal } from './journal_of_run.ts'
import { copySmallFile, createLeaves } from './new_images.ts'
import { firstSettings, secondSettings } from './next_settings.ts'
import { type PresentState, readStamps } from './read_stamps.ts'
import { withoutRegistration } from './registration_window.ts'
import { relinkChildren } from './relink.ts'
import { nameNewThings, type RunNames } from './run_names.ts'

const REFUSED = EXIT_STATUS.unsupported

/** How far a run came. */
interface RunProgress {
  /** Whether it made, or tried to make, its first commit, or finished what an older run had left. */
  begun: boolean
  /** False when files are left that it wrote before. */
  undone: boolean
}

/** What is on disk once the second commit is done. */
interface Committed {
  readonly settings: MachineSettings
  readonly journal: Journal
}

/**
 * Carries out a plan on the machine's files, in the order that keeps every view of the settings on disk right
 * at every moment: journal, first commit, images, second commit, links, clean-up.
 *
 * When it fails before the first write to settings or images, all is undone; afterwards the next run finishes.
 *
 * @throws {VboxmergeError} `machine_locked`, `image_corrupt`, `verify_failed`, `engine_failed`; the signal's
 * reason.
 */
export async function applyDirect(run: DirectRun): Promise<void> {
  const { files } = run
  const { registration, interrupted, settings } = run.prepared.machine.inspection
  const registered = registration.registered || interrupted?.registered === true
  const progress: RunProgress = { begun: false, undone: true }
  const work = async (prepared: Prepared): Promise<Committed> =>
    await workOnFiles(run, prepared, registered, progress)
  try {
    const committed = registered ? await withoutRegistration(run, work) : await work(run.prepared)
    await deleteUnnamed(files, committed.settings, committed.journal.deletes)
    await removeJournal(files, settings.file)
  } catch (error) {
    // With an older journal an interrupted run still waits to be finished.
    if (!progress.begun && progress.undone && interrupted === undefined && !isRegistrationLost(error)) {
      // The next run removes what cannot be removed now, and what failed first is what is told.
      await removeJournal(files, settings.file).catch(() => undefined)
    }
    throw explained(run, error, progress.begun)
  }
}

function isRegistrationLost(error: unknown): boolean {
  return error instanceof VboxmergeError && error.code === 'engine_failed'
}

async function workOnFiles(
  run: DirectRun,
  prepared: Prepared,
  registered: boolean,
  progress: RunProgress,
): Promise<Committed> {
  const { files, signal } = run
  const { inspection, settingsBytes, journal: old } = prepared.machine
  const { settings } = inspection
  const { tree } = prepared.plan
  signal?.throwIfAborted()
  if (old !== undefined) {
    // That is a change, whatever is in the way afterwards.
    progress.begun = true
    await finishOldRun(files, prepared, old)
  }
  const names = nameNewThings(prepared, run.now)
  const first = firstSettings(
    parseSettings(settingsBytes, settings.file),
    inspection,
    tree,
    names.leaves,
    run.now,
  )
  const second = secondSettings(first, inspection, tree, names.snapshot, new Map(), run.now)
  const commits = new Commits(files, settings.file, inspection.settingsHash, first)
  const journal = workJournal(run, prepared, names, registered, commits.hashes(second))
  await writeJournal(files, settings.file, journal)
  try {
    await createLeaves(files, settings.file, names.leaves, id => pathOf(prepared, id))
    await commits.prepareFirst()
    await commits.prepareSecond(second)
    signal?.throwIfAborted()
    for (const { paths } of prepared.measured.folds) await tryToOpen(files, paths.range[0] ?? '')
    await run.checkUnchanged(prepared)
  } catch (error) {
    progress.undone = await isUndone(files, settings, journal)
    throw error
  }
  progress.begun = true
  await commits.commitFirst()
  await restoreNvram(files, journal)
  for (const fold of prepared.measured.folds) await carryOutFold(fold, run)
  await makeSnapshotFiles(files, prepared, names)
  const stamps = await readStamps(files, prepared, presentState(prepared, names))
  const final = secondSettings(first, inspection, tree, names.snapshot, stamps, run.now)
  await writeJournal(files, settings.file, { ...journal, hashes: commits.hashes(final) })
  await commits.prepareSecond(final)
  await commits.commitSecond(final)
  const committed = readSettings(final)
  await relinkChildren(files, indexMedia([committed.media]), journal.relinks)
  await deletePending(files, settings.file)
  return { settings: committed, journal }
}

/** Finds out what an image refuses before the first commit: afterwards the snapshots are off the settings. */
async function tryToOpen(files: Files, target: string): Promise<void> {
  const file = await files.open(target, 'write')
  await file.close()
}

/** Removes what a run wrote that made no commit. Where that fails, too, its journal has to stay for the next run. */
async function isUndone(files: Files, settings: MachineSettings, journal: Journal): Promise<boolean> {
  try {
    await deletePending(files, settings.file)
    await deleteCreated(files, settings, journal.created)
    return true
  } catch {
    return false
  }
}

/** Does what an interrupted run had left to do after its commits, and removes what it left by half. */
async function finishOldRun(files: Files, { machine }: Prepared, old: Journal): Promise<void> {
  const { settings, interrupted } = machine.inspection
  await deletePending(files, settings.file)
  const reached = interrupted?.reached
  if (old.restoredNvram !== undefined) await removeIfThere(files, temporaryOf(old.restoredNvram.to))
  if (reached === 'first_commit' || reached === 'second_commit') await restoreNvram(files, old)
  await relinkChildren(files, indexMedia([settings.media]), old.relinks)
  await deleteCreated(files, settings, old.created)
  await deleteUnnamed(files, settings, old.deletes)
}

async function restoreNvram(files: Files, { restoredNvram }: Journal): Promise<void> {
  if (restoredNvram === undefined) return
  const { from, to } = restoredNvram
  if ((await files.stat(from))?.kind !== 'file') return
  const like = (await files.stat(to)) === undefined ? from : to
  await replaceFile(files, to, await files.readFile(from, MAX_NVRAM_BYTES), like)
}

async function makeSnapshotFiles(
  files: Files,
  prepared: Prepared,
  { snapshot, leaves }: RunNames,
): Promise<void> {
  if (snapshot === undefined) return
  const restored = new Map(leaves.map(leaf => [leaf.id, leaf.path]))
  const { settings, nvram } = prepared.machine.inspection
  await createLeaves(files, settings.file, snapshot.images, id => restored.get(id) ?? pathOf(prepared, id))
  if (snapshot.nvramFile !== undefined) {
    await copySmallFile(files, settings.file, nvram.path, snapshot.nvramFile)
  }
}

/** The current state that the second commit names. */
function presentState({ machine, plan }: Prepared, { leaves, snapshot }: RunNames): PresentState {
  const made = new Map([...leaves, ...(snapshot?.images ?? [])].map(({ id, path }) => [id, path]))
  const ids = [...plan.tree.currentImages, ...leaves.map(({ id }) => id)]
  const above = new Map((snapshot?.images ?? []).map(({ over, id }) => [over, id]))
  return {
    currentSnapshot: snapshot?.id ?? plan.tree.currentSnapshot?.id,
    currentImages: ids.map(id => above.get(id) ?? id),
    pathOf: id => made.get(id) ?? machine.inspection.images.get(id)?.medium.path,
  }
}

function pathOf({ machine }: Prepared, id: Uuid): string {
  const path = machine.inspection.images.get(id)?.medium.path
  if (path === undefined)
    throw new RangeError(`Cannot make an image over {${id}}: it is in no media registry`)
  return path
}

function onceChanged(error: VboxmergeError): VboxmergeError {
  return new VboxmergeError(error.code, error.message, { cause: error.cause ?? error, changed: true })
}

const WHOLE = 'every state of the machine that its settings name is whole'

/** What a run that was stopped leaves. */
const HALF_DONE = `a part of the work is done, and ${WHOLE}; run the same command again to finish`
const UNTOUCHED = 'the machine is as it was'

/** Says what state the machine is in; passes on what the user asked for or what explains itself. */
function explained(run: DirectRun, error: unknown, begun: boolean): unknown {
  // A refusal would say that nothing was changed.
  const isKept = error instanceof VboxmergeError && !(begun && EXIT_STATUS[error.code] === REFUSED)
  if (isStop(error, run.signal)) return stopped(error, begun ? HALF_DONE : UNTOUCHED, { changed: begun })
  if (isKept) return begun ? onceChanged(error) : error
  const name = JSON.stringify(run.prepared.machine.inspection.settings.name)
  const found = printable(error instanceof Error ? error.message : String(error))
  const room = isFull(error) ? 'make room there and ' : ''
  const state = begun
    ? `${WHOLE}; ${room}run the same command again to finish`
    : `the machine is as it was${isFull(error) ? '; make room there' : ''}`
  const code = isFull(error) && !begun ? 'no_space' : 'engine_failed'
  return new VboxmergeError(code, `Cannot change ${name}: ${found}; ${state}`, {
    cause: error,
    changed: begun,
  })
}
