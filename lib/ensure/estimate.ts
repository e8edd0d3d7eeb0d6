import type { EngineName, Estimate, SpaceNeed, Step } from './result.ts'

/** What a disk does at least that reads and writes at the same time: a guess on the careful side. */
const ASSUMED_BYTES_PER_SECOND = 100 * 2 ** 20

/** Less says nothing of a rate: it may all come from the system's cache, or from one seek. */
const LEAST_MEASURED_BYTES = 64 * 2 ** 20
const LEAST_MEASURED_SECONDS = 0.25

/** Bytes that were read to make a plan, and how long that took. */
export interface ReadTime {
  readonly bytes: number
  readonly seconds: number
}

/** Says what carrying out steps takes. Pure. */
export function estimate(
  steps: readonly Step[],
  engine: EngineName,
  read: ReadTime,
  space: readonly SpaceNeed[],
): Estimate {
  const measured = read.bytes >= LEAST_MEASURED_BYTES && read.seconds >= LEAST_MEASURED_SECONDS
  const bytesPerSecond = measured ? Math.round(read.bytes / read.seconds) : ASSUMED_BYTES_PER_SECOND
  const bytes = steps.reduce((sum, { kind, forecast }) => {
    // What compaction reads is read by now.
    const readBytes = kind === 'compact' ? 0 : forecast.readBytes
    return sum + readBytes + forecast.writtenBytes
  }, 0)
  const isOurs = engine === 'direct'
  return {
    seconds: isOurs ? Math.ceil(bytes / bytesPerSecond) : null,
    bytesPerSecond,
    measured,
    space: isOurs ? space : [],
  }
}
