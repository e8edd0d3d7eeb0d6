import type { FreeRunListener } from './used_clusters.ts'

/** Tells the runs of clear bits of a bitmap that is read in pieces. */
export interface ClearBits {
  /** Takes the next piece: bytes whose lowest bit comes first. */
  add(piece: Uint8Array): void
  /** Tells the last run; nothing may be added afterwards. */
  end(): void
}

/**
 * Returns a reader of bitmaps in which a set bit is a used cluster.
 *
 * @param first Number of the cluster of the first bit.
 * @param count Bits that count; the ones behind them are filling.
 */
export function clearBits(first: number, count: number, found: FreeRunListener): ClearBits {
  let bit = 0
  let start = -1
  const close = (): void => {
    if (start >= 0) found({ first: first + start, count: bit - start })
    start = -1
  }
  const addByte = (byte: number): void => {
    const bits = Math.min(8, count - bit)
    for (let at = 0; at < bits; at++, bit++) {
      if (((byte >> at) & 1) !== 0) close()
      else if (start < 0) start = bit
    }
  }
  return {
    add: piece => {
      for (const byte of piece) {
        // Most bytes say the same about all their clusters.
        if (byte === 0 && start >= 0 && bit + 8 <= count) bit += 8
        else if (byte === 0xff && start < 0 && bit + 8 <= count) bit += 8
        else addByte(byte)
      }
    },
    end: close,
  }
}
