import type { VolumeInfo } from '../machine/info_types.ts'
import type { Uuid } from '../machine/machine.ts'

/** The two ways of doing the work. */
export type EngineName = 'virtualbox' | 'direct'

/** A snapshot as plans and results name it. */
export interface SnapshotRef {
  readonly id: Uuid
  readonly name: string
}

/** What a step reads, writes and gives back on the host, in bytes. */
export interface StepForecast {
  readonly readBytes: number
  readonly writtenBytes: number
  /** Length of files that goes away minus length that is added; negative when the machine grows. */
  readonly freedBytes: number
}

/** Finishes what an interrupted run had begun. */
export interface RecoverStep {
  readonly kind: 'recover'
  readonly reason: string
  readonly forecast: StepForecast
}

/** Makes a snapshot's state the current state; the present current state is lost. */
export interface RestoreStep {
  readonly kind: 'restore'
  readonly snapshot: SnapshotRef
  readonly forecast: StepForecast
}

/** Gives up data: the snapshots of other branches, or the machine's saved state. */
export interface DiscardStep {
  readonly kind: 'discard'
  readonly what: 'branches' | 'saved_state'
  /** Children before parents; empty for a saved state. */
  readonly snapshots: readonly SnapshotRef[]
  readonly forecast: StepForecast
}

/** One run of images that becomes one image. */
export interface FoldSummary {
  /** The image that stays. */
  readonly target: Uuid
  readonly path: string
  /** The images that are folded into it, lowest first. */
  readonly folded: readonly Uuid[]
}

/** Folds snapshots into their parents. */
export interface MergeStep {
  readonly kind: 'merge'
  /** Newest first. */
  readonly snapshots: readonly SnapshotRef[]
  readonly disks: readonly FoldSummary[]
  readonly forecast: StepForecast
}

/** What compaction gives back on one image. */
export interface CompactSummary {
  readonly image: Uuid
  readonly path: string
  /** Bytes of blocks that go away. */
  readonly reclaimBytes: number
}

/** Drops blocks that no one needs from base images. */
export interface CompactStep {
  readonly kind: 'compact'
  readonly images: readonly CompactSummary[]
  readonly forecast: StepForecast
}

/** Takes the protective base snapshot. */
export interface SnapshotStep {
  readonly kind: 'snapshot'
  readonly name: string
  readonly description: string
  readonly forecast: StepForecast
}

/** A disk of a clone. */
export interface CloneDisk {
  readonly controller: string
  readonly port: number
  readonly device: number
  /** Absolute path of the clone's image. */
  readonly path: string
  /** Length of the clone's image in bytes. */
  readonly bytes: number
}

/** Makes a second, flat machine whose disks equal a state of the machine. */
export interface CloneStep {
  readonly kind: 'clone'
  /**
   * `create` writes the clone; `replace` writes it in the place of an older one, which is deleted; `finish` registers
   * a clone that is there already, or removes what an interrupted run left beside it.
   */
  readonly action: 'create' | 'replace' | 'finish'
  readonly name: string
  /** Absolute path of the clone's `.vbox` file. */
  readonly settingsFile: string
  /** The snapshot whose state is cloned; null for the current state. */
  readonly snapshot: SnapshotRef | null
  /** Empty when nothing but registering is left to do. */
  readonly disks: readonly CloneDisk[]
  readonly forecast: StepForecast
}

/** Goes back to the state that a backup holds. */
export interface UndoStep {
  readonly kind: 'undo'
  /** Absolute path of the backup. */
  readonly backup: string
  /** When it was made, `2026-01-31T12:00:00.000Z`. */
  readonly madeAt: string
  /** Number of files that are brought back, the settings among them. */
  readonly files: number
  readonly forecast: StepForecast
}

/** One step of a plan, a plain object. */
export type Step =
  | RecoverStep
  | RestoreStep
  | DiscardStep
  | MergeStep
  | CompactStep
  | SnapshotStep
  | CloneStep
  | UndoStep

/** The kinds of step. */
export type StepKind = Step['kind']

