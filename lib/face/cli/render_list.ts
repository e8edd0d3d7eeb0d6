import { basename, dirname } from 'node:path'
import type { MachineInfo } from '../../machine/info_types.ts'
import { describeRunning, words } from './render_info.ts'
import type { Screen } from './screen.ts'
import { alignColumns, escapeName, formatBytes, formatCount, truncate } from './text.ts'
import { wrap } from './wrap.ts'

/** The longest name that a line gives room to. */
const NAME_COLUMNS = 30

/** Shows machines for people, a line each, the largest first; below what is wrong with some, and what they sum up to. */
export function renderList(machines: readonly MachineInfo[], screen: Screen): string {
  if (machines.length === 0) {
    return `no machine is registered here; to look into a folder: vboxmerge list FOLDER\n`
  }
  const sorted = [...machines].sort((a, b) => b.summary.bytes - a.summary.bytes)
  const rows = sorted.map(info => [
    truncate(nameOf(info), NAME_COLUMNS, screen.glyphs.ellipsis),
    formatBytes(info.summary.bytes),
    savingOf(info),
    String(info.summary.snapshots),
    stateOf(info),
  ])
  const head = ['NAME', 'ON HOST', 'TO GAIN', 'SNAPSHOTS', 'STATE']
  const total = [`total of ${machines.length}`, formatBytes(sum(machines, ({ summary }) => summary.bytes))]
  const gain = sum(machines, info => Math.max(0, info.plans.golden_image.savedBytes ?? 0))
  const isAll = machines.every(info => isKnown(info))
  const rest = [isAll ? formatBytes(gain) : `${formatBytes(gain)}+`, '', '']
  const table = alignColumns([head, ...rows, [...total, ...rest]], [1, 2, 3])
  const lines = [...table.map(line => line.trimEnd()), '', ...notes(machines, screen)]
  return lines.map(line => `${line}\n`).join('')
}

function nameOf({ machine }: MachineInfo): string {
  // What cannot be read has no name but that of its file.
  return escapeName(machine.name || basename(machine.settingsFile))
}

/** What `golden` would give back, by what is known now. */
function savingOf(info: MachineInfo): string {
  const { savedBytes } = info.plans.golden_image
  if (savedBytes === null) return '?'
  return `${formatBytes(Math.max(0, savedBytes))}${isKnown(info) ? '' : '+'}`
}

/** Whether a look into the disks could tell no more. */
function isKnown({ plans }: MachineInfo): boolean {
  const { refusal } = plans.golden_image
  return refusal === undefined && plans.compacted.changed !== 'unknown'
}

function stateOf({ state, machine, running, unfinished }: MachineInfo): string {
  const notes = [
    running === null ? words(state) : `vboxmerge works on it`,
    machine.registered || state === 'inaccessible' ? [] : 'not registered',
    unfinished === null ? [] : 'unfinished',
  ]
  return notes.flat().join(', ')
}

function notes(machines: readonly MachineInfo[], { columns }: Screen): string[] {
  const told = machines.flatMap(info => {
    const { unfinished, running, plans, state, machine } = info
    if (running !== null) return [`${nameOf(info)}: ${describeRunning(running)}`]
    if (unfinished !== null) return [`${nameOf(info)}: ${unfinished.reason}. What helps: ${unfinished.help}`]
    if (state === 'inaccessible') return []
    const { refusal } = plans.golden_image
    if (refusal === undefined) return []
    const word = machine.registered ? machine.name : dirname(machine.settingsFile)
    return [`${nameOf(info)}: golden would refuse; why: vboxmerge info ${JSON.stringify(word)}`]
  })
  const legend =
    'TO GAIN is what vboxmerge golden would give back; "+": a look into the disks may find more (--scan)'
  const help = `${formatCount(machines.length, 'machine')}. ${legend}.`
  return [...told, help].flatMap(line => wrap(escapeName(line), columns, '  '))
}

function sum(machines: readonly MachineInfo[], figure: (info: MachineInfo) => number): number {
  return machines.reduce((total, info) => total + figure(info), 0)
}
