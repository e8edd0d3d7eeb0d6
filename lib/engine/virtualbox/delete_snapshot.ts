import type { SnapshotRef } from '../../ensure/result.ts'
import { type ErrorCode, VboxmergeError } from '../../errors.ts'
import type { MachineSettings, Medium, Snapshot } from '../../machine/machine.ts'
import { indexMedia } from '../../machine/media_graph.ts'
import { realClock } from '../../virtualbox/clock.ts'
import { isPassing } from '../../virtualbox/machine_state.ts'
import { printable } from '../../virtualbox/printable.ts'
import { type ChainNote, noteFor, ownImages, readNote, removeNote, writeNote } from './chain_note.ts'
import { lookAgain } from './look_again.ts'
import { planRecovery, recoveryPaths } from './plan_recovery.ts'
import { readLinks } from './read_links.ts'
import {
  callOptions,
  checkMachine,
  findSnapshot,
  loadSettings,
  type VirtualBoxRun,
} from './virtualbox_run.ts'

const POLL = 500

/**
 * Lets VirtualBox delete one snapshot, which merges its images, and checks that it is gone.
 *
 * The chain is noted beside the `.vbox` before and the note is removed when the outcome is seen to be right;
 * a note that stays is for `recoverSettings`.
 *
 * @throws {VboxmergeError} `branch_blocked` when the snapshot or an image of it has another child;
 * `engine_failed` when VirtualBox left the snapshot there, with or without saying so; the codes of the call
 */
export async function deleteSnapshot(
  run: VirtualBoxRun,
  ref: SnapshotRef,
  onPercent: (percent: number) => void,
): Promise<void> {
  run.signal?.throwIfAborted()
  await checkMachine(run, false)
  const settings = await loadSettings(run)
  const snapshot = findSnapshot(settings, ref.id)
  if (snapshot === undefined) {
    throw failed(
      'engine_failed',
      ref,
      'it is not there any more; someone changed the machine; run this again',
    )
  }
  await refuseUnfinished(run, settings)
  refuseFork(settings, snapshot)
  const pairs = imagesToMerge(settings, snapshot)
  await lookAgain(run, `delete snapshot "${printable(ref.name)}"`, pairs)
  const links = await readLinks(
    run.files,
    pairs.map(({ path }) => path),
  )
  const note = noteFor(settings, snapshot, links)
  await writeNote(run.files, run.settingsFile, note)
  let failure: Failure | undefined
  try {
    await run.manage.deleteSnapshot(run.machineId, ref, callOptions(run, onPercent))
  } catch (error) {
    failure = { error }
    await waitForRest(run)
  }
  await verify(run, ref, note, failure)
}

/** What the call threw, whatever that is. */
interface Failure {
  readonly error: unknown
}

/** The plan was made from settings that may be wrong, and the new note would take the place of the old one. */
async function refuseUnfinished(run: VirtualBoxRun, settings: MachineSettings): Promise<void> {
  const note = await readNote(run.files, run.settingsFile, run.machineId)
  if (note === undefined || (await isUntouched(run, note, settings))) return
  throw failed(
    'engine_failed',
    note.snapshot,
    'VirtualBox was interrupted while it did so, and its settings are to be put right first; run this again',
  )
}

/** A snapshot's own images with their children, parents first. */
function imagesToMerge(settings: MachineSettings, snapshot: Snapshot): Medium[] {
  const media = indexMedia([settings.media])
  return ownImages(settings, snapshot).flatMap(id => {
    const medium = media.get(id)
    return medium === undefined ? [] : [medium, ...medium.children]
  })
}

function refuseFork(settings: MachineSettings, snapshot: Snapshot): void {
  const names = snapshot.children.map(({ name }) => `"${printable(name)}"`)
  if (settings.currentSnapshot === snapshot.id) names.push('the current state')
  if (names.length > 1)
    throw failed('branch_blocked', snapshot, `it has ${names.length} children: ${names.join(', ')}`)
  const media = indexMedia([settings.media])
  for (const id of ownImages(settings, snapshot)) {
    const { path, children } = media.get(id) ?? { path: '', children: [] }
    if (children.length < 2) continue
    const paths = children.map(child => `"${printable(child.path)}"`).join(', ')
    const found = `its image "${printable(path)}" has more than one child: ${paths}`
    throw failed('branch_blocked', snapshot, `${found}; remove what does not belong to the machine first`)
  }
}

/** VirtualBox goes on with a deletion when VBoxManage is killed; what it does is known when it has ended. */
async function waitForRest(run: VirtualBoxRun): Promise<void> {
  const clock = run.clock ?? realClock
  try {
    while (isPassing(await run.manage.machineState(run.machineId))) await clock.sleep(POLL, run.signal)
  } catch (error) {
    // Whether it can be asked or not: the settings file is looked at next, and it decides.
    if (!(error instanceof VboxmergeError)) throw error
  }
}

async function verify(
  run: VirtualBoxRun,
  ref: SnapshotRef,
  note: ChainNote,
  failure: Failure | undefined,
): Promise<void> {
  let settings: MachineSettings
  try {
    settings = await loadSettings(run)
  } catch (error) {
    throw failure === undefined ? error : failure.error
  }
  const left = findSnapshot(settings, ref.id)
  if (left === undefined) {
    await removeNote(run.files, run.settingsFile)
    return
  }
  if (await isUntouched(run, note, settings)) await removeNote(run.files, run.settingsFile)
  if (failure !== undefined) throw failure.error
  refuseFork(settings, left)
  throw failed('engine_failed', ref, 'VirtualBox reports success, but the snapshot is still there')
}

/** Whether what is on disk still is what the settings say, so that the note is of no use. */
async function isUntouched(run: VirtualBoxRun, note: ChainNote, settings: MachineSettings): Promise<boolean> {
  const links = await readLinks(run.files, recoveryPaths(note, settings))
  try {
    return planRecovery(note, settings, links).outcomes.length === 0
  } catch (error) {
    if (error instanceof VboxmergeError) return false
    throw error
  }
}

function failed(code: ErrorCode, { name }: SnapshotRef, found: string): VboxmergeError {
  return new VboxmergeError(code, `Cannot delete snapshot "${printable(name)}": ${found}`)
}
