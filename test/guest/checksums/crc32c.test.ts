import t from 'tap'
import { crc32c, invertedCrc32c } from '../../../lib/guest/checksums/crc32c.ts'
import { randomFrom, seedOfRun } from '../../fixtures/random.ts'

/** RFC 3720, appendix B.4, whose bytes are in the order in which iSCSI sends them; and the check value. */
const PUBLISHED: readonly (readonly [string, Uint8Array, number])[] = [
  ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes that count up', Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
  ['32 bytes that count down', Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
  [
    'an iSCSI read command',
    Uint8Array.from(
      Buffer.from(
        '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' +
          '0200000000000000',
        'hex',
      ),
    ),
    0xd9963a56,
  ],
  ['123456789', new TextEncoder().encode('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
]

t.test('invertedCrc32c() gives the published values', async t => {
  for (const [what, bytes, sum] of PUBLISHED) t.equal(invertedCrc32c(bytes), sum, what)
})

t.test('crc32c() is the same without the inversion', async t => {
  t.equal(crc32c(new TextEncoder().encode('123456789')), ~0xe3069283 >>> 0)
  t.equal(crc32c(new Uint8Array(0)), 0xffffffff)
  t.equal(crc32c(new Uint8Array(0), 0x12345678), 0x12345678)
})

t.test('crc32c() goes on where another call ended, wherever bytes are cut', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 50; round++) {
    const bytes = Uint8Array.from({ length: random.between(1, 100) }, () => random.between(0, 255))
    const cut = random.between(0, bytes.length)
    const begun = crc32c(bytes.subarray(0, cut))
    const whole = crc32c(bytes)
    if (whole !== bitByBit(bytes)) t.fail(`${Buffer.from(bytes).toString('hex')} gives ${whole}`)
    if (crc32c(bytes.subarray(cut), begun) !== whole) t.fail(`${bytes.length} bytes cut at ${cut}`)
    if (invertedCrc32c(bytes.subarray(0, cut), bytes.subarray(cut)) !== ~whole >>> 0)
      t.fail(`parts at ${cut}`)
  }
  t.pass('50 rounds')
})

/** The definition, without tables. */
function bitByBit(bytes: Uint8Array): number {
  let state = 0xffffffff
  for (const byte of bytes) {
    state ^= byte
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? 0x82f63b78 : 0)
  }
  return state >>> 0
}
