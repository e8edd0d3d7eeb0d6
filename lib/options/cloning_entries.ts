import * as v from 'valibot'
import type { CloneOptions, CommonOptions } from '../ensure/options.ts'
import { type Entries, entriesOf, name, option, path, text } from './declare.ts'
import type { WithDefaults } from './operation_options.ts'

type Cloning = Omit<CloneOptions, keyof CommonOptions>

/** Options that say what is to be cloned, and where to. */
export const cloningEntries: Entries<Cloning, WithDefaults<Cloning>> = entriesOf<
  Cloning,
  WithDefaults<Cloning>
>()({
  cloneName: v.exactOptional(
    option(name, {
      group: 'cloning',
      description: 'name of the clone',
      wanted: 'a name',
      argument: 'NAME',
      defaultText: 'that of the machine with " Clone" behind it',
    }),
  ),
  cloneFolder: v.exactOptional(
    option(path, {
      group: 'cloning',
      description: "the clone's own folder, which is made where it is missing",
      wanted: 'a path',
      argument: 'FOLDER',
      defaultText: "named like the clone, beside the machine's folder",
    }),
  ),
  replace: v.exactOptional(
    option(v.boolean(), {
      group: 'cloning',
      description:
        'replace a clone of another state, with all that was done to it since, instead of refusing; the old one ' +
        'stays until the new one is complete',
    }),
    false,
  ),
  from: v.exactOptional(
    option(text, {
      group: 'cloning',
      description: 'clone the state of this snapshot (name or UUID)',
      wanted: 'the name or UUID of a snapshot',
      argument: 'SNAPSHOT',
      defaultText: 'the current state',
    }),
  ),
  freeSpace: v.exactOptional(
    option(v.picklist(['discard', 'keep']), {
      group: 'cloning',
      description:
        'keep leaves out only blocks that hold nothing but zeros; discard also leaves out what the file systems ' +
        'of the guest do not use',
      argument: 'HOW',
    }),
    'discard',
  ),
})
