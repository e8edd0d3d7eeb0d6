/**
 * Returns the checksum of exFAT: a sum of bytes that is rotated to the right by one bit before each.
 *
 * @param skipped Positions of bytes that do not count.
 * @param start The sum of what comes before.
 */
export function rotatedSum(bytes: Uint8Array, skipped: readonly number[] = [], start = 0): number {
  let sum = start
  for (let at = 0; at < bytes.length; at++) {
    if (at < 0x80 && skipped.includes(at)) continue
    sum = (((sum & 1) << 31) + (sum >>> 1) + (bytes[at] as number)) >>> 0
  }
  return sum
}
