import { dirname, isAbsolute, relative } from 'node:path'
import type {
  ImageInfo,
  MachineInfo,
  PlanInfo,
  PlannedOperation,
  RunningInfo,
} from '../../machine/info_types.ts'
import { spellOptions } from '../../options/spell_options.ts'
import { describeStep } from './describe_step.ts'
import { drawDiskMap } from './disk_map.ts'
import { aboutTime, describeRate, formatDuration } from './duration.ts'
import { digestLines, summarize } from './render_result.ts'
import type { Screen } from './screen.ts'
import { drawSnapshotTree } from './snapshot_tree.ts'
import { alignColumns, escapeName, formatBytes, textWidth } from './text.ts'
import { volumeTable } from './volume_table.ts'
import { wrap } from './wrap.ts'

const COMMAND_OF: Readonly<Record<PlannedOperation, string>> = {
  merged: 'merge',
  compacted: 'compact',
  base_snapshot: 'snapshot',
  golden_image: 'golden',
}

/** Columns that a plan's text begins at. */
const PLAN_INDENT = 12

/** Shows a machine for people. */
export function renderInfo(info: MachineInfo, screen: Screen): string {
  const { paint } = screen
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    ['Snapshots', orNone(drawSnapshotTree(info.snapshots, screen), info.snapshots)],
    ['Disks of the current state', diskLines(info, screen)],
    ['Images', imageTable(info, screen)],
    ['Volumes of the current state', volumeTable(info.volumes, screen.columns - 2)],
    ['What each command would do', planTable(info.plans, screen)],
    ['Digests', digestLines(info.digests)],
  ]
  const lines = [...headLines(info, screen)]
  for (const [title, text] of sections) {
    if (text.length === 0) continue
    lines.push('', paint('bold', title), ...text.flatMap(line => fit(`  ${line}`, screen)))
  }
  return lines.map(line => `${line}\n`).join('')
}

function headLines({ machine, state, summary, running, unfinished }: MachineInfo, screen: Screen): string[] {
  const { paint, columns } = screen
  const known = machine.registered ? 'registered' : 'not registered'
  const alerts: string[] = []
  if (running !== null) alerts.push(`RUNNING: ${describeRunning(running)}`)
  if (unfinished !== null) {
    alerts.push(`UNFINISHED: ${escapeName(unfinished.reason)}. What helps: ${unfinished.help}`)
  }
  return [
    `${paint('bold', escapeName(machine.name))}  ${machine.id}`,
    ...wrap(`  ${words(state)}, ${known}, ${summarize(summary)}`, columns, '  '),
    `  ${escapeName(machine.settingsFile)}`,
    ...alerts.flatMap(alert => wrap(`  ${alert}`, columns, '    ')).map(line => paint('yellow', line)),
  ]
}

/** Breaks a line that is still too wide: a terminal may be narrower than any table. */
function fit(line: string, { columns, breaks }: Screen): string[] {
  return !breaks || line.includes('\u001b') ? [line] : wrap(line, columns, '      ')
}

/** Says in a sentence what works on a machine. */
export function describeRunning({
  operation,
  step,
  percent,
  secondsLeft,
  pid,
  host,
  started,
}: RunningInfo): string {
  const what = operation === null ? 'vboxmerge' : `vboxmerge (${operation.replaceAll('_', ' ')})`
  const at = step === null ? '' : `; it is at: ${escapeName(step)}`
  const far = percent === null ? '' : `, ${percent}% of all done`
  const left = secondsLeft === null ? '' : `, about ${formatDuration(secondsLeft)} left`
  return `${what} has worked on it since ${timeOf(started)}, process ${pid} on ${escapeName(host)}${at}${far}${left}`
}

