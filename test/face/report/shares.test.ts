import t from 'tap'
import { heldKind, lookOf, sharesOf, totalShares } from '../../../lib/face/report/shares.ts'
import { sampleMap } from './fixtures/sample_reports.ts'

const nothing = { base: 0, band1: 0, band2: 0, band3: 0, free: 0, zero: 0, never: 0 }

t.test('differencing images are told apart by their height in the chain', async t => {
  const kinds = (levels: number): string =>
    Array.from({ length: levels }, (_, level) => heldKind(level, levels).replace('band', '')).join(' ')
  t.equal(kinds(1), 'base')
  t.equal(kinds(2), 'base 2')
  t.equal(kinds(3), 'base 1 2')
  t.equal(kinds(4), 'base 1 2 3')
  t.equal(kinds(8), 'base 1 1 1 2 2 3 3')
})

t.test('the shares of all parts are the whole disk', async t => {
  const map = sampleMap(3, 5)
  const total = Object.values(totalShares(map, 5)).reduce((sum, bytes) => sum + bytes, 0)
  t.equal(total, map.capacity)
  const first = map.cells[0]
  if (first === undefined) throw new Error('the map is empty')
  t.equal(
    Object.values(sharesOf(first, 5)).reduce((sum, bytes) => sum + bytes, 0),
    map.cellSize,
  )
})

t.test('a part looks like what most of it is held by, if little of it is held', async t => {
  t.same(lookOf({ ...nothing, base: 1, never: 99 }), { kind: 'base', weight: 1 })
  t.same(lookOf({ ...nothing, base: 10, band3: 20, never: 20 }), { kind: 'band3', weight: 3 })
  t.same(lookOf({ ...nothing, free: 60, base: 40 }), { kind: 'free', weight: 4 })
  t.same(lookOf({ ...nothing, zero: 60, never: 40 }), { kind: 'zero', weight: 4 })
  t.same(lookOf({ ...nothing, zero: 40, never: 60 }), { kind: 'never', weight: 4 })
})
