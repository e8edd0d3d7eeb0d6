import * as v from 'valibot'
import type { Progress } from '../ensure/progress.ts'
import type { OperationName, OperationOptions, ParsedOptions } from './operation_options.ts'
import type { OptionMeta } from './option_meta.ts'
import { exactly } from './same_type.ts'
import { fitsSettingsFile } from './settings_text.ts'

function option<const Schema extends v.GenericSchema>(schema: Schema, meta: OptionMeta) {
  return v.pipe(schema, v.metadata({ option: meta }))
}

const wholeNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const name = v.pipe(v.string(), v.nonEmpty(), v.check(fitsSettingsFile))
const percentage = v.pipe(
  v.string(),
  v.regex(/^\d{1,3}(\.\d+)?%$/),
  v.check(text => Number.parseFloat(text) <= 100),
)
const listOfTexts = v.custom<readonly string[]>(
  value => Array.isArray(value) && value.every(text => typeof text === 'string' && text !== ''),
)
const progressListener = v.custom<(progress: Progress) => void>(value => typeof value === 'function')

const placeEntries = {
  vboxmanage: v.exactOptional(
    option(v.pipe(v.string(), v.nonEmpty()), {
      group: 'common',
      description: 'path of VBoxManage',
      wanted: 'a path',
      argument: 'PATH',
      defaultText: '$VBOXMANAGE, PATH, the usual folders',
    }),
  ),
  vboxUserHome: v.exactOptional(
    option(v.pipe(v.string(), v.nonEmpty()), {
      group: 'common',
      description: "VirtualBox's settings folder, whose registry names are looked up in",
      wanted: 'a path',
      argument: 'FOLDER',
      defaultText: 'that of the user who runs',
    }),
  ),
}

const digest = v.exactOptional(
  option(v.boolean(), {
    group: 'common',
    description: 'add the SHA-256 of each whole virtual disk to the result',
  }),
  false,
)

const onProgress = v.exactOptional(
  option(progressListener, {
    group: 'common',
    description: 'is told about the progress of long work',
    wanted: 'a function',
    codeOnly: true,
  }),
)

const codeEntries = {
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
}

const commonEntries = {
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
  digest,
  onProgress,
  ...codeEntries,
}

const mergingEntries = {
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
    option(v.pipe(v.string(), v.nonEmpty()), {
      group: 'merging',
      description: 'make this snapshot (name or UUID) the current state first; what is not in it is lost',
      wanted: 'the name or UUID of a snapshot',
      argument: 'SNAPSHOT',
    }),
  ),
}

const baseSnapshotMeta = {
  group: 'merging',
  description: 'a lone, unmoved snapshot of this name counts as merged; false for none',
  wanted: 'a name, or false',
  argument: 'NAME',
} as const
const baseSnapshot = v.union([v.literal(false), name])

const compactingEntries = {
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
}

const snapshotEntries = {
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
}

const cloningEntries = {
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
    option(v.pipe(v.string(), v.nonEmpty()), {
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
    option(v.pipe(v.string(), v.nonEmpty()), {
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
}

const goldenEntries = {
  ...mergingEntries,
  baseSnapshot: v.exactOptional(
    option(baseSnapshot, { ...baseSnapshotMeta, defaultText: 'the snapshot name' }),
  ),
  ...compactingEntries,
  ...snapshotEntries,
  ...commonEntries,
}

const prepareEntries = {
  compact: v.exactOptional(
    option(v.boolean(), { group: 'compacting', description: 'compact the base images after merging' }),
    false,
  ),
  snapshot: v.exactOptional(
    option(v.boolean(), { group: 'base snapshot', description: 'create the base snapshot at the end' }),
    false,
  ),
  ...goldenEntries,
}

const inspectEntries = {
  scan: v.exactOptional(
    option(v.boolean(), {
      group: 'inspection',
      description: 'read the disks to say what compaction would save',
    }),
    false,
  ),
  ...placeEntries,
  digest,
  onProgress,
  ...codeEntries,
}

const listEntries = {
  folders: v.exactOptional(
    option(listOfTexts, {
      group: 'inspection',
      description: 'folders in which machines are looked for too, with the folders in them',
      wanted: 'a list of paths',
      codeOnly: true,
    }),
  ),
  ...inspectEntries,
}

/** The base snapshot that may stay is the one that is to be taken, unless another is named. */
function withBaseSnapshot<Options extends { baseSnapshot?: string | false; snapshotName: string }>(
  options: Options,
): Options & { baseSnapshot: string | false } {
  return {
    ...options,
    baseSnapshot: options.baseSnapshot ?? options.snapshotName,
  }
}

function forOperation<Name extends OperationName>() {
  return exactly<OperationOptions[Name], ParsedOptions[Name]>()
}

const schemas = {
  merge: forOperation<'merge'>()(
    v.strictObject({
      ...mergingEntries,
      baseSnapshot: v.exactOptional(option(baseSnapshot, baseSnapshotMeta), 'Base'),
      ...commonEntries,
    }),
  ),
  compact: forOperation<'compact'>()(v.strictObject({ ...compactingEntries, ...commonEntries })),
  snapshot: forOperation<'snapshot'>()(v.strictObject({ ...snapshotEntries, ...commonEntries })),
  clone: forOperation<'clone'>()(v.strictObject({ ...cloningEntries, ...commonEntries })),
  golden: forOperation<'golden'>()(v.pipe(v.strictObject(goldenEntries), v.transform(withBaseSnapshot))),
  prepare: forOperation<'prepare'>()(v.pipe(v.strictObject(prepareEntries), v.transform(withBaseSnapshot))),
  info: forOperation<'info'>()(v.strictObject(inspectEntries)),
  list: forOperation<'list'>()(v.strictObject(listEntries)),
}

const outputSchema = v.strictObject({
  json: v.exactOptional(
    option(v.boolean(), {
      group: 'output',
      description: 'print one JSON document, also on failure',
    }),
    false,
  ),
  quiet: v.exactOptional(
    option(v.boolean(), {
      group: 'output',
      description: 'print nothing but errors',
      spellings: ['-q'],
    }),
    false,
  ),
})

/** A schema of options, as far as it can be walked through. */
export type OptionsSchema = v.GenericSchema & {
  readonly entries: Readonly<Record<string, v.GenericSchema>>
}

/** Returns the schema of an operation's options, or of what only the command line has (`output`). */
export function schemaOf(operation: OperationName | 'output'): OptionsSchema {
  return operation === 'output' ? outputSchema : schemas[operation]
}
