import * as v from 'valibot'
import type { BaseSnapshotOptions, CommonOptions, CompactOptions } from '../ensure/options.ts'
import { type Entries, entriesOf, name, option, wholeNumber } from './declare.ts'
import type { WithDefaults } from './operation_options.ts'
import { fitsSettingsFile } from './settings_text.ts'

type Compacting = Omit<CompactOptions, keyof CommonOptions>
type TakingSnapshot = Omit<BaseSnapshotOptions, keyof CommonOptions>

const percentage = v.pipe(
  v.string(),
  v.regex(/^\d{1,3}(\.\d+)?%$/),
  v.check(text => Number.parseFloat(text) <= 100),
)

/** Options that say what is to be compacted. */
export const compactingEntries: Entries<Compacting, WithDefaults<Compacting>> = entriesOf<
  Compacting,
  WithDefaults<Compacting>
>()({
  freeSpace: v.exactOptional(
    option(v.picklist(['discard', 'keep']), {
      group: 'compacting',
      description:
        'keep drops only blocks that hold nothing but zeros; discard also drops what the file systems of the ' +
        'guest do not use, without starting it; VirtualBox cannot do that: its engine refuses discard when asked ' +
        'for, and without the option works as keep, with a warning',
      argument: 'HOW',
    }),
    'discard',
  ),
  minReclaim: v.exactOptional(
    option(v.union([wholeNumber, percentage]), {
      group: 'compacting',
      description:
        'the least that makes compaction worth while: bytes, or per cent of the allocated bytes, such as 5%',
      wanted: 'a number of bytes, or per cent such as "5%"',
      argument: 'AMOUNT',
      defaultText: 'one block',
    }),
  ),
})

/** Options of the base snapshot. */
export const snapshotEntries: Entries<TakingSnapshot, WithDefaults<TakingSnapshot>> = entriesOf<
  TakingSnapshot,
  WithDefaults<TakingSnapshot>
>()({
  snapshotName: v.exactOptional(
    option(name, {
      group: 'base snapshot',
      description: 'name of the base snapshot',
      wanted: 'a name',
      argument: 'NAME',
    }),
    'Base',
  ),
  snapshotDescription: v.exactOptional(
    option(v.pipe(v.string(), v.check(fitsSettingsFile)), {
      group: 'base snapshot',
      description: 'description of the base snapshot',
      wanted: 'a text',
      argument: 'TEXT',
    }),
    'Created by vboxmerge',
  ),
})
