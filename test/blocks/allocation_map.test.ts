import t from 'tap'
import { type AllocationCell, allocationMap } from '../../lib/blocks/allocation_map.ts'
import { FREE, ZERO } from '../../lib/blocks/constants.ts'
import { OwnerMap } from '../../lib/blocks/owner_map.ts'
import { testRandom } from '../fixtures/test_run.ts'

const nothing: AllocationCell = { held: [], zero: 0, unallocated: 0, free: 0 }

/** A disk of four blocks: one of each kind. */
function fourBlocks(): OwnerMap {
  const map = new OwnerMap(4096, 1024)
  map.add(1, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(FREE, 7, ZERO, FREE))
  map.add(0, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(3, 8, 9, FREE))
  return map
}

t.test('each block of a small disk is a part of its own', async t => {
  t.same(allocationMap(fourBlocks(), { levels: 2 }), {
    capacity: 4096,
    cellSize: 1024,
    cells: [
      { ...nothing, held: [{ level: 0, bytes: 1024 }] },
      { ...nothing, held: [{ level: 1, bytes: 1024 }] },
      { ...nothing, zero: 1024 },
      { ...nothing, unallocated: 1024 },
    ],
    visible: [1024, 1024],
  })
})

t.test('a part of several blocks has the shares of all of them, the base first', async t => {
  const map = new OwnerMap(3584, 1024)
  map.add(1, { capacity: 3584, blockSize: 1024 }, Uint32Array.of(0, FREE, ZERO, 1))
  map.add(0, { capacity: 3584, blockSize: 1024 }, Uint32Array.of(1, 0, FREE, FREE))
  const held = [
    { level: 0, bytes: 1024 },
    { level: 1, bytes: 1536 },
  ]
  t.same(allocationMap(map, { levels: 2, cells: 1 }).cells, [{ ...nothing, held, zero: 1024 }])
})

t.test('what the guest does not use is free only where an image holds it', async t => {
  const { cells, visible } = allocationMap(fourBlocks(), { levels: 2, isFree: start => start >= 1024 })
  t.same(cells, [
    { ...nothing, held: [{ level: 0, bytes: 1024 }] },
    { ...nothing, free: 1024 },
    { ...nothing, zero: 1024 },
    { ...nothing, unallocated: 1024 },
  ])
  t.same(visible, [1024, 1024], 'it is read from its image all the same')
})

t.test('a disk without a byte has no parts, and no number of parts but a whole one is taken', async t => {
  t.same(allocationMap(new OwnerMap(0, 1024), { levels: 1 }).cells, [])
  for (const cells of [0, -1, 1.5]) {
    t.throws(() => allocationMap(fourBlocks(), { levels: 2, cells }), { name: 'RangeError' })
  }
})

t.test('in parts of any number, every byte is in exactly one share', async t => {
  const random = testRandom(t)
  for (let round = 0; round < 200; round++) {
    const blocks = 1 + random.below(60)
    const capacity = blocks * 1024 - 512 * random.below(2)
    const map = new OwnerMap(capacity, 1024)
    const levels = 1 + random.below(5)
    for (let level = levels - 1; level >= 0; level--) {
      const table = Uint32Array.from(
        { length: blocks },
        (_, slot) => [FREE, FREE, ZERO, slot][random.below(4)] ?? 0,
      )
      map.add(level, { capacity, blockSize: 1024 }, table)
    }
    const wished = 1 + random.below(80)
    const isFree = (start: number): boolean => start % 3072 === 0
    const { cells, cellSize, visible } = allocationMap(map, { levels, cells: wished, isFree })
    t.ok(cells.length <= wished, `${cells.length} of ${wished} parts`)
    for (const [index, { held, zero, unallocated, free }] of cells.entries()) {
      const bytes = held.reduce((sum, share) => sum + share.bytes, 0) + zero + unallocated + free
      if (bytes !== Math.min(cellSize, capacity - index * cellSize))
        t.fail(`part ${index} has ${bytes} bytes`)
    }
    const heldOrFree = cells.flatMap(({ held, free }) => [...held.map(({ bytes }) => bytes), free])
    const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
    t.equal(sum(visible), sum(heldOrFree))
  }
})

t.test('a disk of 2 TiB with 500 images is mapped in 1024 parts', async t => {
  const map = new OwnerMap(2 ** 41, 2 ** 20)
  for (let block = 0; block < 2 ** 21; block += 10) map.owners[block] = (block / 10) % 500
  const { cells, cellSize, visible } = allocationMap(map, { levels: 500 })
  t.equal(cells.length, 1024)
  t.equal(cellSize, 2 ** 31)
  t.ok(visible.every(bytes => bytes === 420 * 2 ** 20 || bytes === 419 * 2 ** 20))
})
