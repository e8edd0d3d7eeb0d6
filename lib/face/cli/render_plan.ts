import type { EnsureResult, Step } from '../../ensure/result.ts'
import { describeStep } from './describe_step.ts'
import { describeRoom, describeTime } from './duration.ts'
import { change, digestLines } from './render_result.ts'
import type { Screen } from './screen.ts'
import { escapeName, formatCount, quote } from './text.ts'
import { wrap } from './wrap.ts'

/** Columns that what is said of a plan begins at. */
const NOTE_INDENT = 10

/**
 * Shows what a run would do, as a plan that one can agree to.
 *
 * @param command What carries it out, as it is typed.
 */
export function renderPlan(result: EnsureResult, command: string, screen: Screen): string {
  return [...planLines(result, command, screen), ...digestLines(result.digests)]
    .map(line => `${line}\n`)
    .join('')
}

function planLines(result: EnsureResult, command: string, screen: Screen): string[] {
  const { paint, columns } = screen
  const { machine, steps, estimate, engine, engineReason } = result
  const note = (name: string, lines: readonly string[]): string[] =>
    lines.flatMap((line, at) => {
      const lead = (at === 0 ? name : '').padEnd(NOTE_INDENT)
      return wrap(`${' '.repeat(NOTE_INDENT)}${line}`, columns, ' '.repeat(NOTE_INDENT)).map((text, row) =>
        row === 0 ? lead + text.slice(NOTE_INDENT) : text,
      )
    })
  return [
    `${paint('bold', `Plan for ${escapeName(machine.name)}`)} (dry run)`,
    ...steps.flatMap((step, at) => numbered(step, at + 1, columns)),
    '',
    ...note('Kept', keptBy(result)),
    ...note('Lost', lostBy(result)),
    ...note('Size', [change(result, screen)]),
    ...(estimate === undefined ? [] : note('Room', describeRoom(estimate).map(escapeName))),
    ...(estimate === undefined ? [] : note('Time', [describeTime(estimate)])),
    ...note('Engine', [`${engine}: ${escapeName(engineReason)}`]),
    '',
    'Nothing was changed. To carry this out:',
    `  ${command}`,
  ]
}

function numbered(step: Step, number: number, columns: number): string[] {
  const [first = '', ...others] = describeStep(step, 'plan')
  const lead = `${String(number).padStart(3)}. `
  return [
    ...wrap(lead + first, columns, '     '),
    ...others.flatMap(line => wrap(`     ${line}`, columns, '       ')),
  ]
}

function keptBy({ steps, after, clone }: EnsureResult): string[] {
  if (clone !== undefined) return ['the machine as it is; it is only read']
  const restore = steps.find(step => step.kind === 'restore')
  const state =
    restore === undefined ? 'the current state' : `the state of the snapshot ${quote(restore.snapshot.name)}`
  const drops = steps.some(step => step.kind === 'compact')
  const what = drops
    ? `${state}, but for blocks that hold nothing the guest needs`
    : `${state}, byte for byte`
  const left = after.snapshots - (steps.some(step => step.kind === 'snapshot') ? 1 : 0)
  return left > 0 ? [what, `${formatCount(left, 'snapshot')} below it`] : [what]
}

function lostBy({ steps, clone }: EnsureResult): string[] {
  const lost = steps.flatMap(step => {
    if (step.kind === 'restore')
      return [`what is in the current state and not in ${quote(step.snapshot.name)}`]
    if (step.kind === 'discard' && step.what === 'saved_state')
      return ['the saved state: what the guest had in memory']
    if (step.kind === 'discard')
      return [`${formatCount(step.snapshots.length, 'snapshot')} of other branches, with their data`]
    if (step.kind === 'merge' && step.snapshots.length > 0) {
      const names = formatCount(step.snapshots.length, 'snapshot')
      return [`the way back to ${names}; their data stay, as far as the current state has them`]
    }
    if (step.kind === 'clone' && step.action === 'replace')
      return ['the older clone, with all that was done to it']
    return []
  })
  return lost.length > 0 || clone !== undefined ? lost : ['nothing']
}
