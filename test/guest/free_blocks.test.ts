import t from 'tap'
import { GuestProblem } from '../../lib/guest/file_system.ts'
import { FreeBlocks } from '../../lib/guest/free_blocks.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'

t.test('a block is free once every byte of it is, in whatever order that is told', async t => {
  const blocks = new FreeBlocks(10_500, 1000)
  blocks.add(1900, 2100)
  blocks.add(1000, 850)
  t.same(freeOf(blocks, 11), [2, 3], 'bytes 1850 to 1900 are in use')
  blocks.add(1850, 50)
  t.same(freeOf(blocks, 11), [1, 2, 3])
  blocks.add(10_000, 499)
  t.notOk(blocks.isFree(10), 'the last byte of the disk is in use')
  blocks.add(10_499, 1)
  t.ok(blocks.isFree(10), 'the last block ends with the disk')
  t.equal(blocks.freeBytes, 3500)
  t.equal(blocks.count(), 4)
  t.notOk(blocks.isFree(11))
})

t.test('what is told twice or lies outside is not believed', async t => {
  const wrong = (add: (blocks: FreeBlocks) => void): void => {
    const blocks = new FreeBlocks(3000, 1000)
    blocks.add(500, 1500)
    t.throws(() => add(blocks), GuestProblem)
  }
  wrong(blocks => blocks.add(1500, 10))
  wrong(blocks => blocks.add(100, 401 + 500))
  wrong(blocks => blocks.add(2500, 501))
  wrong(blocks => blocks.add(-1, 1))
  wrong(blocks => blocks.add(0.5, 1))
  wrong(blocks => blocks.add(Number.POSITIVE_INFINITY, 1))
  wrong(blocks => {
    const other = new FreeBlocks(3000, 1000)
    other.add(0, 501 + 500)
    blocks.addAll(other)
  })
})

t.test('random ranges free the blocks that a byte by byte count frees', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 200; round++) {
    const size = random.between(1, 900)
    const blockSize = random.pick([1, 7, 64, 512])
    const bytes = new Uint8Array(size)
    const counters = [new FreeBlocks(size, blockSize), new FreeBlocks(size, blockSize)] as const
    for (const { start, length } of disjointRanges(random, size)) {
      random.pick(counters).add(start, length)
      bytes.fill(1, start, start + length)
    }
    const [total, other] = counters
    total.addAll(other)
    const wanted: number[] = []
    for (let block = 0; block * blockSize < size; block++) {
      if (bytes.subarray(block * blockSize, (block + 1) * blockSize).every(byte => byte === 1))
        wanted.push(block)
    }
    const found = freeOf(total, Math.ceil(size / blockSize))
    if (JSON.stringify(found) !== JSON.stringify(wanted)) t.same(found, wanted, `round ${round}`)
  }
  t.pass('200 rounds')
})

t.test('a disk of 64 TiB takes little memory', async t => {
  const before = process.memoryUsage().arrayBuffers
  const blocks = new FreeBlocks(64 * 2 ** 40, 2 ** 20)
  blocks.add(2 ** 20 + 1, 2 ** 40)
  blocks.add(60 * 2 ** 40, 2 ** 40 + 17)
  t.ok(process.memoryUsage().arrayBuffers - before < 20 * 2 ** 20)
  t.equal(blocks.count(), 2 * 2 ** 20 - 1)
  t.ok(blocks.isFree(60 * 2 ** 20))
  t.notOk(blocks.isFree(61 * 2 ** 20))
})

function freeOf(blocks: FreeBlocks, count: number): number[] {
  return Array.from({ length: count }, (_, block) => block).filter(block => blocks.isFree(block))
}

function disjointRanges(
  random: ReturnType<typeof randomFrom>,
  size: number,
): { start: number; length: number }[] {
  const ranges: { start: number; length: number }[] = []
  for (let at = 0; at < size; ) {
    const length = Math.min(random.between(1, 300), size - at)
    if (random.chance(80)) ranges.push({ start: at, length })
    at += length
  }
  return random.shuffle(ranges)
}
