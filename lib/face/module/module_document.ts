import type { EnsureResult, Warning } from '../../ensure/result.ts'
import type { VboxmergeError } from '../../errors.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import type { OperationName } from '../../options/operation_options.ts'
import { spellOptions } from '../../options/spell_options.ts'
import { describeStep } from '../cli/describe_step.ts'
import { type DocumentData, failureData, machinesData, resultData } from '../cli/json_document.ts'
import { summarize } from '../cli/render_result.ts'
import { escapeLines, escapeName, formatCount } from '../cli/text.ts'

/** How a module was called, as far as its answer depends on it. */
export interface Manner {
  readonly operation: OperationName
  readonly check: boolean
  readonly diff: boolean
}

/** Says what a module that ensures a state has done, or in check mode would do. */
export function ensureDocument(result: EnsureResult, manner: Manner): DocumentData {
  const data = resultData(result)
  return {
    ...data,
    msg: ensureMessage(result, manner),
    warnings: plainWarnings(result.warnings),
    ...(manner.diff ? { diff: { before: data.before, after: data.after } } : {}),
  }
}

/** Says what is known of machines. */
export function infoDocument(machines: readonly MachineInfo[]): DocumentData {
  const [only] = machines
  return {
    ...machinesData(machines),
    msg:
      machines.length === 1 && only !== undefined
        ? `${escapeName(only.machine.name)}: ${summarize(only.summary)}`
        : formatCount(machines.length, 'machine'),
    warnings: plainWarnings(machines.flatMap(({ warnings }) => warnings)),
  }
}

/** Says why a module failed. Options are called what they are called in modules. */
export function failureDocument(error: VboxmergeError): DocumentData {
  return { ...failureData(error), msg: escapeLines(spellOptions(error.message, 'snake')) }
}

/** One line, or one for each image. */
function ensureMessage({ machine, skipped, steps, before, backup }: EnsureResult, manner: Manner): string {
  const name = escapeName(machine.name)
  if (skipped !== undefined) return `${name}: skipped: ${escapeLines(spellOptions(skipped, 'snake'))}`
  if (steps.length === 0) return `${name}: nothing to do (${summarize(before)})`
  const lines = steps.flatMap(step => describeStep(step, manner.check ? 'planned' : 'done'))
  // A plan names each snapshot in a line of its own, below; the steps in the result name them too.
  const heads = lines.filter(line => !line.startsWith(' ')).map(line => line.replace(/:$/, ''))
  const kept = backup === undefined ? [] : [`the state before is kept in ${escapeName(backup)}`]
  return `${name}: ${[...heads, ...kept].join('; ')}`
}

function plainWarnings(warnings: readonly Warning[]): string[] {
  return warnings.map(({ message }) => escapeLines(spellOptions(message, 'snake')))
}
