import * as v from 'valibot'
import type { CommonOptions, MergeOptions } from '../ensure/options.ts'
import { type Entries, entriesOf, name, option, text, wholeNumber } from './declare.ts'
import type { WithDefaults } from './operation_options.ts'

type Merging = Omit<MergeOptions, keyof CommonOptions | 'baseSnapshot'>
type BaseSnapshot = Pick<MergeOptions, 'baseSnapshot'>

/** Options that say what is to be merged. */
export const mergingEntries: Entries<Merging, WithDefaults<Merging>> = entriesOf<
  Merging,
  WithDefaults<Merging>
>()({
  skip: v.exactOptional(
    option(wholeNumber, {
      group: 'merging',
      description: 'leave the N most recent snapshots',
      wanted: 'a whole number from 0 on',
      argument: 'N',
    }),
    0,
  ),
  count: v.exactOptional(
    option(wholeNumber, {
      group: 'merging',
      description: 'merge at most N snapshots in this run',
      wanted: 'a whole number from 0 on',
      argument: 'N',
      defaultText: 'all',
    }),
  ),
  discardCurrentState: v.exactOptional(
    option(v.boolean(), {
      group: 'merging',
      description: 'go back to the current snapshot first; what changed since is lost',
      spellings: ['--discard-currentstate'],
    }),
    false,
  ),
  branches: v.exactOptional(
    option(v.picklist(['refuse', 'stop', 'discard']), {
      group: 'merging',
      description:
        'where a snapshot that is to be merged has another child: refuse changes nothing, ' +
        'stop merges down to it, discard deletes the other branches with their data',
      argument: 'HOW',
    }),
    'refuse',
  ),
  from: v.exactOptional(
    option(text, {
      group: 'merging',
      description: 'make this snapshot (name or UUID) the current state first; what is not in it is lost',
      wanted: 'the name or UUID of a snapshot',
      argument: 'SNAPSHOT',
    }),
  ),
})

const baseSnapshotMeta = {
  group: 'merging',
  description: 'a lone, unmoved snapshot of this name counts as merged; false for none',
  wanted: 'a name, or false',
  argument: 'NAME',
} as const
const baseSnapshot = v.union([v.literal(false), name])

/** The option for the snapshot that may stay. */
export const baseSnapshotEntries: Entries<BaseSnapshot, WithDefaults<BaseSnapshot>> = entriesOf<
  BaseSnapshot,
  WithDefaults<BaseSnapshot>
>()({ baseSnapshot: v.exactOptional(option(baseSnapshot, baseSnapshotMeta), 'Base') })

/** The same where the snapshot that is to be taken may stay. */
export const ownSnapshotEntries: Entries<BaseSnapshot, BaseSnapshot> = entriesOf<
  BaseSnapshot,
  BaseSnapshot
>()({
  baseSnapshot: v.exactOptional(
    option(baseSnapshot, { ...baseSnapshotMeta, defaultText: 'the snapshot name' }),
  ),
})
