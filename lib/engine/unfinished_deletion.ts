import type { Files } from '../io/files.ts'
import type { Uuid } from '../machine/machine.ts'
import type { Manage } from '../virtualbox/manage.ts'
import { notePath } from './virtualbox/chain_note.ts'
import { recoverMachine } from './virtualbox/recover_machine.ts'
import { recoverSettings } from './virtualbox/recover_settings.ts'

/** A machine whose snapshot was being deleted. */
export interface UnfinishedDeletion {
  readonly files: Files
  /** Absolute path of the `.vbox` file. */
  readonly settingsFile: string
  readonly machineId: Uuid
  /** Undefined for a machine that VirtualBox does not know. */
  readonly manage: Manage | undefined
  /** Seconds to wait while another session holds the machine. */
  readonly lockTimeout: number
}

/** Tells whether VirtualBox died while it deleted a snapshot for the `virtualbox` engine. */
export async function isDeletionUnfinished(files: Files, settingsFile: string): Promise<boolean> {
  return (await files.stat(notePath(settingsFile))) !== undefined
}

/**
 * Makes the settings fit the images again after VirtualBox died while it deleted a snapshot.
 *
 * @returns Absolute paths of images that were merged and are in no settings any more, but still there.
 * @throws {VboxmergeError} `journal_foreign`, `image_missing`, `chain_mismatch`, `unsupported`.
 */
export async function finishDeletion(unfinished: UnfinishedDeletion): Promise<readonly string[]> {
  const { files, settingsFile, machineId, manage, lockTimeout } = unfinished
  const report =
    manage === undefined
      ? await recoverSettings(files, settingsFile)
      : await recoverMachine({ steps: [], settingsFile, machineId, manage, files, lockTimeout })
  return report.leftovers
}
