import type { Progress } from './progress.ts'

/** Options of every operation. */
export interface CommonOptions {
  /** Which engine does the work; `auto` (the default) takes `direct` wherever it can carry out the whole plan. */
  readonly engine?: 'auto' | 'direct' | 'virtualbox'
  /** `keep` never unregisters a machine, not even for the time of the work. Default `auto`. */
  readonly registration?: 'auto' | 'keep'
  /** Only says what would be done. Writes nothing. Default false. */
  readonly check?: boolean
  /** Path of VBoxManage. Default: `$VBOXMANAGE`, PATH, the usual folders. */
  readonly vboxmanage?: string
  /** VirtualBox's settings folder. Default: that of the user who runs. */
  readonly vboxUserHome?: string
  /** Seconds to wait for a lock. Default 60. */
  readonly lockTimeout?: number
  /** What to do with a machine that is running or locked: `fail` (default) or `skip`. */
  readonly whenBusy?: 'fail' | 'skip'
  /** Gives up the saved state of a saved machine (or snapshot) instead of refusing. Default false. */
  readonly discardSavedState?: boolean
  /**
   * What is compared before anything is deleted: `tables` (the default) header and block table of each image that was
   * written with the plan, `full` also every byte that the disks read as with what they read as before.
   */
  readonly verify?: 'tables' | 'full'
  /** Keeps in a new folder inside this one what it takes to go back (`undoRun`). Default: nothing is kept. */
  readonly backup?: string
  /** Adds the SHA-256 of each whole virtual disk to the result. Default false. */
  readonly digest?: boolean
  /** Path of a web page (HTML) to write that tells what was done, or with `check` what would be. */
  readonly report?: string
  /** Is told about the progress of long work. */
  readonly onProgress?: (progress: Progress) => void
  /** Stops the work; the promise rejects with its reason. */
  readonly signal?: AbortSignal
  /** A caller's own zx `$`, used for every call of VBoxManage. */
  readonly $?: unknown
}

/** Options that say what is to be merged. */
export interface MergeOptions extends CommonOptions {
  /** Leaves the N most recent snapshots. Default 0. */
  readonly skip?: number
  /** Merges at most N snapshots in this run. Default: all. */
  readonly count?: number
  /** Goes back to the current snapshot first; what changed since is lost. Default false. */
  readonly discardCurrentState?: boolean
  /** What to do where a snapshot that is to be merged has another child. Default `refuse`. */
  readonly branches?: 'refuse' | 'stop' | 'discard'
  /** Name of the lone, unmoved snapshot that counts as merged, or false for none. Default `Base`. */
  readonly baseSnapshot?: string | false
  /** Name or UUID of a snapshot that is made the current state first. */
  readonly from?: string
}

/** Options that say what is to be compacted. */
export interface CompactOptions extends CommonOptions {
  /** Whether blocks that the guest's file systems do not use are dropped too. Default `discard`. */
  readonly freeSpace?: 'discard' | 'keep'
  /** The least that makes compaction worth while: bytes, or per cent of the allocated bytes (`"5%"`). Default one block. */
  readonly minReclaim?: number | string
}

/** Options of the protective base snapshot. */
export interface BaseSnapshotOptions extends CommonOptions {
  /** Default `Base`. */
  readonly snapshotName?: string
  /** Default `Created by vboxmerge`. */
  readonly snapshotDescription?: string
}

/** Options of merging, compacting and the base snapshot together. */
export interface GoldenImageOptions extends MergeOptions, CompactOptions, BaseSnapshotOptions {}

/** Options that say what is to be cloned, and where to. */
export interface CloneOptions extends Omit<CommonOptions, 'backup'> {
  /** Name of the clone. Default: that of the machine with ` Clone` behind it. */
  readonly cloneName?: string
  /** The clone's own folder. Default: named like the clone, beside the folder of the machine. */
  readonly cloneFolder?: string
  /** Replaces a clone of another state instead of refusing. Default false. */
  readonly replace?: boolean
  /** Name or UUID of the snapshot whose state is cloned. Default: the current state. */
  readonly from?: string
  /** Whether blocks that the guest's file systems do not use are left out, too. Default `discard`. */
  readonly freeSpace?: 'discard' | 'keep'
}

/** Options of `recoverMachine`. */
export interface RecoverOptions
  extends Omit<CommonOptions, 'engine' | 'registration' | 'discardSavedState' | 'report'> {}

/** Options of `undoRun`. */
export interface UndoOptions
  extends Pick<
    CommonOptions,
    'check' | 'vboxmanage' | 'vboxUserHome' | 'lockTimeout' | 'onProgress' | 'signal' | '$'
  > {
  /** Goes back although the machine changed since the run; what changed is lost. Default false. */
  readonly discardChanges?: boolean
}

/** Options of `inspectMachine`. */
export interface InspectOptions {
  /** Path of VBoxManage. */
  readonly vboxmanage?: string
  /** VirtualBox's settings folder. Default: that of the user who runs. */
  readonly vboxUserHome?: string
  /** Reads the disks to say what compaction would save. Default false. */
  readonly scan?: boolean
  /** Adds the SHA-256 of each whole virtual disk. Default false. */
  readonly digest?: boolean
  /** Is told about the progress of long work. */
  readonly onProgress?: (progress: Progress) => void
  readonly signal?: AbortSignal
  /** A caller's own zx `$`, used for every call of VBoxManage. */
  readonly $?: unknown
}

/** Options of `reportMachine`. */
export interface ReportOptions extends InspectOptions {
  /** Path of the page. Default: named like the machine, in the working directory. `-` writes no file. */
  readonly output?: string
}

/** Options of `inspectMachines`. */
export interface ListOptions extends InspectOptions {
  /** Folders in which machines are looked for too, with the folders in them. Default: none. */
  readonly folders?: readonly string[]
}
