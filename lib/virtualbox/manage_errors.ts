import { type ErrorCode, VboxmergeError } from '../errors.ts'
import { printable } from './printable.ts'
import type { CommandResult } from './runner.ts'

/**
 * Result codes of VirtualBox's API, as numbers: their names differ between platforms (`E_FAIL` is
 * `NS_ERROR_FAILURE` on Linux and macOS) and the texts around them are translated.
 * Source: VirtualBox's interface definition (VirtualBox.xidl).
 */
export const HRESULT = {
  objectNotFound: 0x80bb0001,
  invalidVmState: 0x80bb0002,
  invalidObjectState: 0x80bb0007,
  notSupported: 0x80bb0009,
  invalidSessionState: 0x80bb000b,
  objectInUse: 0x80bb000c,
  outOfMemory: 0x8007000e,
} as const

/** A call of VBoxManage that failed. */
export interface ManageFailure {
  /** What the API returned; undefined when VBoxManage itself failed, before or after it. */
  readonly hresult: number | undefined
  /** The call of the API that failed, as VBoxManage's source has it (`LockMachine(…)`); never translated. */
  readonly context: string
  /** The text of the error on one line, safe to print. */
  readonly text: string
  /** Null when a signal ended the program. */
  readonly exitCode: number | null
  /** Whether the work had begun: VBoxManage had shown progress. */
  readonly begun: boolean
}

const ERROR_LINE = /^VBoxManage(?:\.exe)?: error: ?/i
const DETAILS = /\b[A-Z][A-Z0-9_]+ \(0x([0-9a-f]{8})\)/gi
const PROGRESS = /^\d{1,3}%/
const CONTEXT = /^Context: "(.*)" at line \d+ of file \S+$/

/** How much of an error's text goes into a message. */
const MOST_TEXT = 2000

/**
 * Reads from what a finished VBoxManage left whether it failed.
 *
 * An exit code of 0 is not enough: some versions end so after an error. Only result codes behind their name
 * count, and the last one, because names of machines and snapshots stand in the text before it.
 */
export function failureOf(result: CommandResult): ManageFailure | undefined {
  const lines = result.stderr.replaceAll('\r', '').split('\n')
  const errors = lines.filter(line => ERROR_LINE.test(line))
  const code = [...errors.join('\n').matchAll(DETAILS)].at(-1)?.[1]
  if (result.exitCode === 0 && code === undefined) return undefined
  const bare = errors.map(line => line.replace(ERROR_LINE, ''))
  return {
    hresult: code === undefined ? undefined : Number.parseInt(code, 16),
    context: bare.map(line => CONTEXT.exec(line)?.[1]).findLast(context => context !== undefined) ?? '',
    text: textOf(bare.length > 0 ? bare : lines),
    exitCode: result.exitCode,
    begun: lines.some(line => PROGRESS.test(line)),
  }
}

function textOf(lines: readonly string[]): string {
  const telling = lines
    .map(line => line.trim())
    .filter(line => line !== '' && !CONTEXT.test(line) && !PROGRESS.test(line))
  return printable(telling.join('; ').slice(0, MOST_TEXT))
}

/**
 * Whether the call failed because another session holds the machine, so that a later try may succeed.
 *
 * VirtualBox has one number for that and for "this snapshot has two children". The latter comes from the call
 * that works on snapshots, or when the work has begun.
 */
export function isLocked({ hresult, context, begun }: ManageFailure): boolean {
  if (begun) return false
  if (hresult === HRESULT.invalidSessionState) return true
  return hresult === HRESULT.invalidObjectState && !/\b(Delete|Restore)Snapshot\(/.test(context)
}

const NO_SERVER = /Failed to create the VirtualBox object/

/**
 * Whether VBoxManage did not reach its VBoxSVC, so that nothing was begun and a later try may succeed. Seen on
 * busy computers, and while a VBoxSVC ends (7.2.22).
 */
export function isUnreached({ begun, text }: ManageFailure): boolean {
  return !begun && NO_SERVER.test(text)
}

const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [HRESULT.objectNotFound, 'machine_not_found'],
  [HRESULT.invalidVmState, 'machine_not_off'],
  [HRESULT.notSupported, 'unsupported'],
])

const ADVICE: Partial<Record<ErrorCode, string>> = {
  machine_locked: 'close what uses it in VirtualBox, or wait and run again',
  machine_not_off: 'shut it down first',
}

const AFTER_CRASH =
  'run the same command again, which looks at what VirtualBox left; where it breaks down each time, choose engine=direct'

/** The code of this project for a failed call. */
export function codeOf(failure: ManageFailure): ErrorCode {
  return isLocked(failure) ? 'machine_locked' : (CODES.get(failure.hresult ?? 0) ?? 'engine_failed')
}

/**
 * Makes an error of a failed call.
 *
 * @param action what was wanted, behind "Cannot": `delete snapshot "a"`
 */
export function errorOf(
  action: string,
  failure: ManageFailure,
  code: ErrorCode = codeOf(failure),
): VboxmergeError {
  const { exitCode } = failure
  const advice = ADVICE[code] ?? (exitCode === null || exitCode > 128 ? AFTER_CRASH : undefined)
  return new VboxmergeError(
    code,
    `Cannot ${action}: VBoxManage says "${failure.text || 'nothing'}" and ${endingOf(failure)}` +
      (advice === undefined ? '' : `; ${advice}`),
  )
}

function endingOf({ exitCode }: ManageFailure): string {
  if (exitCode === null) return 'was ended by a signal'
  return exitCode > 128 ? 'crashed' : `exits with ${exitCode}`
}
