import { EXIT_STATUS, toVboxmergeError, VboxmergeError } from '../../errors.ts'
import { isStop, stopped } from '../../failure_state.ts'
import type { Surroundings } from './surroundings.ts'

/** A wish to stop, from the keyboard or from outside. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Stops listening. */
  readonly end: () => void
}

/** Returns a failure as users are told of it: where nothing else is said, the wish to stop came before any change. */
export function toldFailure(error: unknown, signal: AbortSignal): VboxmergeError {
  const state = 'nothing was changed'
  return toVboxmergeError(isStop(error, signal) ? stopped(error, state) : error)
}

/** What a run is told that a signal is to stop; what it leaves is for it to say. */
export function interruptionReason(name: string): VboxmergeError {
  return new VboxmergeError('interrupted', `Cannot finish: interrupted by ${name}`)
}

/** Turns the first signal into an abort, of which `announce` is told, and the second into an exit at once. */
export function listenForInterruption(
  { onStopSignal, exitNow }: Pick<Surroundings, 'onStopSignal' | 'exitNow'>,
  announce: (text: string) => void,
): Interruption {
  const controller = new AbortController()
  const end = onStopSignal(name => {
    if (controller.signal.aborted) {
      exitNow(EXIT_STATUS.interrupted)
      return
    }
    announce('stopping after the current block or step; ^C again exits at once')
    controller.abort(interruptionReason(name))
  })
  return { signal: controller.signal, end }
}
