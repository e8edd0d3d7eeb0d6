import type { DiskDigest, EnsureResult, MachineSummary } from '../../ensure/result.ts'
import { spellOptions } from '../../options/spell_options.ts'
import { describeStep } from './describe_step.ts'
import type { Screen } from './screen.ts'
import { escapeName, formatBytes, formatCount } from './text.ts'
import { wrap } from './wrap.ts'

/** Tells for people what an operation did. */
export function renderResult(result: EnsureResult, screen: Screen): string {
  return [...resultLines(result, screen), ...digestLines(result.digests)].map(line => `${line}\n`).join('')
}

function resultLines(result: EnsureResult, screen: Screen): string[] {
  const { paint, columns } = screen
  const name = paint('bold', escapeName(result.machine.name))
  if (result.skipped !== undefined)
    return [`${name}: skipped: ${escapeName(spellOptions(result.skipped, 'kebab'))}`]
  if (result.steps.length === 0)
    return [
      `${name}: nothing to do${cloneNote(result)} (${summarize(result.clone === undefined ? result.before : result.after)})`,
    ]
  const steps = result.steps.flatMap(step => describeStep(step, 'done'))
  return [
    `${name} (${result.engine} engine: ${escapeName(result.engineReason)})`,
    ...steps.flatMap(line => wrap(`  ${line}`, columns, '    ')),
    ...wrap(change(result, screen), columns, '  '),
    ...backupLines(result),
  ]
}

/** Says where the clone is that is as wanted. */
function cloneNote({ clone }: EnsureResult): string {
  return clone === undefined ? '' : `, the clone is as wanted: ${escapeName(clone.settingsFile)}`
}

/** Says where the state before the run is kept. */
function backupLines({ backup, steps }: EnsureResult): string[] {
  const isUndone = steps.some(({ kind }) => kind === 'undo')
  return backup === undefined || isUndone
    ? []
    : [`backup: ${escapeName(backup)} (to go back: vboxmerge undo ${escapeName(JSON.stringify(backup))})`]
}

/** Says how the size of a machine changes, or how large a clone is. */
export function change({ before, after, clone }: EnsureResult, { glyphs }: Screen): string {
  const { arrow } = glyphs
  if (clone !== undefined) return `the clone: ${summarize(after)}`
  const bound = after.exact ? '' : 'at most '
  const gained = before.bytes - after.bytes
  const least = after.exact ? '' : 'at least '
  const saving =
    gained >= 0 ? `${least}${formatBytes(gained)} given back` : `${formatBytes(-gained)} more than before`
  const sizes = `${formatBytes(before.bytes)} ${arrow} ${bound}${formatBytes(after.bytes)} on the host (${saving})`
  const counts = [
    `${formatCount(before.snapshots, 'snapshot')} ${arrow} ${after.snapshots}`,
    `${formatCount(before.images, 'image')} ${arrow} ${after.images}`,
  ]
  return [sizes, ...counts].join(', ')
}

/** Tells a machine's size in a line. */
export function summarize({ snapshots, images, bytes, exact }: MachineSummary): string {
  const size = `${exact ? '' : 'at most '}${formatBytes(bytes)}`
  return `${formatCount(snapshots, 'snapshot')}, ${formatCount(images, 'image')}, ${size} on the host`
}

/** Tells the digests of the disks, a line each. */
export function digestLines(digests: readonly DiskDigest[] | undefined): string[] {
  return (digests ?? []).map(
    disk => `sha256 ${disk.sha256}  ${escapeName(disk.controller)} ${disk.port}:${disk.device}`,
  )
}
