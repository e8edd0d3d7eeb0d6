import { type ErrorDetails, EXIT_STATUS, toVboxmergeError, VboxmergeError } from './errors.ts'

/** Tells whether a failure is the wish of the user to stop. */
export function isStop(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error === signal.reason
}

/**
 * Returns the reason for which a run stopped, with the state that it left. A reason of a caller's own is handed on as
 * it is.
 *
 * @param state What state there is, and what helps: a part of a sentence.
 */
export function stopped(reason: unknown, state: string, details: ErrorDetails = {}): unknown {
  if (!(reason instanceof VboxmergeError) || reason.code !== 'interrupted') return reason
  return new VboxmergeError('interrupted', `${reason.message}; ${state}`, { ...details, cause: reason })
}

/**
 * Returns a failure that came after something was changed, which says so: a refusal would say that nothing was.
 *
 * @param state What was done, and what helps: a part of a sentence. Left out where the failure says that already.
 * @param stepsBefore Finished steps that the failure does not count.
 */
export function failureAfterChange(
  error: unknown,
  state: string,
  signal: AbortSignal | undefined,
  stepsBefore = 0,
): unknown {
  if (isStop(error, signal)) return stopped(error, state, { changed: true, ...counted(stepsBefore) })
  const known = toVboxmergeError(error)
  const isRefusal = EXIT_STATUS[known.code] === EXIT_STATUS.unsupported
  const saysSo = known.changed && !isRefusal
  if (saysSo && stepsBefore === 0) return known
  const { code, message, cause = known, stepsDone = 0, stepsLeft } = known
  return new VboxmergeError(isRefusal ? 'engine_failed' : code, saysSo ? message : `${message}; ${state}`, {
    cause,
    changed: true,
    ...counted(stepsBefore + stepsDone),
    ...(stepsLeft === undefined ? {} : { stepsLeft }),
  })
}

function counted(stepsDone: number): ErrorDetails {
  return stepsDone === 0 ? {} : { stepsDone }
}
