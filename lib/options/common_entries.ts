import * as v from 'valibot'
import type { CommonOptions } from '../ensure/options.ts'
import type { Progress } from '../ensure/progress.ts'
import { type Entries, entriesOf, option, path } from './declare.ts'
import type { WithDefaults } from './operation_options.ts'

const progressListener = v.custom<(progress: Progress) => void>(value => typeof value === 'function')

type Place = Pick<CommonOptions, 'vboxmanage' | 'vboxUserHome'>
type Code = Pick<CommonOptions, 'signal' | '$'>
type Digest = Pick<CommonOptions, 'digest'>
type Listener = Pick<CommonOptions, 'onProgress'>

/** Options that say which VirtualBox is meant. */
export const placeEntries: Entries<Place, WithDefaults<Place>> = entriesOf<Place, WithDefaults<Place>>()({
  vboxmanage: v.exactOptional(
    option(path, {
      group: 'common',
      description: 'path of VBoxManage',
      wanted: 'a path',
      argument: 'PATH',
      defaultText: '$VBOXMANAGE, PATH, the usual folders',
    }),
  ),
  vboxUserHome: v.exactOptional(
    option(path, {
      group: 'common',
      description: "VirtualBox's settings folder, whose registry names are looked up in",
      wanted: 'a path',
      argument: 'FOLDER',
      defaultText: 'that of the user who runs',
    }),
  ),
})

/** Options that add digests to a result. */
export const digestEntries: Entries<Digest, WithDefaults<Digest>> = entriesOf<Digest, WithDefaults<Digest>>()(
  {
    digest: v.exactOptional(
      option(v.boolean(), {
        group: 'common',
        description: 'add the SHA-256 of each whole virtual disk to the result',
      }),
      false,
    ),
  },
)

/** Options that only a program can pass. */
export const codeEntries: Entries<Code, WithDefaults<Code>> = entriesOf<Code, WithDefaults<Code>>()({
  signal: v.exactOptional(
    // Not v.instance(): Deno's type of AbortSignal cannot be made with `new`.
    option(
      v.custom<AbortSignal>(value => value instanceof AbortSignal),
      {
        group: 'common',
        description: 'stops the work; the promise rejects with its reason',
        wanted: 'an AbortSignal',
        codeOnly: true,
      },
    ),
  ),
  $: v.exactOptional(
    option(v.unknown(), {
      group: 'common',
      description: "a caller's own zx $, used for every call of VBoxManage",
      codeOnly: true,
    }),
  ),
})

/** The listener of those who look or work for long. */
export const progressEntries: Entries<Listener, WithDefaults<Listener>> = entriesOf<
  Listener,
  WithDefaults<Listener>
>()({
  onProgress: v.exactOptional(
    option(progressListener, {
      group: 'common',
      description: 'is told about the progress of long work',
      wanted: 'a function',
      codeOnly: true,
    }),
  ),
})

/** Options of every operation. */
export const commonEntries: Entries<CommonOptions, WithDefaults<CommonOptions>> = entriesOf<
  CommonOptions,
  WithDefaults<CommonOptions>
>()({
  check: v.exactOptional(
    option(v.boolean(), {
      group: 'common',
      description: 'say what would be done, and write nothing',
      spellings: ['-n', '--dryrun', '--dry-run'],
    }),
    false,
  ),
  engine: v.exactOptional(
    option(v.picklist(['auto', 'direct', 'virtualbox']), {
      group: 'common',
      description: 'who does the work; auto takes direct wherever it can carry out the whole plan',
      argument: 'ENGINE',
    }),
    'auto',
  ),
  registration: v.exactOptional(
    option(v.picklist(['auto', 'keep']), {
      group: 'common',
      description:
        'keep never takes the machine out of the registry of VirtualBox, not even while it is worked on',
      argument: 'HOW',
    }),
    'auto',
  ),
  ...placeEntries,
  lockTimeout: v.exactOptional(
    option(v.pipe(v.number(), v.finite(), v.minValue(0)), {
      group: 'common',
      description: 'how long to wait for a machine that another run holds, in seconds',
      wanted: 'a number of seconds from 0 on',
      argument: 'SECONDS',
    }),
    60,
  ),
  whenBusy: v.exactOptional(
    option(v.picklist(['fail', 'skip']), {
      group: 'common',
      description: 'what to do with a machine that is running or locked',
      argument: 'HOW',
    }),
    'fail',
  ),
  discardSavedState: v.exactOptional(
    option(v.boolean(), {
      group: 'common',
      description: 'give up the saved state of a saved machine, or of a saved snapshot, instead of refusing',
    }),
    false,
  ),
  verify: v.exactOptional(
    option(v.picklist(['tables', 'full']), {
      group: 'common',
      description:
        'what is compared before anything is deleted: tables the header and block table of each written image ' +
        'with the plan, full also every byte that the disks read as with what they read as before',
      argument: 'HOW',
    }),
    'tables',
  ),
  backup: v.exactOptional(
    option(path, {
      group: 'common',
      description:
        'keep in a new folder inside this one what it takes to go back to the state before the run (undo)',
      wanted: 'a path',
      argument: 'FOLDER',
      defaultText: 'none',
    }),
  ),
  ...digestEntries,
  report: v.exactOptional(
    option(path, {
      group: 'common',
      description:
        'write a web page (HTML) that tells what was done, or with check (which then writes this alone) what would ' +
        'be; of what has that name already, only an older report is replaced',
      wanted: 'a path',
      argument: 'FILE',
    }),
  ),
  ...progressEntries,
  ...codeEntries,
})
