import type { Plan } from '../ensure/plan.ts'
import type { InspectedMachine } from '../machine/inspect.ts'
import type { Measured } from './measure_folds.ts'

/** A machine, looked through and planned for, with what an engine goes by. */
export interface Prepared {
  readonly machine: InspectedMachine
  readonly plan: Plan
  readonly measured: Measured
}
