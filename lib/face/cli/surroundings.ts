import type { Operations } from './operations.ts'

/** A stream for text, as far as the command line uses it. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  hasColors?(count: number, env: Readonly<Record<string, string | undefined>>): boolean
}

/** All that the command line reaches outside itself. */
export interface Surroundings {
  readonly operations: Operations
  readonly version: string
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls the listener with the name of each signal that asks to stop; returns what takes it away again. */
  readonly onStopSignal: (listener: (name: string) => void) => () => void
  /** Ends the process at once. */
  readonly exitNow: (status: number) => void
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}
