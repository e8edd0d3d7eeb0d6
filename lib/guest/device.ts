/** A run of bytes. */
export interface ByteRange {
  readonly start: number
  readonly length: number
}

/** Something that is read like a disk: a view of an image chain, a partition of it, a logical volume. */
export interface BlockDevice {
  /** Bytes. */
  readonly size: number
  /**
   * Fills the whole buffer with what lies at byte `position`. Calls may overlap.
   *
   * @throws {RangeError} For what is not wholly inside the device.
   */
  read(buffer: Uint8Array, position: number): Promise<void>
}

/**
 * Returns a part of a device as a device of its own.
 *
 * @throws {RangeError} When the part is not wholly inside the device.
 */
export function partOf(device: BlockDevice, { start, length }: ByteRange): BlockDevice {
  checkInside(start, length, device.size)
  return {
    size: length,
    read: async (buffer, position) => {
      checkInside(position, buffer.length, length)
      await device.read(buffer, start + position)
    },
  }
}

/** Reads `length` bytes from byte `position` of a device. Throws a RangeError for what lies outside. */
export async function readBytes(device: BlockDevice, position: number, length: number): Promise<Uint8Array> {
  checkInside(position, length, device.size)
  const buffer = new Uint8Array(length)
  await device.read(buffer, position)
  return buffer
}

function checkInside(start: number, length: number, size: number): void {
  const isInside =
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(length) &&
    start >= 0 &&
    length >= 0 &&
    start + length <= size
  if (isInside) return
  throw new RangeError(`Cannot use ${length} bytes from byte ${start} on of a device of ${size} bytes`)
}
