import { VboxmergeError } from '../errors.ts'
import type { Uuid } from '../machine/machine.ts'
import { type Clock, realClock } from './clock.ts'
import { vboxEnvironment } from './environment.ts'
import { isPassing, parseMachineState } from './machine_state.ts'
import { codeOf, errorOf, failureOf, isUnreached, type ManageFailure } from './manage_errors.ts'
import { progressParser } from './progress_parser.ts'
import type { CommandResult, Runner } from './runner.ts'
import { stripWrapperWarning } from './wrapper_warning.ts'

/** How VBoxManage is reached. */
export interface ManageSetup {
  /** Path of VBoxManage. */
  readonly file: string
  readonly runner: Runner
  readonly platform: NodeJS.Platform
  /** VirtualBox's settings folder, where it is not that of the user who runs. */
  readonly vboxUserHome?: string
  /** Is called after every call that changes something, also after one that failed. */
  readonly afterChange?: () => Promise<void>
  /** Default: the computer's. */
  readonly clock?: Clock
  /**
   * Milliseconds after which a call that only reads is ended. VBoxManage can wait for ever for a VBoxSVC that
   * was killed (7.2.22, measured). Default five minutes.
   */
  readonly readTimeLimit?: number
}

/** What may be said with every call. */
export interface CallOptions {
  /** Seconds to wait while another session holds the machine. Default 0. */
  readonly lockTimeout?: number
  /** Is told how far the call is, 0 to 100. */
  readonly onPercent?: (percent: number) => void
  /** Stops the waiting for a lock. A call that runs is never stopped. */
  readonly signal?: AbortSignal
}

/** One call of VBoxManage. */
export interface Call {
  /** What is wanted, behind "Cannot". */
  readonly action: string
  readonly args: readonly string[]
  /** The machine whose state tells whether waiting helps. */
  readonly machine?: Uuid
  readonly changes?: boolean
  readonly options?: CallOptions | undefined
}

const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000
const READ_TIME_LIMIT = 5 * 60 * 1000
/** How often a call is made again that did not reach VBoxSVC, and after how many milliseconds. */
const MOST_KNOCKS = 3
const KNOCK_PAUSE = 1000

/**
 * Calls VBoxManage and returns what it prints on standard output; waits for locks with growing pauses, and
 * knocks again where VBoxSVC did not answer.
 *
 * @throws {VboxmergeError} `machine_locked` when the machine was held by another session for the whole time,
 * `machine_not_found`, `machine_not_off`, `unsupported`, else `engine_failed`; or the signal's reason.
 */
export async function callManage(setup: ManageSetup, call: Call): Promise<string> {
  const { lockTimeout = 0, signal } = call.options ?? {}
  const clock = setup.clock ?? realClock
  const end = clock.now() + lockTimeout * 1000
  let knocks = 0
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    signal?.throwIfAborted()
    const result = await runOnce(setup, call)
    const failure = failureOf(result)
    if (result.exitCode === null && call.changes !== true) throw noAnswer(call)
    if (failure === undefined) return stripWrapperWarning(result.stdout)
    if (isUnreached(failure) && knocks < MOST_KNOCKS) {
      knocks += 1
      await clock.sleep(KNOCK_PAUSE, signal)
      continue
    }
    const waits = await waitingHelps(setup, call, failure)
    const left = end - clock.now()
    if (!waits || left <= 0) throw errorOf(call.action, failure, waits ? 'machine_locked' : codeOf(failure))
    await clock.sleep(Math.min(pause, left), signal)
  }
}

async function runOnce(setup: ManageSetup, { args, changes, options }: Call): Promise<CommandResult> {
  const { onPercent } = options ?? {}
  const home = setup.vboxUserHome
  const env = {
    ...vboxEnvironment(setup.platform),
    ...(home === undefined ? {} : { VBOX_USER_HOME: home }),
  }
  const { readTimeLimit = READ_TIME_LIMIT } = setup
  try {
    return await setup.runner(setup.file, args, {
      env,
      ...(onPercent === undefined ? {} : { onStderr: progressParser(onPercent) }),
      ...(changes === true ? {} : { timeLimit: readTimeLimit }),
    })
  } finally {
    if (changes === true) await setup.afterChange?.()
  }
}

function noAnswer({ action }: Call): VboxmergeError {
  return new VboxmergeError(
    'engine_failed',
    `Cannot ${action}: VBoxManage was ended before it answered; if VirtualBox hangs, end its VBoxSVC, ` +
      'and run this again',
  )
}

async function waitingHelps(setup: ManageSetup, call: Call, failure: ManageFailure): Promise<boolean> {
  const code = codeOf(failure)
  if (code === 'machine_locked') return true
  if (code !== 'machine_not_off' || call.machine === undefined || failure.begun) return false
  const args = ['showvminfo', call.machine, '--machinereadable']
  const { stdout } = await runOnce(setup, { action: '', args })
  return isPassing(parseMachineState(stripWrapperWarning(stdout)))
}
