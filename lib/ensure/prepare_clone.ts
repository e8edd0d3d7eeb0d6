import type { EngineChoice, EngineWish } from '../engine/choose.ts'
import { chooseCloneEngine } from '../engine/choose_clone.ts'
import { type MeasuredClone, measureClone } from '../engine/measure_clone.ts'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { stateText } from '../machine/clone_settings.ts'
import { cloneFingerprint } from '../machine/clone_stamp.ts'
import { type InspectedMachine, inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Snapshot } from '../machine/machine.ts'
import { chainOf, indexMedia } from '../machine/media_graph.ts'
import { checkVariables, MAX_NVRAM_BYTES } from '../machine/own_files.ts'
import { parseSettings } from '../machine/settings_document.ts'
import { hashOf } from '../machine/settings_hash.ts'
import { forecastClone } from './clone_figures.ts'
import type { ReadTime } from './estimate.ts'
import { findClone } from './find_clone.ts'
import {
  type ClonePlan,
  clonePlace,
  cloneState,
  type FoundClone,
  planClone,
  type WantedClone,
} from './plan_clone.ts'
import type { Progress } from './progress.ts'
import type { CloneStep, MachineSummary } from './result.ts'
import type { Session } from './session.ts'

/** What preparing a clone needs beside the machine. */
export interface CloneContext {
  readonly files: Files
  readonly session: Session
  readonly wanted: WantedClone
  readonly wish: EngineWish
  /** From which a relative folder is counted. */
  readonly cwd: string
  /** Whether the figures have to be exact before anything is written. */
  readonly findZeros: boolean
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
}

/** A machine, what is where its clone is to be, and what is to be done. */
export interface PreparedClone {
  readonly machine: InspectedMachine
  readonly fingerprint: string
  readonly found: FoundClone
  readonly plan: ClonePlan
  readonly measured: MeasuredClone
  readonly choice: EngineChoice
  /** How long it took to read what the plan is made of. */
  readonly read: ReadTime
  /** Undefined when there is nothing to do. */
  readonly step: CloneStep | undefined
  /** The clone as it is or will be. */
  readonly after: MachineSummary
}

/**
 * Looks at a machine and where its clone is to be, and plans. Writes nothing.
 *
 * @param previous An earlier preparation, whose scans are used while the state is the same.
 * @throws {VboxmergeError} When the machine cannot be read, or the clone cannot be what is wanted.
 */
export async function prepareClone(context: CloneContext, previous?: PreparedClone): Promise<PreparedClone> {
  const { files, session, wanted, wish, cwd, findZeros, onProgress, signal } = context
  signal?.throwIfAborted()
  const { settingsFile, vboxUserHome } = session
  const machine = await inspect(files, settingsFile, vboxUserHome, previous?.machine)
  const { inspection } = machine
  const state = cloneState(inspection, wanted.from)
  refuseProblems(inspection, state)
  const fingerprint = await readFingerprint(files, machine, state)
  const place = clonePlace(inspection, wanted, cwd)
  const found = await findClone(files, inspection, place, vboxUserHome)
  const plan = planClone(inspection, wanted, place, fingerprint, found)
  const choice = await chooseCloneEngine(inspection, plan, wish, async () => {
    return (await session.manage()) !== undefined
  })
  // What cannot be carried out need not be measured.
  if (plan.action !== 'none' && choice.refusal !== undefined) throw choice.refusal
  const known = previous?.fingerprint === fingerprint ? previous.measured : undefined
  const { freeSpace } = wanted
  const begun = performance.now()
  const measured = await measureClone(inspection, plan, {
    files,
    onProgress,
    signal,
    freeSpace,
    findZeros,
    previous: known,
  })
  const bytes = measured.disks.reduce((sum, { dead }) => sum + dead.readBytes, 0)
  const read = { bytes, seconds: (performance.now() - begun) / 1000 }
  const forecast = forecastClone(plan, found, measured.disks)
  return { machine, fingerprint, found, plan, measured, choice, read, ...forecast }
}

/**
 * Tells what state a machine is in now, by facts that need no disk read.
 *
 * @param known An earlier look at it.
 * @throws {VboxmergeError} When the machine cannot be read.
 */
export async function presentFingerprint(
  { files, session, wanted }: CloneContext,
  known: InspectedMachine,
): Promise<string> {
  const machine = await inspect(files, session.settingsFile, session.vboxUserHome, known)
  const state = cloneState(machine.inspection, wanted.from)
  // An image that cannot be read any more has not changed.
  refuseProblems(machine.inspection, state)
  return await readFingerprint(files, machine, state)
}

async function readFingerprint(
  files: Files,
  { inspection, settingsBytes }: InspectedMachine,
  state: Snapshot | undefined,
): Promise<string> {
  const doc = parseSettings(settingsBytes, inspection.settings.file)
  const path = state === undefined ? inspection.nvram.path : state.nvramFile
  const exists = path !== undefined && (await files.stat(path))?.kind === 'file'
  if (exists) await checkVariables(files, inspection.settings, path)
  const nvram = exists ? hashOf(await files.readFile(path, MAX_NVRAM_BYTES)) : undefined
  return cloneFingerprint(inspection, state, { settings: stateText(doc, state?.id), nvram })
}

/** Only images that the state reads matter. */
function refuseProblems({ settings, images }: Inspection, state: Snapshot | undefined): void {
  const media = indexMedia([[...images.values()].map(image => image.medium)])
  for (const { image } of (state ?? settings.currentState).attachments) {
    for (const { id } of chainOf(media, image)) {
      const problem = images.get(id)?.problem
      if (problem === undefined) continue
      throw new VboxmergeError(
        problem.code,
        `Cannot clone ${JSON.stringify(settings.name)}: ${problem.message}`,
      )
    }
  }
}
