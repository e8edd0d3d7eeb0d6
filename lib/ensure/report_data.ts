import type { DiskMap } from '../engine/disk_maps.ts'
import type { ImageInfo, MachineInfo, SnapshotInfo } from '../machine/info_types.ts'
import type { EnsureResult, MachineSummary } from './result.ts'

/** A machine at one moment, as a report shows it. */
export interface MachinePicture {
  readonly summary: MachineSummary
  /** Parents before their children. */
  readonly snapshots: readonly SnapshotInfo[]
  readonly images: readonly ImageInfo[]
  /** The disks of the current state. */
  readonly disks: readonly DiskMap[]
}

/** A machine that is only planned: nobody knows yet which blocks it will have. */
export type PlannedPicture = Pick<MachinePicture, 'summary' | 'snapshots'>

interface AnyReport {
  /** Version of this program. */
  readonly version: string
  /** When the report was begun. */
  readonly date: Date
}

/** What is told of an operation that came to its end. */
export interface RunReport extends AnyReport {
  readonly kind: 'run'
  readonly result: EnsureResult
  /** Seconds that the whole run took. */
  readonly seconds: number
  readonly before: MachinePicture
  /** The machine afterwards, for a clone operation the clone. */
  readonly after: MachinePicture
}

/** What is told in check mode. */
export interface PlanReport extends AnyReport {
  readonly kind: 'plan'
  readonly result: EnsureResult
  readonly before: MachinePicture
  readonly after: PlannedPicture
}

/** What is told of a machine that is only looked at. */
export interface StateReport extends AnyReport {
  readonly kind: 'state'
  readonly info: MachineInfo
  readonly before: MachinePicture
}

/** All that a report is made from. */
export type ReportData = RunReport | PlanReport | StateReport
