import { VboxmergeError } from '../errors.ts'
import type { Runner } from './runner.ts'
import { limitTime } from './time_limit.ts'

/** As much of zx's `$` as is used here; a preset made by `$({ … })` has it too. */
interface ZxShell {
  (options: Readonly<Record<string, unknown>>): ZxShell
  (pieces: TemplateStringsArray, ...values: readonly unknown[]): ZxProcess
}

interface ZxProcess extends PromiseLike<ZxOutput> {
  readonly pid: number | undefined
  readonly stderr: AsyncIterable<Uint8Array> & {
    on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  }
}

interface ZxOutput {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly cause?: unknown
}

/**
 * What must hold for a VBoxManage whatever a caller's `$` or the `ZX_…` variables say: its output is not
 * mixed with text of ours, nothing ends it early (no time-out, no signal, and a ^C in the terminal does not
 * reach its process group), and a failure is a value.
 */
const PRESET: Readonly<Record<string, unknown>> = {
  ac: undefined,
  detached: true,
  halt: false,
  input: undefined,
  nothrow: true,
  postfix: '',
  prefix: '',
  quiet: true,
  signal: undefined,
  stdio: ['ignore', 'pipe', 'pipe'],
  sync: false,
  timeout: undefined,
  verbose: false,
}

/** Exit codes by which a shell and `env` say that a program cannot be started. */
const NOT_STARTED = [126, 127]

/**
 * Returns a runner over zx: over `$` when a caller gives one, else over zx's own, which is loaded when the
 * first command is run. It needs a POSIX shell; zx quotes every argument for it.
 *
 * @throws {VboxmergeError} (from the runner) `engine_failed` when the program cannot be started.
 */
export function zxRunner($?: unknown): Runner {
  return async (file, args, options = {}) => {
    const shell = ($ === undefined ? (await import('zx/core')).$ : $) as ZxShell
    // `env` and not zx's option of this name, which would replace the environment of a caller's preset.
    const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)
    // `sh` in between because `env` would take a path with an equals sign for one more variable.
    const running = shell(PRESET)`env ${variables} sh -c 'exec "$0" "$@"' ${file} ${args}`
    const decoder = new TextDecoder()
    running.stderr.on('data', chunk => options.onStderr?.(decoder.decode(chunk, { stream: true })))
    const callOff = limitTime(running.pid, options.timeLimit)
    const { exitCode, stdout, stderr, cause } = await running
    callOff()
    if (cause instanceof Error || NOT_STARTED.includes(exitCode ?? 0)) {
      const why = cause instanceof Error ? cause.message : stderr.trim()
      throw new VboxmergeError('engine_failed', `Cannot run ${JSON.stringify(file)}: ${why}`, { cause })
    }
    return { exitCode, stdout, stderr }
  }
}
