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
  /** How far the whole run is; left out before it is planned (`scan`), and after it (`digest`). */
  readonly overall?: OverallProgress
}

/** How far a whole run is. */
export interface OverallProgress {
  /** Which piece of work it is at, from 1 to `pieces`: an image, or with VirtualBox a step of the plan. */
  readonly piece: number
  readonly pieces: number
  /** From 0 to 1. */
  readonly share: number
  /** By the rate of this run until now; null while that says nothing. */
  readonly secondsLeft: number | null
}
