import { resolve } from 'node:path'
import { checkWritable } from '../engine/check_writable.ts'
import { applyPlan, type EngineWish } from '../engine/choose.ts'
import type { DirectRun } from '../engine/direct/direct_run.ts'
import { rememberCompaction } from '../engine/remember_compaction.ts'
import { VboxmergeError } from '../errors.ts'
import { failureAfterChange } from '../failure_state.ts'
import { userNumber } from '../machine/current_user.ts'
import type { Inspection } from '../machine/inspection.ts'
import { clearStaleLock, withLock } from '../machine/lock.ts'
import { versionWarnings } from '../virtualbox/versions.ts'
import { checkSettingsSpace, checkSpace, spaceNeeds } from './check_space.ts'
import { checkUnchanged } from './check_unchanged.ts'
import { digestDisks } from './digest_disks.ts'
import { estimate } from './estimate.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import { lookUnlocked } from './look_unlocked.ts'
import { checkUnused, type UseContext } from './machine_use.ts'
import type { CommonOptions } from './options.ts'
import { piecesOf } from './overall_progress.ts'
import { summarize } from './plan.ts'
import { type PrepareContext, type PreparedRun, prepare } from './prepare.ts'
import {
  DELETION_FINISHED,
  finishDeletion,
  forecastDeletion,
  hasUnfinishedDeletion,
  SAVE_FINISHED,
  SAVE_STEP,
} from './recover_virtualbox.ts'
import type { EnsureResult, RecoverStep, RunTimes, Step, Warning } from './result.ts'
import { openSession, type Session } from './session.ts'
import { operationOf } from './status_reporter.ts'
import { type StepTimes, startTimes } from './step_times.ts'
import { tellProgress } from './tell_progress.ts'
import { verifyOutcome } from './verify_outcome.ts'
import type { Wanted } from './wanted.ts'
import { type RunWatch, withReport } from './with_report.ts'

/** How a failure goes on that comes after the last step. */
const WORK_IS_DONE =
  'the work on the machine was done before that; run the same command again to see that it is as wanted'

/** Options of every operation, checked and with their defaults. */
export type CheckedOptions = CommonOptions & EngineWish & { readonly lockTimeout: number }

/**
 * Puts a machine into a wanted disk state: looks, plans, acts where something is missing, looks again.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} As the codes in the contract say; the reason of the signal.
 */
export async function ensureWanted(
  machine: string,
  wanted: Wanted,
  options: CheckedOptions,
  host: EnsureHost = realEnsureHost,
): Promise<EnsureResult> {
  options.signal?.throwIfAborted()
  const session = await openSession(host, machine, options, options.check === true ? undefined : options)
  return await withReport(host, session, options, async watch => {
    return await new EnsureRun(host, session, wanted, options, watch).perform()
  })
}

/** One call of an ensure operation; keeps what its parts share. */
class EnsureRun {
  readonly #host: EnsureHost
  readonly #session: Session
  readonly #options: CheckedOptions
  readonly #context: PrepareContext
  readonly #watch: RunWatch
  #sharedBytes = 0
  /** What of the run is done, and what helps when it fails now; undefined until something is. */
  #done: { readonly state: string; readonly steps: number } | undefined
  /** Throws when the machine is not as its backup holds it. */
  #checkKept: (present: Inspection) => void = () => {}

