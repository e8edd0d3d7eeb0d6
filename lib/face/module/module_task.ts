import type { EnsureResult } from '../../ensure/result.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import type { OperationName } from '../../options/operation_options.ts'

/** Checked options of a module, with what a run adds to them. */
export type ModuleOptions = Readonly<Record<string, unknown>> & {
  readonly check?: boolean
  readonly signal?: AbortSignal
}

/** What a module has done: puts one machine into a wanted state, or reads one or all. */
export type ModuleTask =
  | {
      readonly kind: 'ensure'
      readonly operation: OperationName
      readonly perform: (machine: string, options: ModuleOptions) => Promise<EnsureResult>
    }
  | {
      readonly kind: 'info'
      readonly operation: 'info'
      readonly one: (machine: string, options: ModuleOptions) => Promise<MachineInfo>
      readonly all: (options: ModuleOptions) => Promise<readonly MachineInfo[]>
    }
