import { dirname, isAbsolute, relative } from 'node:path'
import type { ImageInfo, MachineInfo, PlanInfo, PlannedOperation } from '../../machine/info_types.ts'
import { describeStep } from './describe_step.ts'
import type { Painter } from './paint.ts'
import { digestLines, summarize } from './render_result.ts'
import { drawSnapshotTree } from './snapshot_tree.ts'
import { alignColumns, escapeName, formatBytes } from './text.ts'
import { volumeTable } from './volume_table.ts'

const COMMAND_OF: Readonly<Record<PlannedOperation, string>> = {
  merged: 'merge',
  compacted: 'compact',
  base_snapshot: 'snapshot',
  golden_image: 'golden',
}

/** Shows a machine for people. */
export function renderInfo(info: MachineInfo, paint: Painter): string {
  const { machine, state, summary } = info
  const lines = [
    `${paint('bold', escapeName(machine.name))}  ${machine.id}`,
    `  ${words(state)}, ${machine.registered ? 'registered' : 'not registered'}, ${summarize(summary)}`,
    `  ${escapeName(machine.settingsFile)}`,
    '',
    paint('bold', 'Snapshots'),
    ...indent(info.snapshots.length > 0 ? drawSnapshotTree(info.snapshots, paint) : ['none']),
    '',
    paint('bold', 'Images'),
    ...indent(imageTable(info)),
    ...(info.volumes.length === 0
      ? []
      : ['', paint('bold', 'Volumes of the current state'), ...indent(volumeTable(info.volumes))]),
    '',
    paint('bold', 'What each command would do'),
    ...indent(planTable(info.plans)),
    ...(info.digests === undefined
      ? []
      : ['', paint('bold', 'Digests'), ...indent(digestLines(info.digests))]),
  ]
  return lines.map(line => `${line}\n`).join('')
}

/** Shows machines for people, a line each. */
export function renderList(machines: readonly MachineInfo[]): string {
  if (machines.length === 0) return 'no machine is registered\n'
  const rows = machines.map(({ machine, state, summary }) => [
    escapeName(machine.name),
    words(state),
    String(summary.snapshots),
    String(summary.images),
    formatBytes(summary.bytes),
    formatBytes(summary.capacity),
  ])
  const head = ['NAME', 'STATE', 'SNAPSHOTS', 'IMAGES', 'ON HOST', 'CAPACITY']
  return alignColumns([head, ...rows], [2, 3, 4, 5])
    .map(line => `${line}\n`)
    .join('')
}

function imageTable({ images, machine }: MachineInfo): string[] {
  if (images.length === 0) return ['none']
  const rows = images.map(image => [
    formatBytes(image.bytes),
    formatBytes(image.allocatedBytes),
    formatBytes(image.capacity),
    describeImage(image, dirname(machine.settingsFile)),
  ])
  return alignColumns([['ON HOST', 'ALLOCATED', 'CAPACITY', 'IMAGE'], ...rows], [0, 1, 2])
}

function describeImage(image: ImageInfo, folder: string): string {
  const near = relative(folder, image.path)
  const path = near.startsWith('..') || isAbsolute(near) ? image.path : near
  const kind = [image.format, image.variant, image.type === null ? [] : image.type.toLowerCase()]
    .flat()
    .join(' ')
  const used = image.attachedTo.length > 0 ? `; attached to ${image.attachedTo.join(', ')}` : ''
  return escapeName(`${path} (${kind}${used})`)
}

function planTable(plans: MachineInfo['plans']): string[] {
  const names = Object.keys(COMMAND_OF) as PlannedOperation[]
  return names.flatMap(name => {
    const [first = '', ...others] = describePlan(plans[name])
    return [`${COMMAND_OF[name].padEnd(8)}  ${first}`, ...others.map(line => `${' '.repeat(10)}${line}`)]
  })
}

function describePlan(plan: PlanInfo): string[] {
  if (plan.refusal !== undefined) return [`refused: ${escapeName(plan.refusal.message)}`]
  const steps = plan.steps.flatMap(step => describeStep(step, 'planned'))
  if (plan.changed === 'unknown') return [...steps, 'unknown without a look into the disks: --scan']
  return steps.length > 0 ? steps : ['nothing to do']
}

function indent(lines: readonly string[]): string[] {
  return lines.map(line => `  ${line}`)
}

function words(state: string): string {
  return escapeName(state).replaceAll('_', ' ')
}
