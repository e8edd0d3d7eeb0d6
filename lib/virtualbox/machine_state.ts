import type { Uuid } from '../machine/machine.ts'

/**
 * What VBoxManage says about the state of a machine. There is one entry normally; a name or a description with
 * a line that looks like a state adds one, and nobody can tell which is the true one, so every question about
 * the state is answered for all of them.
 */
export interface MachineState {
  /** As VBoxManage has them: `poweroff`, `deletingsnapshot`. Empty when it knows none. */
  readonly states: readonly string[]
  /** The settings files that VBoxManage names, normally one; since 7.0 with `\` before quotes and `\`. */
  readonly settingsFiles: readonly string[]
}

const OFF: ReadonlySet<string> = new Set(['poweroff', 'aborted'])
const SAVED: ReadonlySet<string> = new Set(['saved', 'aborted-saved', 'abortedsaved'])

/** States that a machine leaves by itself after a while. */
const PASSING: ReadonlySet<string> = new Set([
  'deletingsnapshot',
  'discarding',
  'onlinesnapshotting',
  'restoring',
  'restoringsnapshot',
  'saving',
  'settingup',
  'snapshotting',
  'stopping',
])

/** Reads the states from the output of `showvminfo --machinereadable`. */
export function parseMachineState(stdout: string): MachineState {
  const states = stdout.matchAll(/^VMState="([^"\n]*)"\r?$/gm)
  const files = stdout.matchAll(/^CfgFile="([\s\S]*?)(?<!\\)"\r?$/gm)
  return { states: firstGroups(states), settingsFiles: firstGroups(files) }
}

function firstGroups(matches: Iterable<RegExpMatchArray>): string[] {
  return [...new Set([...matches].map(match => match[1] ?? ''))]
}

/** True when the machine is certainly switched off and has no saved state. */
export function isOff({ states }: MachineState): boolean {
  return states.length > 0 && states.every(state => OFF.has(state))
}

/** True when the machine's disks certainly rest: it is switched off, with or without a saved state. */
export function isAtRest({ states }: MachineState): boolean {
  return states.length > 0 && states.every(state => OFF.has(state) || SAVED.has(state))
}

/** True when the machine is certainly in a state that passes, so that waiting helps. */
export function isPassing({ states }: MachineState): boolean {
  return states.length > 0 && states.every(state => PASSING.has(state))
}

/** A registered machine as `list vms` shows it. */
export interface ListedMachine {
  readonly id: Uuid
  /** For finding a machine by its name; what is found is compared with its settings file. */
  readonly name: string
}

/**
 * Reads the output of `list vms` and `list runningvms`.
 *
 * A record is `"name" {uuid}`, but VirtualBox allows quotes and line ends in names, so that a name can imitate
 * records. Every machine of the list is found; a machine that is not in it may seem to be.
 */
export function parseMachineList(stdout: string): ListedMachine[] {
  const record = /^(?:"([\s\S]*?)"|<inaccessible!?>) \{([0-9a-f-]{36})\}\r?$/gim
  return [...stdout.matchAll(record)].map(([, name = '', id = '']) => ({ id: id.toLowerCase(), name }))
}
