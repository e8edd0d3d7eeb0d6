/**
 * CRC-32C (Castagnoli): reflected polynomial 0x82f63b78, as in RFC 3720, appendix B.4, and in the ext4, XFS and
 * Btrfs formats.
 */
const POLYNOMIAL = 0x82f63b78

/** Eight tables of 256 entries: table k is the effect of a byte that k more bytes follow. */
const TABLES = makeTables()

/**
 * Returns the raw checksum of `bytes`, as the ext4 and JBD2 formats store it: **without the final inversion**.
 * The result of one call, handed to the next as `seed`, goes on where the first ended.
 *
 * @param seed The state to begin with, from 0 to 4294967295.
 * @returns A number from 0 to 4294967295.
 */
export function crc32c(bytes: Uint8Array, seed = 0xffffffff): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES
  let state = seed | 0
  let at = 0
  for (const end = bytes.length - 7; at < end; at += 8) {
    state ^=
      byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24)
    state =
      entry(t7, state & 0xff) ^
      entry(t6, (state >>> 8) & 0xff) ^
      entry(t5, (state >>> 16) & 0xff) ^
      entry(t4, state >>> 24) ^
      entry(t3, byte(bytes, at + 4)) ^
      entry(t2, byte(bytes, at + 5)) ^
      entry(t1, byte(bytes, at + 6)) ^
      entry(t0, byte(bytes, at + 7))
  }
  for (; at < bytes.length; at++) state = entry(t0, (state ^ byte(bytes, at)) & 0xff) ^ (state >>> 8)
  return state >>> 0
}

/** Returns the checksum as RFC 3720, XFS and Btrfs have it: the raw checksum from 0xffffffff, **inverted**. */
export function invertedCrc32c(...parts: readonly Uint8Array[]): number {
  let state = 0xffffffff
  for (const part of parts) state = crc32c(part, state)
  return ~state >>> 0
}

type Tables = readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

function entry(table: Int32Array, index: number): number {
  return table[index] as number
}

function makeTables(): Tables {
  const first = Int32Array.from({ length: 256 }, (_, value) => {
    let state = value
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? POLYNOMIAL : 0)
    return state
  })
  const next = (table: Int32Array): Int32Array =>
    table.map(state => entry(first, state & 0xff) ^ (state >>> 8))
  const tables: Int32Array[] = [first]
  while (tables.length < 8) tables.push(next(tables.at(-1) as Int32Array))
  return tables as unknown as Tables
}
