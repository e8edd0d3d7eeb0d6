import t from 'tap'
import { decodeUuid, encodeUuid, NIL_UUID, randomUuid } from '../../lib/image/uuid.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'

t.test('a UUID is stored with its first three groups little-endian', async t => {
  const bytes = encodeUuid('00112233-4455-6677-8899-aabbccddeeff')
  t.equal(Buffer.from(bytes).toString('hex'), '33221100554477668899aabbccddeeff')
  t.equal(decodeUuid(bytes), '00112233-4455-6677-8899-aabbccddeeff')
})

t.test('any UUID survives encoding and decoding', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 100; round++) {
    const id = random.uuid()
    const bytes = new Uint8Array(20)
    bytes.set(encodeUuid(id), 4)
    t.equal(decodeUuid(bytes, 4), id)
  }
})

t.test('a new UUID is random and of version 4', async t => {
  t.match(randomUuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.not(randomUuid(), randomUuid())
})

t.test('no UUID is sixteen zero bytes', async t => {
  t.strictSame([...encodeUuid(NIL_UUID)], new Array(16).fill(0))
})

t.test('what is no UUID is not stored', async t => {
  for (const text of [
    '',
    '{00112233-4455-6677-8899-aabbccddeeff}',
    '00112233-4455-6677-8899-AABBCCDDEEFF',
    'x',
  ]) {
    t.throws(() => encodeUuid(text), RangeError, text)
  }
  t.throws(() => decodeUuid(new Uint8Array(20), 5), RangeError)
})
