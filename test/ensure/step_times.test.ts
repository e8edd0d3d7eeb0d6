import t from 'tap'
import { startTimes } from '../../lib/ensure/step_times.ts'

/** A clock that shows one time after the other, in milliseconds. */
function clock(...times: readonly number[]): () => number {
  const left = [...times]
  return () => left.shift() ?? Number.NaN
}

t.test('steps that are done one after the other have their own times', async t => {
  const times = startTimes(2, clock(1000, 2500, 2500, 2750, 2750, 3000))
  times.stepDone(0)
  times.stepDone(1)
  t.same(times.end(), { total: 2, steps: [1.5, 0.25] }, 'all is with what comes after the last')
})

t.test('steps that are done in one pass have none, a single one has all the time', async t => {
  t.same(startTimes(2, clock(0, 1234.4)).end(), { total: 1.234, steps: [null, null] })
  t.same(startTimes(1, clock(0, 1234.4)).end(), { total: 1.234, steps: [1.234] })
})
