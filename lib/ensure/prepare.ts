import { chooseEngine, type EngineChoice, type EngineWish } from '../engine/choose.ts'
import { chooseCompaction } from '../engine/choose_compaction.ts'
import type { ExaminedStates } from '../engine/examine_state.ts'
import { type Measured, measureFolds } from '../engine/measure_folds.ts'
import type { Prepared } from '../engine/prepared.ts'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { type InspectedMachine, inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { eachSnapshot } from '../machine/media_graph.ts'
import { checkVariables } from '../machine/own_files.ts'
import type { ReadTime } from './estimate.ts'
import { makePlan } from './plan.ts'
import { planTree, type TreePlan } from './plan_tree.ts'
import type { Progress } from './progress.ts'
import type { Session } from './session.ts'
import type { Wanted } from './wanted.ts'

/** What preparing needs beside the machine. */
export interface PrepareContext {
  readonly files: Files
  readonly session: Session
  readonly wanted: Wanted
  readonly wish: EngineWish
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
  /** A look at the machine that was just made; by default prepare looks itself. */
  readonly inspected?: InspectedMachine
  /** What was found of guests, where more than one plan is made of a machine. */
  readonly examined?: ExaminedStates | undefined
}

/** A plan with the engine that is to carry it out. */
export interface PreparedRun extends Prepared {
  readonly choice: EngineChoice
  /** How long it took to read what the plan is made of. */
  readonly read: ReadTime
}

/**
 * Looks at a machine and plans. Writes nothing.
 *
 * @param previous An earlier preparation of the same machine, whose measurements are used where no image changed.
 * @param ownJournal True when the journal beside the settings is that of the run itself.
 * @throws {VboxmergeError} When the machine cannot be read or the wanted state cannot be reached; an obstacle of
 * the engine is part of the result, because it does not matter when there is nothing to do.
 */
export async function prepare(
  context: PrepareContext,
  previous?: Prepared,
  ownJournal = false,
): Promise<PreparedRun> {
  const { files, session, wanted, wish, onProgress, signal, examined } = context
  signal?.throwIfAborted()
  const { settingsFile, vboxUserHome } = session
  const found = context.inspected ?? (await inspect(files, settingsFile, vboxUserHome, previous?.machine))
  const machine = ownJournal ? withoutJournal(found) : found
  const { inspection } = machine
  refuseProblems(inspection)
  const tree = planTree(inspection, wanted)
  const hasManage = async (): Promise<boolean> => (await session.manage()) !== undefined
  const choice = await chooseEngine(inspection, tree, wish, hasManage)
  const measureContext = {
    files,
    onProgress,
    signal,
    examined,
    ...(previous === undefined ? {} : { previous: previous.measured }),
  }
  const { compaction, warnings } = chooseCompaction(inspection, tree, wanted.compacted, choice)
  const begun = performance.now()
  const measured: Measured = await measureFolds(inspection, tree, compaction, measureContext)
  const read = { bytes: measured.figures.scannedBytes, seconds: (performance.now() - begun) / 1000 }
  const foundInside = [...warnings, ...(measured.free?.warnings ?? [])]
  const plan = makePlan(inspection, tree, measured.figures, choice.name, foundInside)
  // To finish what an interrupted run left changes no disk, unless there is a further step.
  if (plan.steps.some(({ kind }) => kind !== 'recover')) refuseSavedState(inspection, wanted)
  if (plan.steps.length > 0) await refuseForeignVariables(files, inspection, tree)
  return { machine, plan, measured, choice, read }
}

function withoutJournal(machine: InspectedMachine): InspectedMachine {
  return { ...machine, journal: undefined, inspection: { ...machine.inspection, interrupted: undefined } }
}

function refuseProblems({ settings, images }: Inspection): void {
  for (const { problem } of images.values()) {
    if (problem === undefined) continue
    throw new VboxmergeError(
      problem.code,
      `Cannot work on ${JSON.stringify(settings.name)}: ${problem.message}`,
    )
  }
}

/** EFI variables that are copied for a snapshot, or replaced by those of one. */
async function refuseForeignVariables(
  files: Files,
  { settings, nvram }: Inspection,
  { restore, snapshot }: TreePlan,
): Promise<void> {
  const restored = [...eachSnapshot(settings.rootSnapshot)].find(({ id }) => id === restore?.id)?.nvramFile
  if (restored !== undefined) await checkVariables(files, settings, restored)
  if (restored !== undefined || (snapshot !== undefined && nvram.exists)) {
    await checkVariables(files, settings, nvram.path)
  }
}

function refuseSavedState({ settings }: Inspection, wanted: Wanted): void {
  if (settings.currentState.stateFile === undefined || wanted.discardSavedState) return
  throw new VboxmergeError(
    'machine_not_off',
    `Cannot change ${JSON.stringify(settings.name)}: it is saved; start it and shut it down, or give its saved ` +
      'state up with discardSavedState=true: its memory would not fit its disks any more',
  )
}
