import t from 'tap'
import { GuestProblem } from '../../../../lib/guest/file_system.ts'
import { fieldsOf, hex, isPowerOfTwo, textOf } from '../../../../lib/guest/filesystems/windows/fields.ts'

t.test('numbers are little-endian', async t => {
  const fields = fieldsOf(Buffer.from('..0102fffefdfcfb1f00'.replace('..', 'ff'), 'hex').subarray(1), 'thing')
  t.equal(fields.u8(0), 1)
  t.equal(fields.i8(2), -1)
  t.equal(fields.u16(0), 0x0201)
  t.equal(fields.u32(2), 0xfcfdfeff)
  t.equal(fields.u64(1), 0x1ffbfcfdfeff02)
  t.same([...fields.slice(1, 2)], [2, 0xff])
})

t.test('what is outside or too large is a problem of the volume', async t => {
  const fields = fieldsOf(Buffer.alloc(9, 0xff), 'thing')
  const problems: readonly (() => unknown)[] = [
    () => fields.u8(9),
    () => fields.u8(-1),
    () => fields.u16(8),
    () => fields.u32(6),
    () => fields.u64(2),
    () => fields.u64(1),
    () => fields.slice(5, 5),
    () => fields.slice(5, -1),
    () => fields.u8(Number.NaN),
  ]
  for (const problem of problems) t.throws(problem, GuestProblem, problem.toString())
})

t.test('text of UTF-16 ends at the first NUL', async t => {
  t.equal(textOf(Buffer.from('Grüße', 'utf16le')), 'Grüße')
  t.equal(textOf(Buffer.from('a\0b', 'utf16le')), 'a')
  t.equal(textOf(Buffer.from([])), '')
})

t.test('flags are written as in documentation', async t => {
  t.equal(hex(0x80), '0x0080')
  t.equal(hex(3, 2), '0x03')
  t.same([1, 2, 512, 2 ** 40].map(isPowerOfTwo), [true, true, true, true])
  t.same([0, 3, -2, 0.5, 1536].map(isPowerOfTwo), [false, false, false, false, false])
})
