import { parseOptions } from '../options/parse_options.ts'
import { ensureWanted } from './ensure_wanted.ts'
import type { CompactOptions } from './options.ts'
import type { EnsureResult } from './result.ts'
import { wantedCompaction } from './wanted_parts.ts'

/**
 * Drops blocks that no one needs from the base images of a machine's normal disks.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { before, after } = await ensureCompacted('web', { freeSpace: 'keep' })
 * ```
 */
export async function ensureCompacted(machine: string, options: CompactOptions = {}): Promise<EnsureResult> {
  const checked = parseOptions('compact', options)
  const { discardSavedState } = checked
  const compacted = wantedCompaction(options)
  const wanted = { merged: undefined, compacted, baseSnapshot: undefined, discardSavedState }
  return await ensureWanted(machine, wanted, checked)
}
