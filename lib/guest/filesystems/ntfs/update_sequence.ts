import { damaged, type Fields, fieldsOf, hex } from '../windows/fields.ts'
import { PROTECTED } from './layout.ts'

/**
 * Returns a structure as it was before it was written: the last two bytes of each stride, which tell whether all
 * of it reached the disk, are put back.
 *
 * @param bytes Is left as it is.
 * @param what Names the structure in problems.
 * @throws A GuestProblem when the structure does not begin with `magic`, or was not written as a whole.
 */
export function unprotect(bytes: Uint8Array, magic: string, what: string): Fields {
  const found = magicOf(bytes)
  if (found !== magic) throw damaged(`its ${what} begins with ${JSON.stringify(found)}, not "${magic}"`)
  const fields = fieldsOf(bytes.slice(), what)
  const offset = fields.u16(PROTECTED.usa_ofs)
  const strides = fields.u16(PROTECTED.usa_count) - 1
  // Mostly 512 bytes, also where sectors are larger; only the count tells.
  const stride = bytes.length / strides
  if (strides < 1 || !Number.isInteger(stride) || stride < 512 || offset % 2 !== 0) {
    throw damaged(`its ${what} has an update sequence of ${strides} strides at byte ${offset}`)
  }
  const sequence = fields.slice(offset, 2 * (strides + 1))
  if (offset + sequence.length > stride - 2) {
    throw damaged(`its ${what} has an update sequence that ends at byte ${offset + sequence.length}`)
  }
  const number = fields.u16(offset)
  for (let at = 1; at <= strides; at++) {
    const end = at * stride - 2
    if (fields.u16(end) !== number) {
      const problem = `byte ${end} says ${hex(fields.u16(end))} instead of ${hex(number)}`
      throw damaged(`its ${what} was not written as a whole: ${problem}`)
    }
    fields.bytes.set(sequence.subarray(2 * at, 2 * at + 2), end)
  }
  return fields
}

/** Returns the four characters that a protected structure begins with. */
export function magicOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(PROTECTED.magic, PROTECTED.magic + 4))
}
