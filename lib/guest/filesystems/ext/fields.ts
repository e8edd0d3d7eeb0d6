/** Reads numbers out of a structure. Offsets are bytes from its start; one outside throws a RangeError. */
export interface Fields {
  u8(offset: number): number
  u16(offset: number): number
  u32(offset: number): number
  /**
   * A number of which the lower 32 bits stand at one offset and `highBits` more at another. From 2^53 on it is
   * not exact, which every check of a place against the size of a file system survives.
   */
  joined(low: number, high: number, highBits?: 16 | 32): number
}

/** Reads little-endian numbers, as ext has them. */
export function littleEndian(bytes: Uint8Array): Fields {
  return fieldsOf(bytes, true)
}

/** Reads big-endian numbers, as the journal has them. */
export function bigEndian(bytes: Uint8Array): Fields {
  return fieldsOf(bytes, false)
}

function fieldsOf(bytes: Uint8Array, isLittle: boolean): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u16 = (offset: number): number => view.getUint16(offset, isLittle)
  const u32 = (offset: number): number => view.getUint32(offset, isLittle)
  return {
    u8: offset => view.getUint8(offset),
    u16,
    u32,
    // No bit operators: they know 32 bits only.
    joined: (low, high, highBits = 32) => (highBits === 16 ? u16(high) : u32(high)) * 2 ** 32 + u32(low),
  }
}
