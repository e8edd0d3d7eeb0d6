import type { StepKind } from './result.ts'

/** A moment of long work. */
export interface Progress {
  /**
   * What is being done. `scan` and `digest` read, `verify` compares, `backup` keeps what is about to change; the others
   * are steps of the plan.
   */
  readonly phase: StepKind | 'scan' | 'digest' | 'verify' | 'backup'
  /** What is being worked on, for people. */
  readonly subject: string
  /** Work done, from 0 to `total`, in bytes (or per cent, when `unit` says so). */
  readonly done: number
  readonly total: number
  readonly unit: 'bytes' | 'percent'
}
