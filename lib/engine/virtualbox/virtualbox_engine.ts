import type {
  CompactStep,
  DiscardStep,
  RestoreStep,
  SnapshotRef,
  SnapshotStep,
  Step,
} from '../../ensure/result.ts'
import { EXIT_STATUS, VboxmergeError } from '../../errors.ts'
import { isStop, stopped } from '../../failure_state.ts'
import { eachMedium } from '../../machine/media_graph.ts'
import { printable } from '../../virtualbox/printable.ts'
import { deleteSnapshot } from './delete_snapshot.ts'
import { lookAgain } from './look_again.ts'
import { recoverMachine } from './recover_machine.ts'
import {
  callOptions,
  checkMachine,
  findSnapshot,
  loadSettings,
  type VirtualBoxRun,
} from './virtualbox_run.ts'

/**
 * Lets VirtualBox carry out a plan, step after step, one call of VBoxManage after the other, and checks in
 * the `.vbox` file what each call did.
 *
 * @throws {VboxmergeError} of the step that failed, with the steps done and left; or the reason of the run's
 * signal, after the call that was running
 */
export async function applyWithVirtualBox(run: VirtualBoxRun): Promise<void> {
  const { steps } = run
  let changed = false
  const onPartDone = (): void => {
    changed = true
  }
  for (const [index, step] of steps.entries()) {
    const counts = { stepsDone: index, stepsLeft: steps.length - index }
    try {
      run.signal?.throwIfAborted()
      await applyStep({ ...run, onPartDone }, step)
    } catch (error) {
      if (isStop(error, run.signal)) throw stopped(error, stateAfter(changed, counts), { changed, ...counts })
      throw error instanceof VboxmergeError ? explained(error, changed, counts) : error
    }
    onPartDone()
    run.onStepDone?.(index)
  }
}

/** Steps of the plan that are done, and those that are not. */
interface StepCounts {
  readonly stepsDone: number
  readonly stepsLeft: number
}

/** What a run that was stopped leaves. VirtualBox came to the end of every call. */
function stateAfter(changed: boolean, { stepsDone, stepsLeft }: StepCounts): string {
  if (!changed) return 'the machine is as it was'
  const steps = `${stepsDone} of ${stepsDone + stepsLeft} steps`
  return `a part of the work is done (${steps}), and the machine is whole; run the same command again to finish`
}

/** A refusal would say that nothing was changed. */
function explained(error: VboxmergeError, changed: boolean, counts: StepCounts): VboxmergeError {
  const details = { cause: error.cause ?? error, changed, ...counts }
  if (!changed || EXIT_STATUS[error.code] !== EXIT_STATUS.unsupported) {
    return new VboxmergeError(error.code, error.message, details)
  }
  const message = `${error.message}; what was done before that stays, and the same command goes on from there`
  return new VboxmergeError('engine_failed', message, details)
}

async function applyStep(run: VirtualBoxRun, step: Step): Promise<void> {
  switch (step.kind) {
    case 'recover':
      await recoverMachine(run)
      return
    case 'restore':
      return restore(run, step)
    case 'discard':
      return step.what === 'branches' ? deleteAll(run, step, step.snapshots) : discardState(run, step)
    case 'merge':
      return deleteAll(run, step, step.snapshots)
    case 'compact':
      return compact(run, step)
    case 'snapshot':
      return takeSnapshot(run, step)
  }
}

async function deleteAll(run: VirtualBoxRun, step: Step, snapshots: readonly SnapshotRef[]): Promise<void> {
  for (const [index, snapshot] of snapshots.entries()) {
    const report = reporter(run, step, snapshot.name, index, snapshots.length)
    await deleteSnapshot(run, snapshot, report)
    report(100)
    run.onPartDone?.()
  }
}

async function restore(run: VirtualBoxRun, step: RestoreStep): Promise<void> {
  const { snapshot } = step
  await checkMachine(run, true)
  const report = reporter(run, step, snapshot.name)
  await run.manage.restoreSnapshot(run.machineId, snapshot, callOptions(run, report))
  run.onPartDone?.()
  const { currentSnapshot, currentState } = await loadSettings(run)
  if (currentSnapshot !== snapshot.id) {
    throw unseen(`restore snapshot "${printable(snapshot.name)}"`, 'it is not the current snapshot')
  }
  // A snapshot that was taken of a running machine brings its saved state with it.
  if (currentState.stateFile !== undefined) await discardState(run, step)
}

async function discardState(run: VirtualBoxRun, step: RestoreStep | DiscardStep): Promise<void> {
  run.signal?.throwIfAborted()
  await checkMachine(run, true)
  await run.manage.discardState(run.machineId, callOptions(run))
  const { currentState } = await loadSettings(run)
  if (currentState.stateFile !== undefined) {
    throw unseen('discard the saved state', `"${printable(currentState.stateFile)}" is still named`)
  }
  reporter(run, step, 'saved state')(100)
}

async function compact(run: VirtualBoxRun, step: CompactStep): Promise<void> {
  for (const [index, { image, path }] of step.images.entries()) {
    run.signal?.throwIfAborted()
    await checkMachine(run, false)
    await lookAgain(run, `compact "${printable(path)}"`, [{ id: image, path }])
    const report = reporter(run, step, path, index, step.images.length)
    await run.manage.compactImage(image, callOptions(run, report))
    report(100)
    run.onPartDone?.()
  }
}

async function takeSnapshot(run: VirtualBoxRun, step: SnapshotStep): Promise<void> {
  const { name, description } = step
  await checkMachine(run, false)
  const present = await loadSettings(run)
  const attached = new Set(present.currentState.attachments.map(({ image }) => image))
  const media = [...eachMedium(present.media)].filter(({ id }) => attached.has(id))
  await lookAgain(run, `take snapshot "${printable(name)}"`, media)
  const report = reporter(run, step, name)
  const id = await run.manage.takeSnapshot(run.machineId, name, description, callOptions(run, report))
  const settings = await loadSettings(run)
  const { currentSnapshot } = settings
  const taken = currentSnapshot === undefined ? undefined : findSnapshot(settings, currentSnapshot)
  const isNew = taken !== undefined && taken.id !== present.currentSnapshot
  if (!isNew || (id === undefined ? taken.name !== name : taken.id !== id)) {
    throw unseen(`take snapshot "${printable(name)}"`, 'it is not the current snapshot')
  }
}

/** Returns what takes the progress of one of several parts of a step and reports that of the whole step. */
function reporter(
  run: VirtualBoxRun,
  { kind }: Step,
  subject: string,
  part = 0,
  parts = 1,
): (percent: number) => void {
  return percent => {
    const done = (100 * part + percent) / parts
    run.onProgress?.({ phase: kind, subject, done, total: 100, unit: 'percent' })
  }
}

function unseen(action: string, found: string): VboxmergeError {
  return new VboxmergeError(
    'engine_failed',
    `Cannot ${action}: VirtualBox reports success, but ${found} in the settings file; look at it (vboxmerge info), and run the same command again`,
  )
}
