import t from 'tap'
import { isZero } from '../../lib/image/zero.ts'

t.test('zeros are zeros at any length', async t => {
  for (const length of [0, 1, 7, 512, 262_143, 262_144, 262_145, 2 ** 20])
    t.ok(isZero(new Uint8Array(length)))
})

t.test('a single bit is found wherever it is', async t => {
  const bytes = new Uint8Array(2 ** 19 + 3)
  for (const at of [0, 1, 4095, 262_143, 262_144, 2 ** 19 - 1, 2 ** 19, 2 ** 19 + 2]) {
    bytes[at] = 0x80
    t.notOk(isZero(bytes), `byte ${at}`)
    bytes[at] = 0
  }
  t.ok(isZero(bytes))
})

t.test('only the given part of a buffer is looked at', async t => {
  const bytes = new Uint8Array(1000).fill(1)
  bytes.fill(0, 13, 700)
  t.ok(isZero(bytes.subarray(13, 700)))
  t.notOk(isZero(bytes.subarray(12, 700)))
  t.notOk(isZero(bytes.subarray(13, 701)))
})
