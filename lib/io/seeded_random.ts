/** A source of repeatable pseudo-random numbers. */
export interface SeededRandom {
  /** The next number, from 0 up to but not including 1. */
  next(): number
  /** The next whole number, from 0 up to but not including `end`. */
  below(end: number): number
  /** One of the given values; throws a RangeError when there is none. */
  pick<T>(values: readonly T[]): T
}

/** Returns a source whose numbers depend on `seed` alone (a Weyl sequence put through a 32-bit mixer). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  const pick = <T>(values: readonly T[]): T => {
    if (values.length === 0) throw new RangeError('Cannot pick one of no values')
    return values[below(values.length)] as T
  }
  return { next, below, pick }
}
