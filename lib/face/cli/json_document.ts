import type { EnsureResult } from '../../ensure/result.ts'
import { EXIT_STATUS, type VboxmergeError } from '../../errors.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import { convertKeys } from '../../options/names.ts'

/** Writes the document of an operation that came to its end; it has the same keys whatever was done. */
export function resultDocument(result: EnsureResult): string {
  return writeDocument({ failed: false, skipped: null, clone: null, digests: null, ...result })
}

/** Writes the document of `info` and `list`. */
export function machinesDocument(machines: readonly MachineInfo[]): string {
  return writeDocument({ failed: false, changed: false, machines: machines.map(withAllKeys) })
}

/** Writes the document of a failure. */
export function failureDocument(error: VboxmergeError): string {
  const stepsDone = error.stepsDone ?? 0
  return writeDocument({
    failed: true,
    code: error.code,
    msg: error.message,
    changed: EXIT_STATUS[error.code] !== 3 && stepsDone > 0,
    stepsDone,
    stepsLeft: error.stepsLeft ?? null,
  })
}

function withAllKeys(info: MachineInfo): object {
  const plans = Object.entries(info.plans).map(([name, plan]) => [name, { refusal: null, ...plan }])
  return { digests: null, ...info, plans: Object.fromEntries(plans) }
}

function writeDocument(data: object): string {
  return `${JSON.stringify(convertKeys(data, 'snake'), null, 2)}\n`
}
