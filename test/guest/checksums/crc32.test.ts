import t from 'tap'
import { crc32, invertedCrc32 } from '../../../lib/guest/checksums/crc32.ts'

t.test('invertedCrc32() gives the check value of CRC-32', async t => {
  t.equal(invertedCrc32(new TextEncoder().encode('123456789')), 0xcbf43926)
  t.equal(invertedCrc32(new Uint8Array(0)), 0)
  t.equal(invertedCrc32(new Uint8Array(32)), 0x190a55ad, '32 bytes of zeros')
})

t.test('crc32() goes on where another call ended', async t => {
  const bytes = Uint8Array.from({ length: 100 }, (_, at) => at * 7)
  const whole = crc32(bytes, 0xf597a6cf)
  t.equal(crc32(bytes.subarray(33), crc32(bytes.subarray(0, 33), 0xf597a6cf)), whole)
  t.equal(~crc32(bytes) >>> 0, invertedCrc32(bytes))
})
