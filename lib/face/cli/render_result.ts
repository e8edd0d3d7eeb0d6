import type { DiskDigest, EnsureResult, MachineSummary } from '../../ensure/result.ts'
import { describeStep } from './describe_step.ts'
import type { Painter } from './paint.ts'
import { escapeName, formatBytes, formatCount } from './text.ts'

/** Tells for people what an operation did, or with `check` what it would do. */
export function renderResult(result: EnsureResult, check: boolean, paint: Painter): string {
  return [...resultLines(result, check, paint), ...digestLines(result.digests)]
    .map(line => `${line}\n`)
    .join('')
}

function resultLines(result: EnsureResult, check: boolean, paint: Painter): string[] {
  const name = paint('bold', escapeName(result.machine.name))
  if (result.skipped !== undefined) return [`${name}: skipped: ${escapeName(result.skipped)}`]
  if (result.steps.length === 0)
    return [
      `${name}: nothing to do${cloneNote(result)} (${summarize(result.clone === undefined ? result.before : result.after)})`,
    ]
  const engine = `${result.engine} engine`
  return [
    `${name} (${check ? `dry run, ${engine}` : engine}: ${escapeName(result.engineReason)})`,
    ...result.steps.flatMap(step => describeStep(step, check ? 'planned' : 'done')).map(line => `  ${line}`),
    `before: ${summarize(result.before)}`,
    `${check ? 'then:  ' : 'after: '} ${summarize(result.after)}`,
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
