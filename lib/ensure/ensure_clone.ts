import { dirname } from 'node:path'
import { applyCloneRun } from '../engine/choose_clone.ts'
import { isDeletionUnfinished } from '../engine/unfinished_deletion.ts'
import { VboxmergeError } from '../errors.ts'
import { failureAfterChange } from '../failure_state.ts'
import { CLONE_NAME, decodeCloneStamp } from '../machine/clone_stamp.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { clearStaleLock, type Lock, withLock } from '../machine/lock.ts'
import { checkCloneSpace, cloneSpaceNeeds } from './check_space.ts'
import { forecastClone } from './clone_figures.ts'
import { digestDisks } from './digest_disks.ts'
import { type CheckedOptions, isBusy } from './ensure_wanted.ts'
import { estimate } from './estimate.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import { lookUnlocked } from './look_unlocked.ts'
import { checkUnused } from './machine_use.ts'
import { cloneDiskPieces } from './overall_progress.ts'
import { summarize } from './plan.ts'
import { clonePlace, type WantedClone } from './plan_clone.ts'
import { type CloneContext, type PreparedClone, prepareClone, presentFingerprint } from './prepare_clone.ts'
import type { EnsureResult, MachineRef, MachineSummary, SpaceNeed } from './result.ts'
import { openSession, type Session } from './session.ts'
import { startTimes } from './step_times.ts'
import { tellProgress } from './tell_progress.ts'
import { type RunWatch, withReport } from './with_report.ts'

/**
 * Makes a second, flat machine of a state of a machine, unless it is there already.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} As the codes in the contract say; the reason of the signal.
 */
export async function ensureClone(
  machine: string,
  wanted: WantedClone,
  options: CheckedOptions,
  host: EnsureHost = realEnsureHost,
): Promise<EnsureResult> {
  options.signal?.throwIfAborted()
  const session = await openSession(host, machine, options)
  return await withReport(host, session, options, async watch => {
    return await new EnsureCloneRun(host, session, wanted, options, watch).perform()
  })
}

/** One call of the operation; keeps what its parts share. */
class EnsureCloneRun {
  readonly #host: EnsureHost
  readonly #session: Session
  readonly #options: CheckedOptions
  readonly #context: CloneContext
  readonly #watch: RunWatch
  #sharedBytes = 0
  #isMade = false

