import { VboxmergeError } from '../errors.ts'
import type { BaseSnapshotOptions, CompactOptions, MergeOptions } from './options.ts'
import type { Warning } from './result.ts'
import type { WantedCompaction, WantedMerge, WantedSnapshot } from './wanted.ts'

/** What options of merging want, with their defaults filled in. */
export function wantedMerge(
  options: Required<Pick<MergeOptions, 'skip' | 'discardCurrentState' | 'branches' | 'baseSnapshot'>> &
    Pick<MergeOptions, 'count' | 'from'>,
): WantedMerge {
  const { skip, discardCurrentState, branches, baseSnapshot, from } = options
  return {
    skip,
    count: options.count ?? Number.POSITIVE_INFINITY,
    discardCurrentState,
    branches,
    baseSnapshot,
    from,
  }
}

/** What options of compaction want. */
export function wantedCompaction({ minReclaim }: Pick<CompactOptions, 'minReclaim'>): WantedCompaction {
  if (minReclaim === undefined) return { minReclaim: 'one_block' }
  if (typeof minReclaim === 'number') return { minReclaim: { bytes: minReclaim } }
  return { minReclaim: { share: Number.parseFloat(minReclaim) / 100 } }
}

/** What options of the base snapshot want, with their defaults filled in. */
export function wantedSnapshot({
  snapshotName,
  snapshotDescription,
}: Required<Pick<BaseSnapshotOptions, 'snapshotName' | 'snapshotDescription'>>): WantedSnapshot {
  return { name: snapshotName, description: snapshotDescription }
}

/**
 * Says what becomes of the guest's free space.
 *
 * @param given The options as the caller gave them, without defaults.
 * @throws {VboxmergeError} `unsupported` when the caller asks for what no engine of this version does.
 */
export function freeSpaceWarnings(given: Pick<CompactOptions, 'freeSpace'>): Warning[] {
  if (given.freeSpace === 'keep') return []
  if (given.freeSpace === 'discard') {
    throw new VboxmergeError(
      'unsupported',
      'Cannot discard free space: this version does not look into the file systems of guests; choose ' +
        'freeSpace=keep, which drops blocks of zeros, after zeroing free space in the guest (zerofree, sdelete -z)',
    )
  }
  return [
    {
      code: 'free_space_not_examined',
      message:
        'Only blocks of zeros are dropped: this version does not look into the file systems of guests; ' +
        'freeSpace=keep says that this is meant',
    },
  ]
}
