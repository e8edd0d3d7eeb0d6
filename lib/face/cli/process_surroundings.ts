import process from 'node:process'
import type { Operations } from './operations.ts'
import type { Surroundings } from './surroundings.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Returns the surroundings of this process. A reader that goes away early (`| head`) is no reason to stop. */
export function processSurroundings(operations: Operations, version: string): Surroundings {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)
  return {
    operations,
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onStopSignal,
    exitNow: status => process.exit(status),
    now: () => performance.now(),
  }
}

function onStopSignal(listener: (name: string) => void): () => void {
  for (const name of STOP_SIGNALS) process.on(name, listener)
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, listener)
  }
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
