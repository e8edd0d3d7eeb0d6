/** Stable name of a failure. */
export type ErrorCode =
  | 'machine_not_found'
  | 'machine_ambiguous'
  | 'machine_not_off'
  | 'machine_locked'
  | 'snapshot_not_found'
  | 'branch_blocked'
  | 'linked_clone'
  | 'settings_corrupt'
  | 'image_missing'
  | 'image_corrupt'
  | 'image_encrypted'
  | 'chain_mismatch'
  | 'journal_foreign'
  | 'clone_outdated'
  | 'no_space'
  | 'unsupported'
  | 'invalid_options'
  | 'verify_failed'
  | 'engine_failed'
  | 'interrupted'

/**
 * The exit status of the command line for every code.
 * 3 means: refused, and nothing was changed.
 */
export const EXIT_STATUS: Readonly<Record<ErrorCode, number>> = {
  machine_not_found: 3,
  machine_ambiguous: 3,
  machine_not_off: 3,
  machine_locked: 3,
  snapshot_not_found: 3,
  branch_blocked: 3,
  linked_clone: 3,
  settings_corrupt: 3,
  image_missing: 3,
  image_corrupt: 3,
  image_encrypted: 3,
  chain_mismatch: 3,
  journal_foreign: 3,
  clone_outdated: 3,
  no_space: 3,
  unsupported: 3,
  invalid_options: 2,
  verify_failed: 1,
  engine_failed: 1,
  interrupted: 130,
}

/** What a failure adds to its message. */
export interface ErrorDetails {
  /** The error that led here. */
  readonly cause?: unknown
  /** Steps of the plan that were finished before the failure. */
  readonly stepsDone?: number
  /** Steps of the plan that were not finished. */
  readonly stepsLeft?: number
  /** Whether something was changed before the failure, be it a part of a step. Default: whether a step was finished. */
  readonly changed?: boolean
}

/**
 * The one error class of this project.
 *
 * The message follows the grammar "Cannot merge "web": snapshot "a" has another child "b"; choose
 * branches=stop or discard, or restore it": what was wanted, what was found, what helps.
 */
export class VboxmergeError extends Error {
  /** Stable name of the failure. */
  readonly code: ErrorCode
  /** Steps of the plan that were finished before the failure. */
  readonly stepsDone: number | undefined
  /** Steps of the plan that were not finished. */
  readonly stepsLeft: number | undefined
  /** Whether something was changed before the failure. */
  readonly changed: boolean

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(shortened(message), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'VboxmergeError'
    this.code = code
    this.stepsDone = details.stepsDone
    this.stepsLeft = details.stepsLeft
    this.changed = details.changed ?? (details.stepsDone ?? 0) > 0
  }
}

/** Names and values in a message may come from files of any length; more than this helps no one. */
const LONGEST_MESSAGE = 4000

function shortened(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return message
  const end = LONGEST_MESSAGE / 4
  return `${message.slice(0, LONGEST_MESSAGE - end)} … ${message.slice(-end)}`
}

/** Returns whatever was thrown as an error of this project: as it is, or as `engine_failed`. */
export function toVboxmergeError(error: unknown): VboxmergeError {
  if (error instanceof VboxmergeError) return error
  const message = error instanceof Error ? error.message : String(error)
  const help = helpFor(error)
  const text = `Cannot go on: ${message}${help === undefined ? '' : `; ${help}`}`
  return new VboxmergeError('engine_failed', text, { cause: error })
}

const NO_RIGHT = 'run as the user who owns the machine, and see that its folder may be written to'
const FULL = 'make room there, and run the same command again, which finishes or undoes what was begun'
const HELP: Readonly<Record<string, string>> = {
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: 'the file system is read-only; mount it for writing',
  ENOSPC: FULL,
  EDQUOT: FULL,
  EIO: 'the disk of the host fails; save what is on it before anything else',
}

/** What helps against an error of the operating system. */
function helpFor(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? HELP[String(error.code)] : undefined
}