  constructor(host: EnsureHost, session: Session, wanted: Wanted, options: CheckedOptions, watch: RunWatch) {
    this.#host = host
    this.#session = session
    this.#options = options
    this.#watch = watch
    this.#context = {
      files: host.files,
      session,
      wanted,
      wish: { engine: options.engine, registration: options.registration },
      onProgress: options.onProgress ?? (() => {}),
      signal: options.signal,
    }
  }

  async perform(): Promise<EnsureResult> {
    try {
      return await this.#recoverAndEnsure()
    } catch (error) {
      if (this.#done === undefined) throw error
      throw failureAfterChange(error, this.#done.state, this.#options.signal, this.#done.steps)
    }
  }

  async #recoverAndEnsure(): Promise<EnsureResult> {
    const { check } = this.#options
    const recovered: RecoverStep[] = []
    const told: Warning[] = []
    let recovery: RunTimes = { total: 0, steps: [] }
    if (this.#session.finishedSave) {
      recovered.push(SAVE_STEP)
      recovery = { total: 0, steps: [0] }
      this.#done = { state: SAVE_FINISHED, steps: 1 }
    }
    if (await hasUnfinishedDeletion(this.#host, this.#session)) {
      if (check === true) return await forecastDeletion(this.#host, this.#session)
      const times = startTimes(1)
      const { step, warnings } = await finishDeletion(this.#host, this.#session, this.#options)
      const { total, steps } = times.end()
      recovery = { total: recovery.total + total, steps: [...recovery.steps, ...steps] }
      recovered.push(step)
      told.push(...warnings)
      const state = [DELETION_FINISHED, ...warnings.map(({ message }) => message)].join('. ')
      this.#done = { state, steps: recovered.length }
    }
    const result = await this.#ensure()
    if (recovered.length === 0) return result
    const warnings = [...told, ...result.warnings]
    const steps = [...recovered, ...result.steps]
    const { total, steps: own } = result.times ?? { total: 0, steps: [] }
    const times = { total: recovery.total + total, steps: [...recovery.steps, ...own] }
    return { ...result, changed: true, steps, times, warnings }
  }

  async #ensure(): Promise<EnsureResult> {
    const { check, whenBusy } = this.#options
    let planned: PreparedRun
    try {
      planned = await this.#look()
    } catch (error) {
      if (whenBusy !== 'skip' || !isBusy(error)) throw error
      const seen = await prepare(this.#context)
      return { ...(await this.#result(seen, seen)), skipped: error.message }
    }
    if (planned.plan.steps.length === 0) {
      if (check !== true) {
        await clearStaleLock(this.#host.files, this.#session.settingsFile)
        await rememberCompaction(this.#host.files, planned, this.#session)
      }
      return await this.#result(planned, planned)
    }
    try {
      if (planned.choice.refusal !== undefined) throw planned.choice.refusal
      return check === true ? await this.#forecast(planned) : await this.#carryOut(planned)
    } catch (error) {
      if (whenBusy !== 'skip' || !isBusy(error)) throw error
      return { ...(await this.#result(planned, planned)), skipped: error.message }
    }
  }

  async #look(): Promise<PreparedRun> {
    const { lockTimeout: timeout, signal } = this.#options
    return await lookUnlocked(
      this.#host.files,
      this.#session.settingsFile,
      { timeout, signal },
      async () => await prepare(this.#context),
      ({ plan }) => plan.steps.length === 0,
    )
  }

  async #forecast(planned: PreparedRun): Promise<EnsureResult> {
    await this.#checkRefusals(planned)
    const { plan, machine, choice, read } = planned
    const settingsBytes = machine.settingsBytes.length
    const isOurs = choice.name === 'direct'
    const { files } = this.#host
    const { vboxUserHome } = this.#session
    const space = isOurs ? await spaceNeeds(files, machine.inspection, settingsBytes, vboxUserHome, plan) : []
    return {
      ...(await this.#result(planned, planned, plan.steps)),
      after: plan.after,
      estimate: estimate(plan.steps, choice.name, read, space),
    }
  }

  async #carryOut(planned: PreparedRun): Promise<EnsureResult> {
    const { files } = this.#host
    const { lockTimeout, signal } = this.#options
    const lock = { timeout: lockTimeout, signal }
    return await withLock(files, this.#session.settingsFile, lock, async ({ token }) => {
      const prepared = await prepare(this.#context, planned)
      if (prepared.plan.steps.length === 0) return await this.#result(prepared, prepared)
      if (prepared.choice.refusal !== undefined) throw prepared.choice.refusal
      await this.#checkRefusals(prepared)
      const { backup } = this.#options
      if (backup === undefined) return await this.#apply(prepared, token)
      return await this.#applyWithBackup(prepared, backup, token)
    })
  }

  async #apply(prepared: PreparedRun, token: string): Promise<EnsureResult> {
    const compares = this.#options.verify === 'full' && prepared.choice.name === 'virtualbox'
    // What few runs need is loaded by those.
    const content = compares ? await import('./verify_content.ts') : undefined
    const expected = await content?.expectContent(this.#context, prepared)
    await this.#watch.before(prepared.machine.inspection, prepared.measured.free)
    const times = startTimes(prepared.plan.steps.length)
    await this.#carryOutPlan(prepared, token, times)
    const taken = times.end()
    this.#done = { state: WORK_IS_DONE, steps: (this.#done?.steps ?? 0) + prepared.plan.steps.length }
    const after = await verifyOutcome(this.#context, prepared)
    if (expected !== undefined) await content?.compareContent(this.#context, expected, after)
    const result = await this.#result(prepared, after, prepared.plan.steps)
    return { ...result, times: taken, warnings: [...result.warnings, ...(expected?.warnings ?? [])] }
  }

  async #applyWithBackup(planned: PreparedRun, folder: string, token: string): Promise<EnsureResult> {
    const { onProgress, signal } = this.#context
    const context = { host: this.#host, session: this.#session, onProgress, signal }
    const { checkAsKept, failureWithBackup, keepBackup, noteOutcome } = await import('./keep_backup.ts')
    const kept = planned.machine.inspection
    const { folder: backup, isShared } = await keepBackup(context, planned, folder)
    try {
      // It may have taken long, and our lock keeps no one from starting the machine in VirtualBox.
      const prepared = await prepare(this.#context, planned)
      checkAsKept(kept, prepared.machine.inspection)
      await this.#checkRefusals(prepared, isShared)
      this.#checkKept = present => checkAsKept(kept, present)
      const result = await this.#apply(prepared, token)
      const warnings = await noteOutcome(context, backup)
      return { ...result, backup, warnings: [...result.warnings, ...warnings] }
    } catch (error) {
      throw await failureWithBackup(context, planned, backup, error)
    }
  }

  /** Carries out a plan, and tells the caller and others how far that is. */
  async #carryOutPlan(prepared: PreparedRun, token: string, times: StepTimes): Promise<void> {
    const { settingsFile } = this.#session
    const { wanted, onProgress } = this.#context
    const pieces = piecesOf(prepared)
    const run = { settingsFile, token, operation: operationOf(wanted), pieces, onProgress }
    const teller = tellProgress(this.#host, run)
    try {
      await applyPlan(prepared.choice, await this.#engineRun(prepared, times, teller.onProgress))
    } finally {
      await teller.end()
    }
  }

  /** @param isShared Whether images share their place on the disk with a backup. */
  async #checkRefusals(prepared: PreparedRun, isShared = false): Promise<void> {
    const { machine, plan, choice } = prepared
    const { files } = this.#host
    const { backup } = this.#options
    await checkUnused(machine.inspection, this.#useContext())
    if (backup !== undefined) {
      const { checkBackupPlace } = await import('../backup/make_backup.ts')
      await checkBackupPlace(files, machine.inspection, resolve(this.#host.cwd(), backup))
    }
    const { vboxUserHome } = this.#session
    const settingsBytes = machine.settingsBytes.length
    if (choice.name !== 'direct') {
      await checkSettingsSpace(files, machine.inspection, settingsBytes, vboxUserHome)
      return
    }
    await checkWritable(files, prepared)
    await checkSpace(files, machine.inspection, settingsBytes, vboxUserHome, plan, isShared)
  }

  #useContext(): UseContext {
    const { files, processes } = this.#host
    const { lockTimeout, signal, check } = this.#options
    const { vboxUserHome, manage } = this.#session
    const seen = processes === undefined ? {} : { processes }
    // Whoever only asks does not wait.
    return { files, manage, vboxUserHome, lockTimeout: check === true ? 0 : lockTimeout, signal, ...seen }
  }

  async #engineRun(
    prepared: PreparedRun,
    times: StepTimes,
    onProgress: DirectRun['onProgress'],
  ): Promise<DirectRun> {
    const { lockTimeout, signal } = this.#options
    const { inspection } = prepared.machine
    const needsManage =
      prepared.choice.name === 'virtualbox' ||
      inspection.registration.registered ||
      inspection.interrupted?.registered === true
    return {
      files: this.#host.files,
      prepared,
      prepareAgain: async ownJournal => {
        const again = await prepare(this.#context, prepared, ownJournal)
        this.#checkKept(again.machine.inspection)
        return again
      },
      checkUnchanged: async ({ machine }) => await checkUnchanged(machine, this.#useContext()),
      manage: needsManage ? await this.#session.manage(prepared.choice.name) : undefined,
      // A number, because looking a name up would need one more of Deno's permissions.
      user: String(userNumber() ?? ''),
      vboxUserHome: this.#session.vboxUserHome,
      lockTimeout,
      now: this.#host.now(),
      onProgress,
      onStepDone: times.stepDone,
      onShared: bytes => {
        this.#sharedBytes += bytes
      },
      signal,
      verify: this.#options.verify ?? 'tables',
    }
  }

  async #result(before: PreparedRun, after: PreparedRun, steps: readonly Step[] = []): Promise<EnsureResult> {
    const { settings, registration } = before.machine.inspection
    await this.#watch.after(after.machine.inspection, after.measured.free)
    const result: EnsureResult = {
      changed: steps.length > 0,
      machine: {
        name: settings.name,
        id: settings.id,
        settingsFile: settings.file,
        registered: registration.registered || before.machine.inspection.interrupted?.registered === true,
      },
      engine: before.choice.name,
      engineReason: before.choice.reason,
      steps,
      before: summarize(before.machine.inspection),
      after: summarize(after.machine.inspection),
      sharedBytes: this.#sharedBytes,
      volumes: before.measured.free?.volumes ?? [],
      warnings: [...before.plan.warnings, ...(await this.#engineWarnings(before))],
    }
    if (this.#options.digest !== true) return result
    const digests = await digestDisks(this.#context, after.machine.inspection)
    return { ...result, digests }
  }

  async #engineWarnings({ choice, plan, machine }: PreparedRun): Promise<Warning[]> {
    if (choice.name !== 'virtualbox' || plan.steps.length === 0) return []
    const manage = await this.#session.manage()
    if (manage === undefined) return []
    const hasDifferencing = [...machine.inspection.images.values()].some(
      image => image.medium.parent !== undefined,
    )
    return versionWarnings(await manage.version(), hasDifferencing)
  }
}

/** Tells whether a failure only says that the machine is used at the moment. */
export function isBusy(error: unknown): error is VboxmergeError {
  return (
    error instanceof VboxmergeError && (error.code === 'machine_not_off' || error.code === 'machine_locked')
  )
}
