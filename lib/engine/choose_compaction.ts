import type { TreePlan } from '../ensure/plan_tree.ts'
import type { Warning } from '../ensure/result.ts'
import type { Compaction, WantedCompaction } from '../ensure/wanted.ts'
import { VboxmergeError } from '../errors.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { EngineChoice } from './choose.ts'
import { isKnownCompact } from './measure_folds.ts'

/** What compaction an engine does. */
export interface ChosenCompaction {
  readonly compaction: Compaction | undefined
  readonly warnings: readonly Warning[]
}

/**
 * Says what of a wanted compaction the chosen engine does: VirtualBox only drops blocks of zeros.
 *
 * @throws {VboxmergeError} `unsupported` when more was asked for than that, and an image is not known to be compact.
 */
export function chooseCompaction(
  machine: Inspection,
  tree: TreePlan,
  wanted: WantedCompaction | undefined,
  choice: EngineChoice,
): ChosenCompaction {
  if (wanted === undefined) return { compaction: undefined, warnings: [] }
  const { minReclaim, freeSpace } = wanted
  if (freeSpace === 'keep') return { compaction: { minReclaim, freeSpace }, warnings: [] }
  const discard: Compaction = { minReclaim, freeSpace: 'discard' }
  const isKnown =
    tree.folds.length === 0 && tree.compactable.every(id => isKnownCompact(machine, id, discard))
  if (choice.name === 'direct' || isKnown) return { compaction: discard, warnings: [] }
  const found = `engine "virtualbox" does not look into the file systems of guests (${choice.reason})`
  const help = 'zero free space in the guest first (zerofree, sdelete -z)'
  if (freeSpace === 'discard') {
    throw new VboxmergeError(
      'unsupported',
      `Cannot discard free space of ${JSON.stringify(machine.settings.name)}: ${found}; choose engine=direct where ` +
        `it can do the work, or freeSpace=keep, and ${help}`,
    )
  }
  const message = `Only blocks of zeros are dropped: ${found}; to gain more, ${help}`
  return {
    compaction: { minReclaim, freeSpace: 'keep' },
    warnings: [{ code: 'free_space_not_examined', message }],
  }
}
