import * as v from 'valibot'
import { cloningEntries } from './cloning_entries.ts'
import { codeEntries, commonEntries, digestEntries, placeEntries, progressEntries } from './common_entries.ts'
import { compactingEntries, snapshotEntries } from './compacting_entries.ts'
import { listOfTexts, option, path } from './declare.ts'
import { baseSnapshotEntries, mergingEntries, ownSnapshotEntries } from './merging_entries.ts'
import type { OperationName, OperationOptions, ParsedOptions } from './operation_options.ts'
import { exactly } from './same_type.ts'

const goldenEntries = {
  ...mergingEntries,
  ...ownSnapshotEntries,
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
  ...digestEntries,
  ...progressEntries,
  ...codeEntries,
}

/** Only the machine is kept by a backup, and cloning leaves that as it is. */
const cloneEntries = {
  ...cloningEntries,
  ...v.omit(v.strictObject(commonEntries), ['backup']).entries,
}

const undoEntries = {
  discardChanges: v.exactOptional(
    option(v.boolean(), {
      group: 'going back',
      description: 'go back although the machine changed since the run; what changed since is lost',
    }),
    false,
  ),
  ...v.pick(v.strictObject(commonEntries), [
    'check',
    'vboxmanage',
    'vboxUserHome',
    'lockTimeout',
    'onProgress',
    'signal',
    '$',
  ]).entries,
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

const reportEntries = {
  output: v.exactOptional(
    option(path, {
      group: 'inspection',
      description:
        'where to write the page, - for standard output; of what has that name already, only an older report is ' +
        'replaced',
      wanted: 'a path, or -',
      argument: 'FILE',
      defaultText: 'named like the machine, in the working directory',
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
      ...baseSnapshotEntries,
      ...commonEntries,
    }),
  ),
  compact: forOperation<'compact'>()(v.strictObject({ ...compactingEntries, ...commonEntries })),
  snapshot: forOperation<'snapshot'>()(v.strictObject({ ...snapshotEntries, ...commonEntries })),
  clone: forOperation<'clone'>()(v.strictObject(cloneEntries)),
  golden: forOperation<'golden'>()(v.pipe(v.strictObject(goldenEntries), v.transform(withBaseSnapshot))),
  prepare: forOperation<'prepare'>()(v.pipe(v.strictObject(prepareEntries), v.transform(withBaseSnapshot))),
  recover: forOperation<'recover'>()(
    v.omit(v.strictObject(commonEntries), ['engine', 'registration', 'discardSavedState', 'report']),
  ),
  undo: forOperation<'undo'>()(v.strictObject(undoEntries)),
  report: forOperation<'report'>()(v.strictObject(reportEntries)),
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
