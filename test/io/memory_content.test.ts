import t from 'tap'
import { MemoryContent } from '../../lib/io/memory_content.ts'
import { randomBytes, testRandom } from '../fixtures/test_run.ts'

t.test('content with forks equals plain buffers, whatever is done to it', async t => {
  const random = testRandom(t)
  const pairs = [{ content: new MemoryContent(), plain: new Uint8Array() }]
  for (let round = 0; round < 400; round++) {
    const pair = random.pick(pairs)
    const edge = random.pick([0, 512, 16_384, 32_768, 65_536]) + random.below(5) * random.below(300)
    const action = random.below(10)
    if (action < 5) {
      const data = randomBytes(random, random.pick([1, 100, 512, 16_384, 20_000, 40_000]))
      const grown = new Uint8Array(Math.max(pair.plain.length, edge + data.length))
      grown.set(pair.plain)
      grown.set(data, edge)
      pair.plain = grown
      pair.content.write(data, edge)
    } else if (action < 8) {
      const grown = new Uint8Array(edge)
      grown.set(pair.plain.subarray(0, edge))
      pair.plain = grown
      pair.content.truncate(edge)
    } else if (pairs.length < 8) {
      pairs.push({ content: pair.content.fork(), plain: pair.plain.slice() })
    }
    for (const { content, plain } of pairs) {
      if (!Buffer.from(content.bytes()).equals(plain)) return t.fail(`differs after ${round} rounds`)
    }
    const buffer = new Uint8Array(random.below(50_000)).fill(1)
    const bytes = pair.content.read(buffer, edge)
    t.same(bytes, Math.max(0, Math.min(buffer.length, pair.plain.length - edge)))
    if (!Buffer.from(buffer.subarray(0, bytes)).equals(pair.plain.subarray(edge, edge + bytes))) {
      return t.fail('a read in the middle differs')
    }
  }
})

t.test('holes cost nothing', async t => {
  const content = new MemoryContent()
  content.write(new Uint8Array([1]), 2 ** 40)
  t.equal(content.length, 2 ** 40 + 1)
  t.ok(content.allocatedBytes < 100_000)
  content.truncate(2 ** 30)
  t.equal(content.allocatedBytes, 0)
})

t.test('a torn write leaves whole sectors old or new, and the new length', async t => {
  const content = new MemoryContent()
  content.write(new Uint8Array(1000).fill(1), 0)
  content.writeSectors(new Uint8Array(1000).fill(2), 300, sector => sector !== 1)
  const bytes = content.bytes()
  t.equal(bytes.length, 1300)
  t.ok(bytes.subarray(0, 300).every(byte => byte === 1))
  t.ok(bytes.subarray(300, 512).every(byte => byte === 2))
  t.ok(bytes.subarray(512, 1000).every(byte => byte === 1))
  t.ok(bytes.subarray(1000, 1024).every(byte => byte === 0))
  t.ok(bytes.subarray(1024).every(byte => byte === 2))
})
