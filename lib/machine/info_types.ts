import type { DiskMap } from '../engine/disk_maps.ts'
import type { DiskDigest, Estimate, MachineRef, MachineSummary, Step, Warning } from '../ensure/result.ts'
import type { MediumType, Uuid } from './machine.ts'

/** A snapshot as `info` shows it. */
export interface SnapshotInfo {
  readonly id: Uuid
  readonly name: string
  /** Null for the first snapshot. */
  readonly parent: Uuid | null
  /** As the settings file writes it, `2026-01-31T12:00:00Z`. */
  readonly timeStamp: string
  /** True for the snapshot that the current state hangs on. */
  readonly current: boolean
}

/** A hard disk image as `info` shows it. */
export interface ImageInfo {
  readonly id: Uuid
  /** Absolute path. */
  readonly path: string
  /** For example `VDI`. */
  readonly format: string
  /** For example `dynamic`, `fixed`, `differencing`. */
  readonly variant: string
  /** Null for a differencing image. */
  readonly type: MediumType | null
  readonly parent: Uuid | null
  /** Size of the virtual disk in bytes. */
  readonly capacity: number
  /** Length of the file in bytes. */
  readonly bytes: number
  /** Bytes of the allocated blocks. */
  readonly allocatedBytes: number
  /**
   * Bytes that the current state reads from it, because nothing newer lies above them; null where that is not known, and
   * for what the current state does not read.
   */
  readonly ownBytes: number | null
  /** The states that attach it, in words. */
  readonly attachedTo: readonly string[]
}

/** A volume of the guest: what lies on a partition, a logical volume or a whole disk. */
export interface VolumeInfo {
  /** Where its disk is attached. */
  readonly controller: string
  readonly port: number
  readonly device: number
  /** `partition 2`, `logical volume "vg0/root"`, `the whole disk`. */
  readonly where: string
  /** `ext4`, `ntfs`, `luks`; `unknown` where nothing known was found. */
  readonly kind: string
  readonly label: string | null
  /** Bytes. */
  readonly size: number
  /** Bytes in use; null where that is not known. */
  readonly used: number | null
  /** Bytes that hold nothing; null where that is not known. */
  readonly free: number | null
  /** Bytes of whole blocks of the image that hold nothing; null where that was not looked for, or all is kept. */
  readonly reclaimable: number | null
  /** Why every block is kept; null where free ones are given back. */
  readonly kept: { readonly code: string; readonly reason: string } | null
}

/** The operations that `info` looks ahead for. */
export type PlannedOperation = 'merged' | 'compacted' | 'base_snapshot' | 'golden_image'

/** What an operation with default options would do. */
export interface PlanInfo {
  /** `unknown` where only a look into the disks could tell (`scan`). */
  readonly changed: boolean | 'unknown'
  readonly steps: readonly Step[]
  /**
   * Bytes that the host would have more, negative where the machine would grow; null where that is not known. Without
   * `scan`, and where VirtualBox does the work, it can be more.
   */
  readonly savedBytes: number | null
  /** What the work would take; null where there is nothing to do, or that is not known. */
  readonly estimate: Estimate | null
  /** Why it would refuse to do anything. */
  readonly refusal?: { readonly code: string; readonly message: string }
}

/** A run of vboxmerge that works on the machine at this moment. */
export interface RunningInfo {
  /** For example `merged` or `golden_image`; null where the run does not tell, as in its first second. */
  readonly operation: string | null
  /** What it is at, for people; null like `operation`. */
  readonly step: string | null
  /** Of the whole run. */
  readonly percent: number | null
  readonly secondsLeft: number | null
  readonly pid: number
  /** Name of the computer on which it runs. */
  readonly host: string
  /** When it took the machine, `2026-01-31T12:00:00.000Z`. */
  readonly started: string
}

/** Work that was begun and is not finished, while nobody is at it. */
export interface UnfinishedInfo {
  /** What happened, as a sentence. */
  readonly reason: string
  /** What finishes it, as the middle of a sentence. */
  readonly help: string
}

/** What is known of a machine. */
export interface MachineInfo {
  readonly machine: MachineRef
  readonly state: string
  readonly summary: MachineSummary
  /** Null when no run works on it. */
  readonly running: RunningInfo | null
  /** Null when nothing is left to be finished. */
  readonly unfinished: UnfinishedInfo | null
  /** Parents before their children. */
  readonly snapshots: readonly SnapshotInfo[]
  readonly images: readonly ImageInfo[]
  /** The disks of the current state and what they are made of; empty when more than one machine is read. */
  readonly disks: readonly DiskMap[]
  /** The volumes of the current state; empty where its disks cannot be read. */
  readonly volumes: readonly VolumeInfo[]
  readonly plans: Readonly<Record<PlannedOperation, PlanInfo>>
  readonly warnings: readonly Warning[]
  /** Present when `digest` was asked for. */
  readonly digests?: readonly DiskDigest[]
}
