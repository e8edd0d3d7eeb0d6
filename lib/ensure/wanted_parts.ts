import type { BaseSnapshotOptions, CompactOptions, MergeOptions } from './options.ts'
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

/**
 * What options of compaction want, with their defaults filled in.
 *
 * @param options As the caller gave them: what was asked for is refused where it cannot be done, a default gives way.
 */
export function wantedCompaction(
  options: Pick<CompactOptions, 'minReclaim' | 'freeSpace'>,
): WantedCompaction {
  const { minReclaim } = options
  const freeSpace = options.freeSpace ?? 'if_possible'
  if (minReclaim === undefined) return { freeSpace, minReclaim: 'one_block' }
  if (typeof minReclaim === 'number') return { freeSpace, minReclaim: { bytes: minReclaim } }
  return { freeSpace, minReclaim: { share: Number.parseFloat(minReclaim) / 100 } }
}

/** What options of the base snapshot want, with their defaults filled in. */
export function wantedSnapshot({
  snapshotName,
  snapshotDescription,
}: Required<Pick<BaseSnapshotOptions, 'snapshotName' | 'snapshotDescription'>>): WantedSnapshot {
  return { name: snapshotName, description: snapshotDescription }
}
