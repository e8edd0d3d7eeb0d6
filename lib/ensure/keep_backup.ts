import { resolve } from 'node:path'
import { type MadeBackup, makeBackup, removeBackup } from '../backup/make_backup.ts'
import { recordOf, writeState } from '../backup/run_record.ts'
import { type FileAtStake, filesAtStake } from '../engine/files_at_stake.ts'
import { VboxmergeError } from '../errors.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { isOwnStateFile } from '../machine/own_files.ts'
import type { EnsureHost } from './host.ts'
import { summarize } from './plan.ts'
import type { PreparedRun } from './prepare.ts'
import type { Progress } from './progress.ts'
import type { EngineName, Warning } from './result.ts'
import type { Session } from './session.ts'

/** What keeping a backup needs beside the machine. */
export interface BackupContext {
  readonly host: EnsureHost
  readonly session: Session
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Keeps what a run is going to write, move or delete. The machine is locked.
 *
 * @param folder As the user named it.
 * @throws {VboxmergeError} `unsupported`, `no_space`, `machine_locked`; the signal's reason.
 */
export async function keepBackup(
  { host, session, onProgress, signal }: BackupContext,
  { machine, choice, plan, measured }: PreparedRun,
  folder: string,
): Promise<MadeBackup> {
  const { inspection } = machine
  const atStake = filesAtStake({ machine, plan, measured }, choice.name)
  const keep = await keepable(host, inspection, atStake, choice.name)
  return await makeBackup({
    files: host.files,
    machine: inspection,
    before: summarize(inspection),
    keep,
    folder: resolve(host.cwd(), folder),
    vboxUserHome: session.vboxUserHome,
    now: host.now(),
    signal,
    onProgress: (done, total) =>
      onProgress({ phase: 'backup', subject: inspection.settings.name, done, total, unit: 'bytes' }),
  })
}

/**
 * Leaves out saved states and EFI variables outside of the machine's folders: our engine leaves them alone, and going back
 * would not write there. VirtualBox deletes them with their snapshots.
 */
async function keepable(
  { files }: EnsureHost,
  { settings }: Inspection,
  atStake: readonly FileAtStake[],
  engine: EngineName,
): Promise<FileAtStake[]> {
  const kept: FileAtStake[] = []
  for (const file of atStake) {
    const { kind, path } = file
    if (kind === 'image' || (await isOwnStateFile(files, settings, path, kind))) {
      kept.push(file)
    } else if (engine === 'virtualbox') {
      const what = kind === 'saved_state' ? 'a saved state' : 'EFI variables'
      throw new VboxmergeError(
        'unsupported',
        `Cannot make a backup of ${JSON.stringify(settings.name)}: it has ${what} outside of its folders, ` +
          `${JSON.stringify(path)}, which VirtualBox may delete and which would not be put back there; choose ` +
          'engine=direct, which leaves it alone, or do without the backup',
      )
    }
  }
  return kept
}

/**
 * Checks that a machine is still as it was when it was backed up.
 *
 * @throws {VboxmergeError} `machine_locked`.
 */
export function checkAsKept(kept: Inspection, present: Inspection): void {
  const isSame =
    kept.images.size === present.images.size &&
    [...kept.images].every(([id, image]) => {
      const now = present.images.get(id)
      return (
        now?.medium.path === image.medium.path &&
        now.mtimeNs === image.mtimeNs &&
        now.fileSize === image.fileSize
      )
    })
  if (isSame) return
  throw new VboxmergeError(
    'machine_locked',
    `Cannot change ${JSON.stringify(kept.settings.name)}: it changed after its backup was made; shut it down and ` +
      'run the same command again',
  )
}

/** Notes beside a backup how the run left the machine, so that going back can tell whether it was used since. */
export async function noteOutcome(
  { host, session }: Pick<BackupContext, 'host' | 'session'>,
  folder: string,
): Promise<Warning[]> {
  try {
    const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
    await writeState(host.files, folder, 'outcome', recordOf(inspection))
    return []
  } catch (error) {
    // The work is done, and a machine that cannot be read now is one to go back from, too.
    const why = error instanceof Error ? error.message : String(error)
    const message = `Not noted in the backup: how the run left the machine (${why}); to go back needs discardChanges`
    return [{ code: 'outcome_not_noted', message }]
  }
}

/**
 * Returns the failure of a run with the backup named in it, or removes the backup when the machine is as it was.
 */
export async function failureWithBackup(
  context: Pick<BackupContext, 'host' | 'session'>,
  { machine }: PreparedRun,
  folder: string,
  error: unknown,
): Promise<unknown> {
  if (await isAsKept(context, machine.inspection)) {
    await removeBackup(context.host.files, folder).catch(() => undefined)
    return error
  }
  await noteOutcome(context, folder)
  if (!(error instanceof VboxmergeError)) return error
  const { code, message, stepsDone, stepsLeft, changed } = error
  return new VboxmergeError(
    code,
    `${message}\nThe state before the run is kept in ${JSON.stringify(folder)}; to go back: ` +
      `vboxmerge undo ${JSON.stringify(folder)}`,
    {
      cause: error.cause ?? error,
      changed,
      ...(stepsDone === undefined ? {} : { stepsDone }),
      ...(stepsLeft === undefined ? {} : { stepsLeft }),
    },
  )
}

async function isAsKept(
  { host, session }: Pick<BackupContext, 'host' | 'session'>,
  kept: Inspection,
): Promise<boolean> {
  try {
    const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
    checkAsKept(kept, inspection)
    return inspection.settingsHash === kept.settingsHash && inspection.interrupted === undefined
  } catch {
    // A machine that cannot be read now is one to go back from.
    return false
  }
}