function timeOf(stamp: string): string {
  return escapeName(stamp.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC'))
}

function orNone(lines: readonly string[], shown: readonly unknown[]): readonly string[] {
  return shown.length > 0 ? lines : ['none; the current state is in the base images']
}

function diskLines({ disks }: MachineInfo, { columns, glyphs }: Screen): string[] {
  return disks.flatMap(disk => {
    const size = disk.map === null ? '' : `, ${formatBytes(disk.map.capacity)}`
    const images = disk.images.length === 1 ? '1 image' : `${disk.images.length} images`
    const title = escapeName(`${disk.controller} ${disk.port}:${disk.device}${size}, read from ${images}`)
    const strip = drawDiskMap(disk, columns - 4, glyphs).flatMap(line => wrap(`  ${line}`, columns - 2, '  '))
    return [title, ...strip]
  })
}

function imageTable({ images, machine }: MachineInfo, screen: Screen): string[] {
  if (images.length === 0) return ['none']
  const folder = dirname(machine.settingsFile)
  const figures = images.map(image => [
    formatBytes(image.bytes),
    formatBytes(image.allocatedBytes),
    image.ownBytes === null ? '' : formatBytes(image.ownBytes),
  ])
  const table = (isBrief: boolean): string[] => {
    const rows = figures.map((cells, at) => [...cells, describeImage(images[at], folder, isBrief, screen)])
    return alignColumns([['ON HOST', 'DATA', 'ITS OWN', 'IMAGE'], ...rows], [0, 1, 2])
  }
  const whole = table(false)
  const isWide = whole.some(line => textWidth(line) > screen.columns - 2)
  return isWide ? table(true) : whole
}

/** @param isBrief Whether to cut UUIDs in file names short. */
function describeImage(
  image: ImageInfo | undefined,
  folder: string,
  isBrief: boolean,
  { glyphs }: Screen,
): string {
  if (image === undefined) return ''
  const near = relative(folder, image.path)
  const path = near.startsWith('..') || isAbsolute(near) ? image.path : near
  const short = path.replace(/(\{[0-9a-f]{8})-[0-9a-f-]{27}\}/gi, `$1${glyphs.ellipsis}}`)
  const kind = [
    image.format.toUpperCase() === 'VDI' ? [] : image.format,
    ['dynamic', 'differencing'].includes(image.variant) ? [] : image.variant,
    image.type === null || image.type === 'Normal' ? [] : image.type.toLowerCase(),
  ].flat()
  const used = image.attachedTo.length > 0 ? image.attachedTo.join(', ') : 'nothing'
  const notes = kind.length > 0 ? ` (${kind.join(' ')})` : ''
  return escapeName(`${isBrief ? short : path}${notes}: ${used}`)
}

function planTable(plans: MachineInfo['plans'], { columns }: Screen): string[] {
  const indent = ' '.repeat(PLAN_INDENT)
  const lines: string[] = []
  const refused = new Map<string, string>()
  for (const [name, command] of Object.entries(COMMAND_OF) as [PlannedOperation, string][]) {
    const text = describePlan(plans[name], command, refused)
    const [head = '', ...others] = text.flatMap(line => wrap(`${indent}${line}`, columns - 2, `${indent}  `))
    lines.push(command.padEnd(PLAN_INDENT) + head.slice(PLAN_INDENT), ...others)
  }
  const rated = Object.values(plans).find(({ estimate }) => (estimate?.seconds ?? null) !== null)
  const note = rated?.estimate ? [`Times are reckoned at ${describeRate(rated.estimate)}.`] : []
  return [...lines, ...note]
}

/** @param refused By message the first command that is refused with it; the same is not told twice. */
function describePlan(plan: PlanInfo, command: string, refused: Map<string, string>): string[] {
  const { refusal, changed, steps } = plan
  if (refusal !== undefined) {
    const message = spellOptions(refusal.message, 'kebab')
    const known = refused.get(message)
    if (known !== undefined) return [`refused, as ${known} is`]
    refused.set(message, command)
    return [`refused: ${escapeName(message)}`]
  }
  if (changed === 'unknown') return ['not known without a look into the disks: --scan']
  if (steps.length === 0) return ['nothing to do']
  return [...steps.flatMap(step => describeStep(step, 'brief')), describeCost(plan)]
}

/** What a plan gives and takes, in a line. */
function describeCost({ savedBytes, estimate }: PlanInfo): string {
  const parts = savedBytes === null ? [] : [describeSaving(savedBytes)]
  if (estimate !== null) {
    parts.push(
      estimate.seconds === null ? 'takes as long as VirtualBox does' : `takes ${aboutTime(estimate.seconds)}`,
    )
    for (const { neededBytes, missingBytes, folder } of estimate.space) {
      const missing =
        missingBytes === 0 ? '' : `, ${formatBytes(missingBytes)} more than is free in ${escapeName(folder)}`
      parts.push(`needs ${formatBytes(neededBytes)} of room${missing}`)
    }
  }
  return parts.join('; ')
}

function describeSaving(bytes: number): string {
  return bytes >= 0 ? `gives back ${formatBytes(bytes)}` : `uses ${formatBytes(-bytes)} more`
}

/** Writes a state as words. */
export function words(state: string): string {
  return escapeName(state === 'poweroff' ? 'powered off' : state).replaceAll('_', ' ')
}
