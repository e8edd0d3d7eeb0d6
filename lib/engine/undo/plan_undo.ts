import { join } from 'node:path'
import type { FoundBackup } from '../../backup/find_backup.ts'
import { type KeptFile, unusable } from '../../backup/manifest.ts'
import {
  isAsRecorded,
  readState,
  readUndoing,
  type StateRecord,
  type UndoRecord,
} from '../../backup/run_record.ts'
import type { Files } from '../../io/files.ts'
import type { InspectedMachine } from '../../machine/inspect.ts'
import type { Inspection } from '../../machine/inspection.ts'
import type { MachineSettings } from '../../machine/machine.ts'
import { readSettings } from '../../machine/read_settings.ts'
import { MAX_SETTINGS_BYTES, parseSettings } from '../../machine/settings_document.ts'
import { hashOf } from '../../machine/settings_hash.ts'
import { checkKept, isUntouched } from './check_files.ts'

/** What going back to a backup comes to. */
export interface UndoPlan {
  readonly backup: FoundBackup
  /** The settings in the backup. */
  readonly settingsFile: KeptFile
  readonly settingsBytes: Uint8Array
  readonly kept: MachineSettings
  /** Files beside the settings that the machine has no more as they were. */
  readonly restore: readonly KeptFile[]
  /** How the run left the machine; undefined when it did not come to an end. */
  readonly outcome: StateRecord | undefined
  readonly undoing: UndoRecord
  /** Why the machine is not as the run left it; undefined when it is. */
  readonly changed: string | undefined
  /** True when the machine is as the backup says. */
  readonly isDone: boolean
}

/**
 * Checks a backup against its manifest and against the machine, and says what has to be brought back. Writes nothing.
 *
 * @throws {VboxmergeError} `unsupported` for a backup of another machine, a damaged one, and one that would have us
 * write where nothing of the machine is; the signal's reason.
 */
export async function planUndo(
  files: Files,
  backup: FoundBackup,
  { inspection }: InspectedMachine,
  signal: AbortSignal | undefined,
): Promise<UndoPlan> {
  const { folder, manifest } = backup
  const { settings: present } = inspection
  if (present.id !== manifest.machine.id) {
    throw unusable(
      folder,
      `the machine ${JSON.stringify(present.name)} {${present.id}} is there now, and it is one of ` +
        `${JSON.stringify(manifest.machine.name)} {${manifest.machine.id}}`,
    )
  }
  const [settingsFile, ...twins] = manifest.files.filter(({ kind }) => kind === 'settings')
  if (settingsFile === undefined || twins.length > 0)
    throw unusable(folder, 'its manifest names no settings, or several')
  const settingsBytes = await readKeptSettings(files, backup, settingsFile)
  const kept = readSettings(parseSettings(settingsBytes, present.file))
  if (kept.id !== present.id) throw unusable(folder, 'its settings are those of another machine')
  const restore: KeptFile[] = []
  const context = { files, folder, present, kept, signal }
  for (const file of manifest.files) {
    signal?.throwIfAborted()
    if (file.kind === 'settings') continue
    await checkKept(context, file)
    if (!(await isUntouched(files, file, signal))) restore.push(file)
  }
  const outcome = await readState(files, folder, 'outcome')
  const undone = await readState(files, folder, 'undone')
  const undoing = await readUndoing(files, folder)
  const isUndone = undone !== undefined && isAsRecorded(undone, inspection)
  const isUnchanged = restore.length === 0 && inspection.settingsHash === hashOf(settingsBytes)
  const belongsIn = manifest.registered && !inspection.registration.registered
  const plan = { backup, settingsFile, settingsBytes, kept, restore, outcome, undoing }
  return {
    ...plan,
    isDone: (isUndone || isUnchanged) && !belongsIn && inspection.interrupted === undefined,
    changed: await whyChanged(files, plan, inspection),
  }
}

async function readKeptSettings(
  files: Files,
  { folder, manifest }: FoundBackup,
  file: KeptFile,
): Promise<Uint8Array> {
  const path = join(folder, file.name)
  if (file.path !== manifest.machine.settingsFile)
    throw unusable(folder, 'its manifest contradicts itself about the settings')
  const stat = await files.stat(path)
  if (stat?.kind !== 'file' || stat.size > MAX_SETTINGS_BYTES)
    throw unusable(folder, `its file ${JSON.stringify(file.name)} is missing`)
  const bytes = await files.readFile(path, MAX_SETTINGS_BYTES)
  if (hashOf(bytes) === file.sha256) return bytes
  throw unusable(folder, `its file ${JSON.stringify(file.name)} has been changed since it was made`)
}

type Known = Pick<UndoPlan, 'backup' | 'settingsBytes' | 'outcome' | 'undoing'>

/** What was done to the machine since the run would be lost. */
async function whyChanged(files: Files, plan: Known, machine: Inspection): Promise<string | undefined> {
  const { outcome, undoing, settingsBytes } = plan
  if (undoing.hashes.includes(machine.settingsHash)) return undefined
  if (outcome !== undefined) {
    if (isAsRecorded(outcome, machine)) return undefined
    return machine.settingsHash === outcome.settingsHash
      ? 'its images were written to since the run'
      : 'it was started, given a snapshot or set up differently since the run'
  }
  const reached = machine.settingsHash === hashOf(settingsBytes) ? 'nothing' : machine.interrupted?.reached
  const isKnown = reached === 'nothing' || reached === 'first_commit'
  if (isKnown && (await isCurrentStateUntouched(files, plan, machine))) return undefined
  return 'the run did not come to its end, so that it cannot be told whether the machine was used since'
}

/** Whether no guest wrote into the images of the current state: they are the kept ones, or empty. */
async function isCurrentStateUntouched(
  files: Files,
  { backup }: Known,
  { settings, emptyLeaves }: Inspection,
): Promise<boolean> {
  for (const { image } of settings.currentState.attachments) {
    if (emptyLeaves.has(image)) continue
    const file = backup.manifest.files.find(({ id }) => id === image)
    if (file === undefined || !(await isUntouched(files, file))) return false
  }
  return true
}
