import { GuestProblem } from '../../file_system.ts'

/** The little-endian numbers of a structure. Each reads at a byte offset from the start of the structure. */
export interface Fields {
  readonly bytes: Uint8Array
  u8(at: number): number
  /** A signed byte. */
  i8(at: number): number
  u16(at: number): number
  u32(at: number): number
  /** A u64 that a Number can hold; others are of no volume that can be. */
  u64(at: number): number
  /** A part of the bytes, not copied. */
  slice(at: number, length: number): Uint8Array
}

/**
 * Returns the numbers of a structure.
 *
 * @param what Names the structure in problems: `boot sector`, `record 6 of the MFT`.
 * @throws A GuestProblem, from each function, for what lies outside the bytes; from `u64` for numbers from
 *   2^53 on.
 */
export function fieldsOf(bytes: Uint8Array, what: string): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const checked = (at: number, length: number): number => {
    if (at >= 0 && length >= 0 && at + length <= bytes.length) return at
    throw damaged(`its ${what} is cut off: ${bytes.length} bytes, and byte ${at + length - 1} is needed`)
  }
  return {
    bytes,
    u8: at => view.getUint8(checked(at, 1)),
    i8: at => view.getInt8(checked(at, 1)),
    u16: at => view.getUint16(checked(at, 2), true),
    u32: at => view.getUint32(checked(at, 4), true),
    u64: at => {
      const value = view.getBigUint64(checked(at, 8), true)
      if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
      throw damaged(`its ${what} holds the impossible number ${value} at byte ${at}`)
    },
    slice: (at, length) => {
      checked(at, length)
      return bytes.subarray(at, at + length)
    },
  }
}

/** The problem of a volume that contradicts itself. `found` is a phrase, as in `KeepReason`. */
export function damaged(found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found })
}

/** Returns text of UTF-16, up to the first NUL. */
export function textOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const units = Array.from({ length: Math.floor(bytes.length / 2) }, (_, at) => view.getUint16(at * 2, true))
  const end = units.indexOf(0)
  return String.fromCharCode(...(end < 0 ? units : units.slice(0, end)))
}

/** Returns whether a number is a power of two, 1 included. */
export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && Number.isInteger(Math.log2(value))
}

/** Returns a number as the documentation of the formats writes flags. */
export function hex(value: number, digits = 4): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}
