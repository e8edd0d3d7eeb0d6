/** CRC-32 with the reflected polynomial 0xedb88320, as in GPT (UEFI specification) and LVM2. */
const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  let state = value
  for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? 0xedb88320 : 0)
  return state >>> 0
})

/**
 * Returns the raw checksum of `bytes`, without inversions, as LVM2 stores it.
 *
 * @param seed The state to begin with, from 0 to 4294967295.
 * @returns A number from 0 to 4294967295.
 */
export function crc32(bytes: Uint8Array, seed = 0xffffffff): number {
  let state = seed | 0
  for (let at = 0; at < bytes.length; at++) {
    state = (TABLE[(state ^ (bytes[at] as number)) & 0xff] as number) ^ (state >>> 8)
  }
  return state >>> 0
}

/** Returns the checksum as the UEFI specification has it: the raw checksum from 0xffffffff, inverted. */
export function invertedCrc32(bytes: Uint8Array): number {
  return ~crc32(bytes) >>> 0
}
