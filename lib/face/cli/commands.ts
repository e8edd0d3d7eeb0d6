import type { OperationName } from '../../options/operation_options.ts'

/** A command as help texts show it and as arguments choose it. */
export interface CommandDescription {
  readonly operation: OperationName
  /** The first word; undefined for the bare form. */
  readonly word: string | undefined
  readonly takesMachine: boolean
  /** What help texts call the word behind the command. Default `MACHINE`. */
  readonly operand?: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly description: string
  /** Command lines without `vboxmerge`, each with what it is good for. */
  readonly examples: readonly (readonly [arguments_: string, purpose: string])[]
}

const MACHINE_NOTE =
  'MACHINE is a registered name, a UUID, the path of a .vbox file, or a folder with exactly one.'

const merge: CommandDescription = {
  operation: 'merge',
  word: 'merge',
  takesMachine: true,
  summary: 'fold the current branch of snapshots into the base images',
  description:
    'Folds the current branch of snapshots, and the current state, into the base images. ' +
    `Does nothing when that is already so. ${MACHINE_NOTE}`,
  examples: [
    ['merge web --check', 'what would be done?'],
    ['merge web', 'merge all snapshots of the current branch'],
    ['merge web --skip 2', 'leave the two most recent snapshots'],
  ],
}

const compact: CommandDescription = {
  operation: 'compact',
  word: 'compact',
  takesMachine: true,
  summary: 'drop blocks that no one needs from the base images',
  description:
    'Drops blocks that no one needs from the base images, those of zeros and those that no file system of the guest ' +
    `uses, and shortens their files. Merge first to gain most. ${MACHINE_NOTE}`,
  examples: [
    ['compact web', 'compact the base images'],
    ['compact web --min-reclaim 5%', 'only if it gives back 5 per cent'],
  ],
}

const snapshot: CommandDescription = {
  operation: 'snapshot',
  word: 'snapshot',
  takesMachine: true,
  summary: 'shield the base images by a snapshot',
  description:
    'Takes a snapshot that shields the base images from writes, unless the current state already ' +
    `hangs on one of that name. ${MACHINE_NOTE}`,
  examples: [
    ['snapshot web', 'take the snapshot "Base"'],
    ['snapshot web --snapshot-name Clean', 'under another name'],
  ],
}

const golden: CommandDescription = {
  operation: 'golden',
  word: 'golden',
  takesMachine: true,
  summary: 'merge, compact and snapshot in one go',
  description: `Merges, compacts and takes the base snapshot, in one go. ${MACHINE_NOTE}`,
  examples: [
    ['golden web --check', 'what would be done?'],
    ['golden web', 'one compact image under the snapshot "Base"'],
  ],
}

const clone: CommandDescription = {
  operation: 'clone',
  word: 'clone',
  takesMachine: true,
  summary: 'make a second, flat machine of the current state',
  description:
    'Makes a second machine without snapshots whose disks equal the current state of MACHINE, or one of its ' +
    'snapshots. MACHINE itself stays as it is. Does nothing when the clone is there and the state is the same. ' +
    MACHINE_NOTE,
  examples: [
    ['clone web', 'a machine "web Clone"'],
    ['clone web --clone-name test --replace', 'anew after each change'],
    ['clone web --from Base', 'the state of a snapshot'],
  ],
}

const recover: CommandDescription = {
  operation: 'recover',
  word: 'recover',
  takesMachine: true,
  summary: 'finish what an interrupted run left',
  description:
    'Finishes what an interrupted run left of MACHINE, planned anew from what is on disk, and nothing more. Every other ' +
    `command that changes a machine begins with the same. Does nothing when nothing is unfinished. ${MACHINE_NOTE}`,
  examples: [
    ['recover web --check', 'is something unfinished?'],
    ['recover web', 'finish it'],
  ],
}

const undo: CommandDescription = {
  operation: 'undo',
  word: 'undo',
  takesMachine: true,
  operand: 'FOLDER',
  summary: 'go back to the state before a run with --backup',
  description:
    'Puts a machine back as it was before a run that kept a backup of it. FOLDER is the one that this run named, or ' +
    'one with a single backup in it. Refuses when the machine changed since. The backup stays.',
  examples: [
    ['golden web --backup /srv/backups', 'a run that can be undone'],
    ['undo /srv/backups/web-20260131-120000', 'as if it had not been'],
  ],
}

const info: CommandDescription = {
  operation: 'info',
  word: 'info',
  takesMachine: true,
  summary: "show a machine's snapshots, images, and what could be done",
  description:
    "Shows a machine's snapshots, its images with their sizes, and what each command would do. " +
    `Writes nothing. ${MACHINE_NOTE}`,
  examples: [
    ['info web', 'from the settings and image headers alone'],
    ['info web --scan --json', 'with what compaction would save, as JSON'],
  ],
}

const report: CommandDescription = {
  operation: 'report',
  word: 'report',
  takesMachine: true,
  summary: 'write a web page on a machine as it is',
  description:
    'Writes a page (HTML, one file that needs no network) on a machine as it is: its snapshots, its images, what each ' +
    'part of its disks is made of, its volumes, and what each command would do. Changes nothing of the machine. ' +
    `The other commands write one with --report. ${MACHINE_NOTE}`,
  examples: [
    ['report web', 'write web.html, here'],
    ['report web --scan --output x.html', 'with what compaction would save'],
    ['golden web --report golden.html', 'tell what a command did'],
  ],
}

const list: CommandDescription = {
  operation: 'list',
  word: 'list',
  takesMachine: false,
  summary: 'list machines with their sizes and what could be gained',
  description:
    'Lists all machines of the registry of VirtualBox, and those in the folders that are named, with their sizes and ' +
    'what could be gained, the largest first. Writes nothing.',
  examples: [
    ['list', 'all registered machines'],
    ['list ~/machines --scan', 'and those in a folder; reads the disks'],
    ['list --json', 'as JSON'],
  ],
}

/** The bare `vboxmerge MACHINE` of 2010. */
export const BARE_COMMAND: CommandDescription = {
  operation: 'prepare',
  word: undefined,
  takesMachine: true,
  summary: '',
  description:
    'Puts a VirtualBox machine into a wanted disk state, and does nothing when it is already there. ' +
    'Without a command: merges the snapshots of MACHINE, then compacts (--compact), then creates the ' +
    `base snapshot (--snapshot). ${MACHINE_NOTE}`,
  examples: [
    ['web --dryrun', 'what would be done?'],
    ['web --compact --snapshot', 'merge, compact, take the snapshot "Base"'],
    ['merge web --skip 2', 'leave the two most recent snapshots'],
    ['info web', 'show snapshots, images, sizes'],
    ['-- info', 'a machine that is called like a command'],
  ],
}

/** Commands that do nothing with machines, with a line for the list of commands. */
export const HELPERS: readonly { readonly word: string; readonly summary: string }[] = [
  { word: 'completion', summary: 'print what lets bash complete command lines' },
  { word: 'help', summary: 'print the help of a command' },
]

/** The commands that have a word, in the order of the help text. */
export const COMMANDS: readonly CommandDescription[] = [
  merge,
  compact,
  snapshot,
  golden,
  clone,
  recover,
  undo,
  info,
  report,
  list,
]
