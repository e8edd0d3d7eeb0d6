import { recordOf, removeUndoing, writeState } from '../../backup/run_record.ts'
import { EXIT_STATUS, VboxmergeError } from '../../errors.ts'
import { failureAfterChange, isStop, stopped } from '../../failure_state.ts'
import { removeIfThere, replaceFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { awayNotePath, encodeAwayNote } from '../../machine/away_note.ts'
import { type InspectedMachine, inspect } from '../../machine/inspect.ts'
import type { Uuid } from '../../machine/machine.ts'
import { eachMedium } from '../../machine/media_graph.ts'
import type { Manage } from '../../virtualbox/manage.ts'
import { printable } from '../../virtualbox/printable.ts'
import { forgetImages } from '../direct/forget_images.ts'
import { bringBack } from './bring_back.ts'
import type { UndoPlan } from './plan_undo.ts'

/** Going back to a backup. The caller holds the machine's lock and has seen that nobody uses it. */
export interface UndoRun {
  readonly files: Files
  readonly plan: UndoPlan
  readonly present: InspectedMachine
  /** Undefined where VirtualBox neither knows the machine nor is to know it. */
  readonly manage: Manage | undefined
  readonly vboxUserHome: string
  /** Seconds to wait while another session holds the machine. */
  readonly lockTimeout: number
  readonly signal: AbortSignal | undefined
  /** Is told of bytes as they are done. */
  readonly onBytes: (bytes: number) => void
}

/**
 * Takes a machine out of VirtualBox, brings back what a backup holds, looks at the machine again, and registers it
 * where it belongs in, also after a failure.
 *
 * @throws {VboxmergeError} `machine_locked`, `no_space`, `verify_failed`, `engine_failed`; the signal's reason.
 */
export async function applyUndo(run: UndoRun): Promise<void> {
  const { files, plan, present, manage, vboxUserHome } = run
  const { settings, registration } = present.inspection
  const isRegistered = registration.registered
  const belongsIn = isRegistered || plan.backup.manifest.registered
  const note = awayNotePath(vboxUserHome, settings.id)
  const progress = { begun: false }
  if (manage !== undefined && isRegistered) {
    await replaceFile(files, note, encodeAwayNote(settings.id, settings.file), undefined)
    try {
      await manage.unregister(settings.id, callOptions(run))
    } catch (error) {
      await removeIfThere(files, note)
      throw error
    }
  }
  try {
    await forget(run)
    await work(run, progress)
  } catch (error) {
    if (manage !== undefined && isRegistered) {
      await registerAfterFailure(run, manage, note, error).catch((cause: unknown) => {
        throw explained(run, cause, progress.begun)
      })
    }
    throw explained(run, error, progress.begun)
  }
  try {
    await forget(run)
    if (manage !== undefined && belongsIn) await manage.register(settings.file)
    await removeIfThere(files, note)
    const { inspection } = await inspect(files, settings.file, vboxUserHome)
    await writeState(files, plan.backup.folder, 'undone', recordOf(inspection))
    await removeUndoing(files, plan.backup.folder)
  } catch (error) {
    throw failureAfterChange(error, 'the files are back; run the same command again to finish', run.signal)
  }
}

async function work(run: UndoRun, progress: { begun: boolean }): Promise<void> {
  const { files, plan, signal, onBytes, vboxUserHome } = run
  const { file } = run.present.inspection.settings
  // Unregistering rewrites the settings.
  const present = await inspect(files, file, vboxUserHome)
  const onBegun = (): void => {
    progress.begun = true
  }
  await bringBack({ files, plan, present, signal, onBytes, onBegun })
  const { inspection } = await inspect(files, file, vboxUserHome)
  for (const { problem } of inspection.images.values()) {
    if (problem === undefined) continue
    throw new VboxmergeError(
      'verify_failed',
      `The backup ${JSON.stringify(plan.backup.folder)} is back in place, but not as it was: ${problem.message}`,
    )
  }
}

/** VirtualBox keeps images that no state is attached to when it lets go of a machine. */
async function forget({ files, manage, vboxUserHome, plan, present }: UndoRun): Promise<void> {
  if (manage === undefined) return
  const media = [...eachMedium(present.inspection.settings.media), ...eachMedium(plan.kept.media)]
  const images = new Set<Uuid>(media.map(({ id }) => id))
  await forgetImages({ files, manage, vboxUserHome }, images)
}

async function registerAfterFailure(
  run: UndoRun,
  manage: Manage,
  note: string,
  error: unknown,
): Promise<void> {
  const { file } = run.present.inspection.settings
  try {
    await forget(run)
    await manage.register(file)
    await removeIfThere(run.files, note)
  } catch (cause) {
    const first = error instanceof Error ? error.message : String(error)
    throw new VboxmergeError(
      'engine_failed',
      `${first}\nThe machine could not be registered with VirtualBox again either; run the same command again, ` +
        `or: VBoxManage registervm ${JSON.stringify(file)}`,
      { cause },
    )
  }
}

function callOptions({ lockTimeout, signal }: UndoRun): {
  readonly lockTimeout: number
  readonly signal?: AbortSignal
} {
  return { lockTimeout, ...(signal === undefined ? {} : { signal }) }
}

/** Says what state the machine is in; passes on what the user asked for or what explains itself. */
function explained({ plan, signal }: UndoRun, error: unknown, begun: boolean): unknown {
  const state = begun
    ? 'every state of the machine that its settings name is whole; run the same command again to finish'
    : 'the machine is as it was'
  if (isStop(error, signal)) return stopped(error, state, { changed: begun })
  const isRefusal = error instanceof VboxmergeError && EXIT_STATUS[error.code] === EXIT_STATUS.unsupported
  if (error instanceof VboxmergeError && !(begun && isRefusal))
    return begun ? failureAfterChange(error, state, signal) : error
  const { folder } = plan.backup
  const found = printable(error instanceof Error ? error.message : String(error))
  return new VboxmergeError(
    'engine_failed',
    `Cannot go back to the backup ${JSON.stringify(folder)}: ${found}; ${state}`,
    { cause: error, changed: begun },
  )
}
