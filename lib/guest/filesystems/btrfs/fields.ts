import { Buffer } from 'node:buffer'
import { GuestProblem } from '../../file_system.ts'

/** Returns a part of a view. */
export function partOfView(view: DataView, at: number, length: number): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length)
}

/** Returns bytes of a view, as a view of the same bytes. */
export function bytesAt(view: DataView, at: number, length: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + at, length)
}

/**
 * Returns a u64 that has to fit in a number.
 *
 * @throws {GuestProblem} When it is 2^53 or more; no address and no size is.
 */
export function u64At(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true)
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  throw damaged(`it has an impossible number, ${value}`)
}

/** A reason to keep a volume that is not what it should be. */
export function damaged(found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found })
}

/** A reason to keep a volume that has something that is not understood. */
export function unsupported(found: string): GuestProblem {
  return new GuestProblem({ code: 'unsupported_feature', found })
}
