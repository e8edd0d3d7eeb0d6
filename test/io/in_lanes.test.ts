import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { inLanes } from '../../lib/io/in_lanes.ts'

t.test('inLanes() does all items, in their order and no more at a time than it may', async t => {
  const begun: number[] = []
  let underWay = 0
  let most = 0
  await inLanes(3, Array(20).keys(), async item => {
    begun.push(item)
    most = Math.max(most, ++underWay)
    await setImmediate()
    underWay--
  })
  t.same(begun, [...Array(20).keys()])
  t.equal(most, 3)
})

t.test('inLanes() begins nothing after a failure, and waits for what is under way', async t => {
  const ended: number[] = []
  const work = inLanes(2, Array(20).keys(), async item => {
    if (item === 1) throw new Error('item 1')
    await setImmediate()
    ended.push(item)
  })
  await t.rejects(work, { message: 'item 1' })
  t.same(ended, [0])
})
