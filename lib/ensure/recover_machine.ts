import type { RecoverOptions } from './options.ts'
import { recover } from './recover.ts'
import type { EnsureResult } from './result.ts'

/**
 * Finishes what an interrupted run left of a machine, planned anew from what is on disk, and nothing more. Every other
 * operation that changes machines begins with the same.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { changed } = await recoverMachine('web')
 * ```
 */
export async function recoverMachine(machine: string, options: RecoverOptions = {}): Promise<EnsureResult> {
  return await recover(machine, options)
}