/** Room on one file system of the host. */
export interface SpaceNeed {
  /** A folder on that file system. */
  readonly folder: string
  /** Bytes that must be free before the work begins. */
  readonly neededBytes: number
  /** Bytes that are still to be made free; 0 when there is room. */
  readonly missingBytes: number
}

/** What carrying out a plan takes. */
export interface Estimate {
  /** About how long, by the bytes that are read and written; null where VirtualBox does the work. */
  readonly seconds: number | null
  /** The rate that `seconds` counts with. */
  readonly bytesPerSecond: number
  /** True when the rate is that at which disks were read just now, false when it is a guess. */
  readonly measured: boolean
  /** By file system; empty where VirtualBox does the work, which says nothing of it beforehand. */
  readonly space: readonly SpaceNeed[]
}

/** Something the user should know that is no failure. */
export interface Warning {
  readonly code: string
  readonly message: string
}

/** A machine in figures. */
export interface MachineSummary {
  readonly state: string
  /** Number of snapshots. */
  readonly snapshots: number
  readonly currentSnapshot: SnapshotRef | null
  /** Number of hard disk images. */
  readonly images: number
  /** Length of all image files in bytes. */
  readonly bytes: number
  /** Bytes of all allocated blocks. */
  readonly allocatedBytes: number
  /** Sizes of the virtual disks of the current state, added, in bytes. */
  readonly capacity: number
  /** False when the figures are an upper bound (a forecast for the `virtualbox` engine). */
  readonly exact: boolean
}

/** SHA-256 of a whole virtual disk. */
export interface DiskDigest {
  readonly controller: string
  readonly port: number
  readonly device: number
  readonly image: Uuid
  /** Lower-case hexadecimal. */
  readonly sha256: string
}

/** Which machine a result is about. */
export interface MachineRef {
  readonly name: string
  readonly id: Uuid
  /** Absolute path of the `.vbox` file. */
  readonly settingsFile: string
  readonly registered: boolean
}

/** Where a clone is. */
export interface CloneRef extends Omit<MachineRef, 'id'> {
  /** Null as long as the clone is only planned. */
  readonly id: Uuid | null
}

/** How long the work took, without looking before and after, in seconds. */
export interface RunTimes {
  readonly total: number
  /**
   * By step: its own time where the engine does one step after the other, or where there was only one; else null,
   * as the `direct` engine does several in one pass.
   */
  readonly steps: readonly (number | null)[]
}

/** What every ensure operation resolves to. */
export interface EnsureResult {
  /** True exactly when the plan held a step. */
  readonly changed: boolean
  /** Why nothing was done although the plan held a step (only with `whenBusy: 'skip'`). */
  readonly skipped?: string
  readonly machine: MachineRef
  readonly engine: EngineName
  readonly engineReason: string
  readonly steps: readonly Step[]
  /** Present when something was done. */
  readonly times?: RunTimes
  /** Of a clone operation: the machine that is cloned. */
  readonly before: MachineSummary
  /** In check mode the forecast. Of a clone operation: the clone. */
  readonly after: MachineSummary
  /**
   * Bytes of blocks that were not copied, because the host's file system lets files share them; 0 where it
   * cannot, and in check mode.
   */
  readonly sharedBytes: number
  /**
   * The volumes of the current state as they were found before the run; empty where nobody looked: compaction was
   * not asked for, or with `freeSpace: 'keep'`, or an earlier run left word that nothing is to be gained.
   */
  readonly volumes: readonly VolumeInfo[]
  readonly warnings: readonly Warning[]
  /** What the work would take; present in check mode where there is something to do. */
  readonly estimate?: Estimate
  /** Present for a clone operation. */
  readonly clone?: CloneRef
  /** Absolute path of the backup that was made, or that was gone back to. */
  readonly backup?: string
  /**
   * Present when `digest` was asked for: the content of the current state's disks after the run, for a clone
   * operation of the clone's.
   */
  readonly digests?: readonly DiskDigest[]
}
