import type { PrepareOptions } from '../options/operation_options.ts'
import { parseOptions } from '../options/parse_options.ts'
import { ensureWanted } from './ensure_wanted.ts'
import type { EnsureResult } from './result.ts'
import { wantedCompaction, wantedMerge, wantedSnapshot } from './wanted_parts.ts'

/**
 * Merges a machine, then compacts it and takes the base snapshot where that is asked for: the form of the
 * command line of 2010.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 */
export async function ensurePrepared(machine: string, options: PrepareOptions = {}): Promise<EnsureResult> {
  const checked = parseOptions('prepare', options)
  // The snapshot that this very call takes must count as merged, or each run would merge it and take it anew.
  const baseSnapshot = checked.snapshot ? checked.snapshotName : checked.baseSnapshot
  const wanted = {
    merged: wantedMerge({ ...checked, baseSnapshot }),
    compacted: checked.compact ? wantedCompaction(options) : undefined,
    baseSnapshot: checked.snapshot ? wantedSnapshot(checked) : undefined,
    discardSavedState: checked.discardSavedState,
  }
  return await ensureWanted(machine, wanted, checked)
}
