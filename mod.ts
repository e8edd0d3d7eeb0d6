/**
 * Puts VirtualBox machines into a wanted disk state, and does nothing when they are already in it.
 *
 * @example
 * ```ts
 * import { ensureGoldenImage } from 'vboxmerge'
 *
 * const result = await ensureGoldenImage('web', { freeSpace: 'keep' })
 * console.log(result.changed, result.after.bytes)
 * ```
 *
 * @module
 */
export type { AllocationCell, AllocationMap, HeldShare } from './lib/blocks/allocation_map.ts'
export type { DiskMap, MappedImage } from './lib/engine/disk_maps.ts'
export { ensureBaseSnapshot } from './lib/ensure/base_snapshot.ts'
export { ensureCloned } from './lib/ensure/cloned.ts'
export { ensureCompacted } from './lib/ensure/compacted.ts'
export { ensureGoldenImage } from './lib/ensure/golden_image.ts'
export { inspectMachine, inspectMachines } from './lib/ensure/machine_info.ts'
export { ensureMerged } from './lib/ensure/merged.ts'
export type {
  BaseSnapshotOptions,
  CloneOptions,
  CommonOptions,
  CompactOptions,
  GoldenImageOptions,
  InspectOptions,
  ListOptions,
  MergeOptions,
  RecoverOptions,
  ReportOptions,
  UndoOptions,
} from './lib/ensure/options.ts'
export type { OverallProgress, Progress } from './lib/ensure/progress.ts'
export { recoverMachine } from './lib/ensure/recover_machine.ts'
export { type MachineReport, reportMachine } from './lib/ensure/report_machine.ts'
export type {
  CloneDisk,
  CloneRef,
  CloneStep,
  CompactStep,
  CompactSummary,
  DiscardStep,
  DiskDigest,
  EngineName,
  EnsureResult,
  Estimate,
  FoldSummary,
  MachineRef,
  MachineSummary,
  MergeStep,
  RecoverStep,
  RestoreStep,
  RunTimes,
  SnapshotRef,
  SnapshotStep,
  SpaceNeed,
  Step,
  StepForecast,
  StepKind,
  UndoStep,
  Warning,
} from './lib/ensure/result.ts'
export { undoRun } from './lib/ensure/undo_run.ts'
export { type ErrorCode, type ErrorDetails, EXIT_STATUS, VboxmergeError } from './lib/errors.ts'
export type {
  ImageInfo,
  MachineInfo,
  PlanInfo,
  PlannedOperation,
  RunningInfo,
  SnapshotInfo,
  UnfinishedInfo,
  VolumeInfo,
} from './lib/machine/info_types.ts'
export type { Problem } from './lib/machine/inspection.ts'
export type { MediumType, Uuid } from './lib/machine/machine.ts'

// `deno run mod.ts MACHINE …`. A bundle of somebody else's that holds this file is their program, not ours.
if (
  (import.meta as { readonly main?: boolean }).main &&
  new URL(import.meta.url).pathname.endsWith('/mod.ts')
)
  import('./lib/face/cli/main.ts')
