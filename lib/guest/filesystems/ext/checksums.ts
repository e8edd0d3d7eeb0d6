/**
 * The checksums of ext and of its journal besides CRC-32C. Like it, both are stored without an inversion at the
 * end, and take the value so far, so that parts can be put together.
 */

/** What a CRC-16 begins with. */
const START_16 = 0xffff

/** What a CRC-32 begins with. */
const START_32 = 0xffffffff

const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xa001 : rest >>> 1
  return rest
})

const CRC32 = Int32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte << 24
  for (let bit = 0; bit < 8; bit++) rest = rest < 0 ? (rest << 1) ^ 0x04c11db7 : rest << 1
  return rest
})

/** CRC-16 with the reflected polynomial 0xa001: checksums of group descriptors where uninit_bg is set. */
export function crc16(bytes: Uint8Array, seed: number = START_16): number {
  let state = seed
  for (const byte of bytes) state = (state >>> 8) ^ (CRC16[(state ^ byte) & 0xff] as number)
  return state
}

/** CRC-32 with the polynomial 0x04c11db7, highest bit first: checksums of transactions of the first kind. */
export function crc32HighFirst(bytes: Uint8Array, seed: number = START_32): number {
  let state = seed | 0
  for (let at = 0; at < bytes.length; at++) {
    state = (state << 8) ^ (CRC32[((state >>> 24) ^ (bytes[at] as number)) & 0xff] as number)
  }
  return state >>> 0
}

/** Returns a number as four bytes, lowest first, as checksums take it in. */
export function le32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

/** Returns a copy of a structure in which the field that holds its checksum is zero. */
export function withoutField(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  return Uint8Array.from(bytes).fill(0, offset, offset + length)
}
