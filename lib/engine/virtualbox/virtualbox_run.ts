import type { Progress } from '../../ensure/progress.ts'
import type { Step } from '../../ensure/result.ts'
import { VboxmergeError } from '../../errors.ts'
import type { Files } from '../../io/files.ts'
import type { MachineSettings, Snapshot, Uuid } from '../../machine/machine.ts'
import { eachSnapshot } from '../../machine/media_graph.ts'
import { readSettings } from '../../machine/read_settings.ts'
import { MAX_SETTINGS_BYTES, parseSettings } from '../../machine/settings_document.ts'
import type { Clock } from '../../virtualbox/clock.ts'
import { isAtRest, isOff, type MachineState } from '../../virtualbox/machine_state.ts'
import type { Manage } from '../../virtualbox/manage.ts'
import type { CallOptions } from '../../virtualbox/manage_call.ts'
import { printable } from '../../virtualbox/printable.ts'

/** A plan that VirtualBox is to carry out. */
export interface VirtualBoxRun {
  readonly steps: readonly Step[]
  /** Absolute path of the `.vbox` file. */
  readonly settingsFile: string
  readonly machineId: Uuid
  readonly manage: Manage
  readonly files: Files
  /** Seconds to wait while another session holds the machine. Default 0. */
  readonly lockTimeout?: number
  readonly onProgress?: (progress: Progress) => void
  /** Stops the run after the call of VBoxManage that is running. */
  readonly signal?: AbortSignal
  /** Is told the index of each step that is done. */
  readonly onStepDone?: (index: number) => void
  /** Is told of each part of a step that is done: from then on a failure is no refusal. */
  readonly onPartDone?: () => void
  /** Default: the computer's. */
  readonly clock?: Clock
}

/** The options of every call of a run. */
export function callOptions(
  { lockTimeout, signal }: VirtualBoxRun,
  onPercent?: (percent: number) => void,
): CallOptions {
  return {
    ...(lockTimeout === undefined ? {} : { lockTimeout }),
    ...(signal === undefined ? {} : { signal }),
    ...(onPercent === undefined ? {} : { onPercent }),
  }
}

/** Reads the `.vbox` file as it is now. */
export async function loadSettings({ files, settingsFile }: VirtualBoxRun): Promise<MachineSettings> {
  return readSettings(parseSettings(await files.readFile(settingsFile, MAX_SETTINGS_BYTES), settingsFile))
}

/** A snapshot of a machine by its UUID. */
export function findSnapshot(settings: MachineSettings, id: Uuid): Snapshot | undefined {
  for (const snapshot of eachSnapshot(settings.rootSnapshot)) if (snapshot.id === id) return snapshot
  return undefined
}

/**
 * Checks that VirtualBox knows the machine from this settings file and that its disks rest.
 *
 * @param saved whether a saved state is allowed
 * @throws {VboxmergeError} `machine_not_off`; `machine_ambiguous` when VirtualBox has the machine elsewhere
 */
export async function checkMachine(run: VirtualBoxRun, saved: boolean): Promise<void> {
  const state = await run.manage.machineState(run.machineId, callOptions(run))
  const elsewhere = await registeredElsewhere(run, state)
  if (elsewhere !== undefined) {
    throw new VboxmergeError(
      'machine_ambiguous',
      `Cannot work on ${JSON.stringify(run.settingsFile)}: VirtualBox has this machine as "${printable(elsewhere)}"; ` +
        'name that file, or the VirtualBox home in which this one is registered',
    )
  }
  if (saved ? isAtRest(state) : isOff(state)) return
  const found = state.states.map(printable).join('" and "') || 'unknown'
  throw new VboxmergeError(
    'machine_not_off',
    `Cannot work on ${JSON.stringify(run.settingsFile)}: the state of the machine is "${found}"; shut it down first`,
  )
}

async function registeredElsewhere(run: VirtualBoxRun, state: MachineState): Promise<string | undefined> {
  const own = await run.files.realPath(run.settingsFile)
  for (const written of state.settingsFiles) {
    for (const path of [written, written.replace(/\\(["\\])/g, '$1')]) {
      if (path === run.settingsFile) return undefined
      if (own !== undefined && (await run.files.realPath(path)) === own) return undefined
    }
  }
  return state.settingsFiles[0]
}
