import { parseOptions } from '../options/parse_options.ts'
import { ensureWanted } from './ensure_wanted.ts'
import type { MergeOptions } from './options.ts'
import type { EnsureResult } from './result.ts'
import { wantedMerge } from './wanted_parts.ts'

/**
 * Folds the current branch of snapshots of a machine into its base images.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { changed } = await ensureMerged('web', { branches: 'stop' })
 * ```
 */
export async function ensureMerged(machine: string, options: MergeOptions = {}): Promise<EnsureResult> {
  const checked = parseOptions('merge', options)
  const { discardSavedState } = checked
  const wanted = {
    merged: wantedMerge(checked),
    compacted: undefined,
    baseSnapshot: undefined,
    discardSavedState,
  }
  return await ensureWanted(machine, wanted, checked)
}
