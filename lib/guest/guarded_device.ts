import type { BlockDevice } from './device.ts'
import { GuestProblem, type KeepReason } from './file_system.ts'

/**
 * Reads devices and remembers which errors came from reading them. Everything else that a parser throws comes from the
 * bytes it was given.
 */
export interface DeviceGuard {
  guard(device: BlockDevice): BlockDevice
  /**
   * Returns why a volume is kept whose parser threw.
   *
   * @throws The error itself, when a device could not be read or the work was called off.
   */
  reasonOf(error: unknown): KeepReason
}

/** Returns a guard for all devices of one search. */
export function deviceGuard(signal: AbortSignal | undefined): DeviceGuard {
  const failures = new Set<unknown>()
  return {
    guard: device => ({
      size: device.size,
      read: async (buffer, position) => {
        signal?.throwIfAborted()
        const isInside =
          Number.isSafeInteger(position) && position >= 0 && position + buffer.length <= device.size
        // Asked for by a parser that believed a number of the guest's.
        if (!isInside) throw new RangeError(`Cannot read ${buffer.length} bytes from byte ${position} on`)
        try {
          await device.read(buffer, position)
        } catch (error) {
          failures.add(error)
          throw error
        }
      },
    }),
    reasonOf: error => {
      if (failures.size > 0 || signal?.aborted) throw failures.has(error) ? error : firstOf(failures, error)
      if (error instanceof GuestProblem) return error.reason
      return { code: 'damaged', found: 'its structures contradict each other' }
    },
  }
}

/** A parser may have wrapped the error that reading threw. */
function firstOf(failures: ReadonlySet<unknown>, error: unknown): unknown {
  const [first = error] = failures
  return first
}
