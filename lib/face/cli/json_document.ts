import type { MachineReport } from '../../ensure/report_machine.ts'
import type { EnsureResult } from '../../ensure/result.ts'
import { EXIT_STATUS, type VboxmergeError } from '../../errors.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import { convertKeys } from '../../options/names.ts'

/** What a document says, by keys in snake_case. */
export type DocumentData = Readonly<Record<string, unknown>>

/** Says what an operation that came to its end has done; the keys are the same whatever that was. */
export function resultData(result: EnsureResult): DocumentData {
  return toData({
    failed: false,
    skipped: null,
    clone: null,
    estimate: null,
    backup: null,
    digests: null,
    times: null,
    ...result,
  })
}

/** Says what is known of machines. */
export function machinesData(machines: readonly MachineInfo[]): DocumentData {
  return toData({ failed: false, changed: false, machines: machines.map(withAllKeys) })
}

/** Says what is known of a machine that a report was written on, and where that is. */
export function reportData({ info, file }: MachineReport): DocumentData {
  return { ...machinesData([info]), report: file }
}

/** Says what is known of a failure. */
export function failureData(error: VboxmergeError): DocumentData {
  return toData({
    failed: true,
    code: error.code,
    msg: error.message,
    changed: EXIT_STATUS[error.code] !== 3 && error.changed,
    stepsDone: error.stepsDone ?? 0,
    stepsLeft: error.stepsLeft ?? null,
  })
}

/** Writes a document, as `--json` prints it. */
export function writeDocument(data: DocumentData): string {
  return `${JSON.stringify(data, null, 2)}\n`
}

function withAllKeys(info: MachineInfo): object {
  const plans = Object.entries(info.plans).map(([name, plan]) => [name, { refusal: null, ...plan }])
  return { digests: null, ...info, plans: Object.fromEntries(plans) }
}

function toData(data: object): DocumentData {
  return convertKeys(data, 'snake') as DocumentData
}
