import { EXIT_STATUS, VboxmergeError } from '../../errors.ts'
import type { Surroundings } from './surroundings.ts'

/** A wish to stop, from the keyboard or from outside. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Stops listening. */
  readonly end: () => void
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
    controller.abort(
      new VboxmergeError(
        'interrupted',
        `Cannot finish: interrupted by ${name}; what was begun is finished or undone by running the same command again`,
      ),
    )
  })
  return { signal: controller.signal, end }
}
