import { parseOptions } from '../options/parse_options.ts'
import { ensureWanted } from './ensure_wanted.ts'
import type { BaseSnapshotOptions } from './options.ts'
import type { EnsureResult } from './result.ts'
import { wantedSnapshot } from './wanted_parts.ts'

/**
 * Takes a snapshot that shields the base images of a machine from writes, unless there is one of that name.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * await ensureBaseSnapshot('web', { snapshotName: 'Clean' })
 * ```
 */
export async function ensureBaseSnapshot(
  machine: string,
  options: BaseSnapshotOptions = {},
): Promise<EnsureResult> {
  const checked = parseOptions('snapshot', options)
  const { discardSavedState } = checked
  const baseSnapshot = wantedSnapshot(checked)
  const wanted = { merged: undefined, compacted: undefined, baseSnapshot, discardSavedState }
  return await ensureWanted(machine, wanted, checked)
}
