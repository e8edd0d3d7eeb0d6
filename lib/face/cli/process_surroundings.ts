import process from 'node:process'
import { EXIT_STATUS } from '../../errors.ts'
import type { Operations } from './operations.ts'
import type { Surroundings } from './surroundings.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Returns the surroundings of this process. Text that cannot be written is no reason to stop in the middle of the
 * work: not for a reader that goes away early (`| head`), nor for a log on a disk that is full. A result that could
 * not be written is told by the exit status, though.
 */
export function processSurroundings(operations: Operations, version: string): Surroundings {
  process.stdout.on('error', failAtExit)
  process.stderr.on('error', () => {})
  return {
    operations,
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    env: readableVariables(),
    onStopSignal,
    exitNow: status => process.exit(status),
    now: () => performance.now(),
  }
}

/** Calls a listener with the name of each signal that asks to stop; returns what takes it away again. */
export function onStopSignal(listener: (name: string) => void): () => void {
  for (const name of STOP_SIGNALS) process.on(name, listener)
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, listener)
  }
}

function failAtExit(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.stderr.write(`error: Cannot write the result: ${error.message}\n`)
  process.once('exit', () => {
    process.exitCode ||= EXIT_STATUS.engine_failed
  })
}

/** Deno's permissions may leave variables out; those that are read here only decide about looks. */
function readableVariables(): Readonly<Record<string, string | undefined>> {
  try {
    return { ...process.env }
  } catch {
    return {}
  }
}
