import type { UndoOptions } from './options.ts'
import type { EnsureResult } from './result.ts'
import { undo } from './undo.ts'

/**
 * Puts a machine back as it was before a run that kept a backup of it.
 *
 * @param folder The folder of the backup, or one that holds a single backup.
 * @throws {VboxmergeError} `machine_not_found`, `machine_ambiguous`, `unsupported`, `machine_not_off`,
 * `machine_locked`, `no_space`, `verify_failed`, `engine_failed`; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { backup } = await ensureMerged('web', { backup: '/srv/backups' })
 * if (backup !== undefined) await undoRun(backup)
 * ```
 */
export async function undoRun(folder: string, options: UndoOptions = {}): Promise<EnsureResult> {
  return await undo(folder, options)
}
