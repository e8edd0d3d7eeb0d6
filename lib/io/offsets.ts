/** Throws a RangeError unless `bytes` is a whole number from 0 to 2^53 - 1; Node takes a negative position for "here". */
export function checkOffset(what: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return
  throw new RangeError(`Cannot use ${bytes} as ${what}: it must be a whole number of bytes, 0 or more`)
}
