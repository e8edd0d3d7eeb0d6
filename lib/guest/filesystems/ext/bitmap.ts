/** Bits as bytes, lowest bit first; a set bit says that something is used. */

/** Tells each run of clear bits among the first `count`. */
export function clearRuns(
  bitmap: Uint8Array,
  count: number,
  found: (start: number, length: number) => void,
): void {
  let start = -1
  for (let bit = 0; bit < count; bit++) {
    // Most bytes say the same about all their bits.
    if (bit % 8 === 0 && bit + 8 <= count) {
      const byte = bitmap[bit / 8]
      const isAllTheSame = (byte === 0 && start >= 0) || (byte === 0xff && start < 0)
      if (isAllTheSame) {
        bit += 7
        continue
      }
    }
    const isClear = !hasBitAt(bitmap, bit)
    if (isClear && start < 0) start = bit
    if (!isClear && start >= 0) {
      found(start, bit - start)
      start = -1
    }
  }
  if (start >= 0) found(start, count - start)
}

/** Counts the clear bits among the first `count`. */
export function countClear(bitmap: Uint8Array, count: number): number {
  let clear = 0
  clearRuns(bitmap, count, (_, length) => {
    clear += length
  })
  return clear
}

/** Sets the bits from `start` up to but not including `end`. */
export function setBits(bitmap: Uint8Array, start: number, end: number): void {
  for (let bit = start; bit < end; bit++) {
    if (bit % 8 === 0 && bit + 8 <= end) {
      bitmap[bit / 8] = 0xff
      bit += 7
    } else {
      const at = Math.floor(bit / 8)
      bitmap[at] = (bitmap[at] as number) | (1 << (bit % 8))
    }
  }
}

/** Whether all bits from `start` up to but not including `end` are set. */
export function areBitsSet(bitmap: Uint8Array, start: number, end: number): boolean {
  for (let bit = start; bit < end; bit++) {
    if (bit % 8 === 0 && bit + 8 <= end && bitmap[bit / 8] === 0xff) bit += 7
    else if (!hasBitAt(bitmap, bit)) return false
  }
  return true
}

/** Sets each bit that is set in `other`. */
export function addBits(bitmap: Uint8Array, other: Uint8Array): void {
  for (let at = 0; at < bitmap.length; at++) bitmap[at] = (bitmap[at] as number) | (other[at] ?? 0)
}

function hasBitAt(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[Math.floor(bit / 8)] as number) & (1 << (bit % 8))) !== 0
}
