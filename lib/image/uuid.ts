import { randomUUID } from 'node:crypto'
import type { Uuid } from '../machine/machine.ts'

/** The UUID that stands for "none". */
export const NIL_UUID: Uuid = '00000000-0000-0000-0000-000000000000'

/** Bytes of an encoded UUID. */
export const UUID_SIZE = 16

const UUID_TEXT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Where the byte that the text shows at each place is stored: the first three groups are little-endian,
 * the rest is in reading order. It is the layout of a Windows GUID and VirtualBox's `RTUUID`.
 */
const STORED_AT = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const

/** Returns a new random UUID (version 4). */
export function randomUuid(): Uuid {
  return randomUUID()
}

/** Returns the UUID stored in the 16 bytes from `offset` on. */
export function decodeUuid(bytes: Uint8Array, offset = 0): Uuid {
  const stored = bytes.subarray(offset, offset + UUID_SIZE)
  if (stored.length < UUID_SIZE) throw new RangeError(`Cannot decode a UUID: ${stored.length} bytes are left`)
  const hex = STORED_AT.map(at => (stored[at] ?? 0).toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Returns the 16 bytes that store a UUID. Throws a RangeError when `id` is not 36 lower-case characters. */
export function encodeUuid(id: Uuid): Uint8Array {
  if (!UUID_TEXT.test(id)) throw new RangeError(`Cannot encode the UUID "${id}": it is not of the usual form`)
  const hex = id.replaceAll('-', '')
  const bytes = new Uint8Array(UUID_SIZE)
  STORED_AT.forEach((at, place) => {
    bytes[at] = Number.parseInt(hex.slice(2 * place, 2 * place + 2), 16)
  })
  return bytes
}
