import t from 'tap'
import { FREE, ZERO } from '../../lib/blocks/constants.ts'
import { NO_OWNER, OwnerMap, ZERO_OWNER } from '../../lib/blocks/owner_map.ts'

t.test('the newest image that holds a unit owns it', async t => {
  const map = new OwnerMap(4096, 1024)
  map.add(2, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(FREE, 7, ZERO, FREE))
  map.add(1, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(3, 8, 9, FREE))
  t.same([...map.owners], [1, 2, ZERO_OWNER, NO_OWNER])
  t.same([...map.slots.subarray(0, 2)], [3, 7])
})

t.test('an image with larger blocks owns all units of a block that no newer image holds', async t => {
  const map = new OwnerMap(4096, 1024)
  map.add(1, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(FREE, 5, FREE, FREE))
  map.add(0, { capacity: 4096, blockSize: 2048 }, Uint32Array.of(2, FREE))
  t.same([...map.owners], [0, 1, NO_OWNER, NO_OWNER])
  t.same(map.ranges(512, 3072), [
    { start: 512, length: 512, owner: 0, slot: 2, offset: 512 },
    { start: 1024, length: 1024, owner: 1, slot: 5, offset: 0 },
    { start: 2048, length: 1024, owner: NO_OWNER, slot: 0, offset: 0 },
  ])
})

t.test('a short image reads as zeros behind its end, also inside of a unit', async t => {
  const map = new OwnerMap(4096, 1024)
  map.add(1, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(FREE, FREE, FREE, FREE))
  map.add(0, { capacity: 1536, blockSize: 4096 }, Uint32Array.of(4))
  t.same([...map.owners], [0, 0, NO_OWNER, NO_OWNER], 'it owns no unit behind its end')
  t.equal(map.reach, 1536)
  t.same(map.ranges(1024, 2048), [
    { start: 1024, length: 512, owner: 0, slot: 4, offset: 1024 },
    { start: 1536, length: 512, owner: ZERO_OWNER, slot: 0, offset: 0 },
  ])
})

t.test('nothing of a lower image shows behind the end of a shorter one above it', async t => {
  const map = new OwnerMap(4096, 1024)
  map.add(2, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(FREE, FREE, FREE, FREE))
  map.add(1, { capacity: 2048, blockSize: 1024 }, Uint32Array.of(FREE, FREE))
  map.add(0, { capacity: 4096, blockSize: 1024 }, Uint32Array.of(0, 1, 2, 3))
  t.same([...map.owners], [0, 0, NO_OWNER, NO_OWNER])
  t.equal(map.reach, 2048)
})

t.test('what lies behind the end of the disk reads as zeros', async t => {
  const map = new OwnerMap(1536, 1024)
  map.add(0, { capacity: 1536, blockSize: 1024 }, Uint32Array.of(0, 1))
  t.same(map.ranges(1024, 2048), [
    { start: 1024, length: 512, owner: 0, slot: 1, offset: 0 },
    { start: 1536, length: 512, owner: ZERO_OWNER, slot: 0, offset: 0 },
  ])
  t.same(map.ranges(2048, 3072), [{ start: 2048, length: 1024, owner: ZERO_OWNER, slot: 0, offset: 0 }])
})

t.test('images in another order, with smaller blocks or with short tables are refused', async t => {
  const map = new OwnerMap(4096, 1024)
  const shape = { capacity: 4096, blockSize: 1024 }
  const table = new Uint32Array(4).fill(FREE)
  map.add(1, shape, table)
  t.throws(() => map.add(1, shape, table), /newest first/)
  t.throws(() => map.add(2, shape, table), /newest first/)
  t.throws(() => map.add(-1, shape, table), /newest first/)
  t.throws(() => map.add(0, { ...shape, blockSize: 512 }, table), /smaller than a unit/)
  t.throws(() => map.add(0, shape, table.subarray(1)), /shorter than its disk/)
})

t.test('the owners of a disk of 2 TiB take twelve megabytes, however deep the chain', async t => {
  const blocks = 2 ** 21
  const map = new OwnerMap(2 ** 41, 2 ** 20)
  const table = new Uint32Array(blocks).fill(FREE)
  for (let image = 499; image >= 0; image -= 100) {
    table[image] = image
    map.add(image, { capacity: 2 ** 41, blockSize: 2 ** 20 }, table)
  }
  t.equal(map.owners.byteLength + map.slots.byteLength, 6 * blocks)
  t.equal(map.owners[499], 499)
  t.equal(map.owners[99], 99)
})
