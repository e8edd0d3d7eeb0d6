import type {
  BaseSnapshotOptions,
  CloneOptions,
  CompactOptions,
  GoldenImageOptions,
  InspectOptions,
  MergeOptions,
  RecoverOptions,
  ReportOptions,
  UndoOptions,
} from '../../ensure/options.ts'
import type { MachineReport } from '../../ensure/report_machine.ts'
import type { EnsureResult } from '../../ensure/result.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import type { PrepareOptions } from '../../options/operation_options.ts'

/** All that the command line can have done; tests hand in doubles. */
export interface Operations {
  readonly merge: (machine: string, options: MergeOptions) => Promise<EnsureResult>
  readonly compact: (machine: string, options: CompactOptions) => Promise<EnsureResult>
  readonly snapshot: (machine: string, options: BaseSnapshotOptions) => Promise<EnsureResult>
  readonly golden: (machine: string, options: GoldenImageOptions) => Promise<EnsureResult>
  readonly clone: (machine: string, options: CloneOptions) => Promise<EnsureResult>
  readonly prepare: (machine: string, options: PrepareOptions) => Promise<EnsureResult>
  readonly recover: (machine: string, options: RecoverOptions) => Promise<EnsureResult>
  /** Takes the folder of a backup. */
  readonly undo: (folder: string, options: UndoOptions) => Promise<EnsureResult>
  readonly report: (machine: string, options: ReportOptions) => Promise<MachineReport>
  readonly info: (machine: string, options: InspectOptions) => Promise<MachineInfo>
  readonly list: (options: InspectOptions) => Promise<readonly MachineInfo[]>
}