  constructor(
    host: EnsureHost,
    session: Session,
    wanted: WantedClone,
    options: CheckedOptions,
    watch: RunWatch,
  ) {
    this.#host = host
    this.#session = session
    this.#options = options
    this.#watch = watch
    this.#context = {
      files: host.files,
      session,
      wanted,
      wish: { engine: options.engine, registration: options.registration },
      cwd: host.cwd(),
      findZeros: options.check === true,
      onProgress: options.onProgress ?? (() => {}),
      signal: options.signal,
    }
  }

  async perform(): Promise<EnsureResult> {
    try {
      return await this.#ensure()
    } catch (error) {
      if (this.#options.whenBusy !== 'skip' || !isBusy(error)) throw error
      return await this.#skipped(error)
    }
  }

  async #ensure(): Promise<EnsureResult> {
    await this.#refuseUnfinished()
    const planned = await this.#look()
    if (planned.step === undefined) {
      if (this.#options.check !== true) await this.#clearStaleLocks(planned)
      return await this.#result(planned, planned.found.clone?.machine, false)
    }
    if (this.#options.check !== true) return await this.#carryOut(planned)
    const space = await this.#checkRefusals(planned)
    const result = await this.#result(planned, undefined, true)
    return { ...result, estimate: estimate(result.steps, 'direct', planned.read, space) }
  }

  async #clearStaleLocks({ plan }: PreparedClone): Promise<void> {
    for (const settingsFile of [this.#session.settingsFile, plan.place.settingsFile]) {
      await clearStaleLock(this.#host.files, settingsFile)
    }
  }

  /** VirtualBox died while it deleted a snapshot: the settings do not fit the images. */
  async #refuseUnfinished(): Promise<void> {
    const { settingsFile } = this.#session
    if (!(await isDeletionUnfinished(this.#host.files, settingsFile))) return
    throw new VboxmergeError(
      'unsupported',
      `Cannot clone ${JSON.stringify(settingsFile)}: VirtualBox died while it deleted a snapshot of it; run that ` +
        'command again to finish it (vboxmerge merge)',
    )
  }

  async #look(): Promise<PreparedClone> {
    const { lockTimeout: timeout, signal } = this.#options
    return await lookUnlocked(
      this.#host.files,
      this.#session.settingsFile,
      { timeout, signal },
      async () => await prepareClone(this.#context),
      ({ step }) => step === undefined,
    )
  }

  async #carryOut(planned: PreparedClone): Promise<EnsureResult> {
    const { files } = this.#host
    const { lockTimeout, signal } = this.#options
    const patience = { timeout: lockTimeout, signal }
    const { settingsFile } = planned.plan.place
    const source = this.#session.settingsFile
    try {
      return await withLock(files, source, patience, async lock => {
        return await this.#withFolder(dirname(settingsFile), async () => {
          return await withLock(files, settingsFile, patience, async () => await this.#apply(planned, lock))
        })
      })
    } catch (error) {
      if (!this.#isMade) throw error
      const clone = JSON.stringify(settingsFile)
      const state = `the clone ${clone} was made before that; run the same command again to see that it is as wanted`
      throw failureAfterChange(error, state, signal, 1)
    }
  }

  /** Makes a folder for the time of some work, and for good when that comes to its end. */
  async #withFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
    const { files } = this.#host
    const isNew = (await files.stat(folder)) === undefined
    try {
      await files.makeFolder(folder, await files.stat(dirname(this.#session.settingsFile)))
      return await work()
    } catch (error) {
      // It is not empty when something of the clone could not be removed.
      if (isNew) await files.removeFolder(folder).catch(() => undefined)
      throw error
    }
  }

  async #apply(planned: PreparedClone, lock: Lock): Promise<EnsureResult> {
    const prepared = await this.#prepareToWrite(planned)
    const { machine, found, plan, measured, fingerprint } = prepared
    if (prepared.step === undefined) return await this.#result(prepared, found.clone?.machine, false)
    const { registered } = machine.inspection.registration
    const present = found.clone?.machine
    await this.#watch.before(machine.inspection)
    const times = startTimes(1)
    // The lock is the machine's, whose disks are what takes time to read.
    const teller = tellProgress(this.#host, {
      settingsFile: this.#session.settingsFile,
      token: lock.token,
      operation: 'cloned',
      pieces: cloneDiskPieces(measured.disks),
      onProgress: this.#context.onProgress,
    })
    const disks = await applyCloneRun({
      files: this.#host.files,
      source: machine,
      plan,
      disks: measured.disks,
      fingerprint,
      journal: found.journal,
      present:
        present === undefined
          ? undefined
          : { settings: present.settings, registered: present.registration.registered },
      manage:
        registered || present?.registration.registered === true ? await this.#session.manage() : undefined,
      registers: registered,
      vboxUserHome: this.#session.vboxUserHome,
      lockTimeout: this.#options.lockTimeout,
      onProgress: teller.onProgress,
      signal: this.#context.signal,
      verify: this.#options.verify ?? 'tables',
      onShared: bytes => {
        this.#sharedBytes += bytes
      },
      leaveSource: async () => {
        await this.#checkUnchanged(prepared)
        await teller.end()
        await lock.release()
      },
    }).finally(teller.end)
    this.#isMade = true
    const done = { ...prepared, measured: { ...measured, disks }, ...forecastClone(plan, found, disks) }
    const taken = times.end()
    return { ...(await this.#result(done, await this.#verify(done), true)), times: taken }
  }

  /** Blocks of zeros are found in the course of writing; only where the clone would not fit with them, before. */
  async #prepareToWrite(planned: PreparedClone): Promise<PreparedClone> {
    const prepared = await prepareClone(this.#context, planned)
    if (prepared.step === undefined) return prepared
    try {
      await this.#checkRefusals(prepared)
      return prepared
    } catch (error) {
      const isExact = prepared.measured.disks.every(({ zerosKnown }) => zerosKnown)
      if (isExact || !(error instanceof VboxmergeError) || error.code !== 'no_space') throw error
    }
    const exact = await prepareClone({ ...this.#context, findZeros: true }, prepared)
    await this.#checkRefusals(exact)
    return exact
  }

  /** Our lock keeps no one from starting the machine in VirtualBox. */
  async #checkUnchanged({ fingerprint, machine }: PreparedClone): Promise<void> {
    if ((await presentFingerprint(this.#context, machine)) === fingerprint) return
    const name = JSON.stringify(machine.inspection.settings.name)
    throw new VboxmergeError(
      'machine_locked',
      `Cannot clone ${name}: it changed while it was read; shut it down and run the same command again`,
    )
  }

  /** @returns The room that the clone needs. */
  async #checkRefusals({ machine, found, plan, measured }: PreparedClone): Promise<SpaceNeed[]> {
    if (plan.action === 'finish') return []
    const { files } = this.#host
    await this.#refuseUsed(machine.inspection)
    if (found.clone !== undefined) await this.#refuseUsed(found.clone.machine)
    const nvram = plan.nvram === undefined ? 0 : ((await files.stat(plan.nvram.from))?.size ?? 0)
    const bytes = measured.disks.reduce(
      (total, disk) => total + disk.neededBytes,
      4 * machine.settingsBytes.length + nvram,
    )
    const home = machine.inspection.registration.registered ? this.#session.vboxUserHome : undefined
    const needs = await cloneSpaceNeeds(files, plan.place.settingsFile, bytes, home)
    checkCloneSpace(machine.inspection.settings, needs)
    return needs
  }

  async #refuseUsed(machine: Inspection): Promise<void> {
    const { files, processes } = this.#host
    const { lockTimeout, signal, check } = this.#options
    const { vboxUserHome, manage } = this.#session
    const seen = processes === undefined ? {} : { processes }
    // Whoever only asks does not wait.
    const patience = check === true ? 0 : lockTimeout
    await checkUnused(machine, { files, manage, vboxUserHome, lockTimeout: patience, signal, ...seen })
  }

  /** Looks at the clone again and compares it with what was planned. */
  async #verify({ machine, plan, fingerprint, after }: PreparedClone): Promise<Inspection> {
    const { settingsFile } = plan.place
    const unlike = (found: string, cause?: unknown): VboxmergeError =>
      new VboxmergeError(
        'verify_failed',
        `The clone ${JSON.stringify(settingsFile)} of ${JSON.stringify(machine.inspection.settings.name)} is made, ` +
          `but is not as planned: ${found}; do not start it`,
        { changed: true, ...(cause === undefined ? {} : { cause }) },
      )
    const inspected = await inspect(this.#host.files, settingsFile, this.#session.vboxUserHome).catch(
      (error: unknown) => {
        throw error instanceof VboxmergeError ? unlike(error.message, error) : error
      },
    )
    const clone = inspected.inspection
    for (const { problem } of clone.images.values()) if (problem !== undefined) throw unlike(problem.message)
    if (decodeCloneStamp(clone.settings.extraData.get(CLONE_NAME))?.fingerprint !== fingerprint) {
      throw unlike('it does not say what it is a clone of')
    }
    if (machine.inspection.registration.registered && !clone.registration.registered) {
      throw unlike('VirtualBox does not know it')
    }
    const found = summarize(clone)
    for (const key of ['images', 'bytes', 'allocatedBytes', 'capacity', 'snapshots'] as const) {
      if (found[key] !== after[key]) throw unlike(`${key} is ${found[key]}, and ${after[key]} was expected`)
    }
    return clone
  }

  async #skipped(error: VboxmergeError): Promise<EnsureResult> {
    const { files } = this.#host
    const { settingsFile, vboxUserHome } = this.#session
    const { inspection } = await inspect(files, settingsFile, vboxUserHome)
    const before = summarize(inspection)
    const place = clonePlace(inspection, this.#context.wanted, this.#context.cwd)
    const clone = { ...place, id: null, registered: inspection.registration.registered }
    return { ...this.#base(inspection, before, before), clone, skipped: error.message }
  }

  /** @param clone Undefined in check mode where it would be made. */
  async #result(
    { machine, plan, step, after, choice, measured }: PreparedClone,
    clone: Inspection | undefined,
    changed: boolean,
  ): Promise<EnsureResult> {
    const { inspection } = machine
    const known = clone === undefined ? undefined : refOf(clone)
    if (!changed) await this.#watch.before(inspection)
    await this.#watch.after(clone ?? inspection)
    const result: EnsureResult = {
      ...this.#base(inspection, summarize(inspection), clone === undefined ? after : summarize(clone)),
      changed,
      engine: choice.name,
      engineReason: choice.reason,
      steps: step === undefined || !changed ? [] : [step],
      volumes: measured.volumes,
      warnings: measured.warnings,
      clone: known ?? { ...plan.place, id: null, registered: inspection.registration.registered },
    }
    if (this.#options.digest !== true || clone === undefined) return result
    return { ...result, digests: await digestDisks(this.#context, clone) }
  }

  #base(inspection: Inspection, before: MachineSummary, after: MachineSummary): EnsureResult {
    return {
      changed: false,
      machine: refOf(inspection),
      engine: 'direct',
      engineReason: 'No other engine makes clones',
      steps: [],
      before,
      after,
      sharedBytes: this.#sharedBytes,
      volumes: [],
      warnings: [],
    }
  }
}

function refOf({ settings, registration }: Inspection): MachineRef {
  const { name, id, file: settingsFile } = settings
  return { name, id, settingsFile, registered: registration.registered }
}
