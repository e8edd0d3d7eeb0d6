import t from 'tap'
import { estimate } from '../../lib/ensure/estimate.ts'
import { addOverall, type Piece } from '../../lib/ensure/overall_progress.ts'
import type { Progress } from '../../lib/ensure/progress.ts'
import type { Step } from '../../lib/ensure/result.ts'

const MIB = 2 ** 20
const forecast = { readBytes: 600 * MIB, writtenBytes: 400 * MIB, freedBytes: 0 }
const MERGE: Step = { kind: 'merge', snapshots: [], disks: [], forecast }
const COMPACT: Step = { kind: 'compact', images: [], forecast: { ...forecast, writtenBytes: 0 } }
const QUICK = { bytes: 0, seconds: 0 }
const SPACE = [{ folder: '/m', neededBytes: 1, missingBytes: 0 }]

t.test('time is reckoned from what is read and written, at a guessed rate', async t => {
  t.strictSame(estimate([MERGE], 'direct', QUICK, SPACE), {
    seconds: 10,
    bytesPerSecond: 100 * MIB,
    measured: false,
    space: SPACE,
  })
  t.equal(
    estimate([MERGE, COMPACT], 'direct', QUICK, []).seconds,
    10,
    'what was read already is not read again',
  )
})

t.test('a rate counts as measured only when enough was read for it', async t => {
  const much = { bytes: 1000 * MIB, seconds: 2 }
  t.match(estimate([MERGE], 'direct', much, []), { seconds: 2, bytesPerSecond: 500 * MIB, measured: true })
  t.match(estimate([MERGE], 'direct', { bytes: 10 * MIB, seconds: 2 }, []), { measured: false })
  t.match(estimate([MERGE], 'direct', { bytes: 1000 * MIB, seconds: 0.01 }, []), { measured: false })
})

t.test('of what VirtualBox does nothing is promised', async t => {
  t.match(estimate([MERGE], 'virtualbox', QUICK, SPACE), { seconds: null, space: [] })
})

t.test('the whole run is told from its pieces, and its time from its own rate', async t => {
  let time = 0
  const covers =
    (name: string): Piece['covers'] =>
    ({ subject }) =>
      subject === name
  const pieces = [
    { covers: covers('a'), weight: 300 },
    { covers: covers('b'), weight: 100 },
  ]
  const add = addOverall(pieces, () => time)
  const moment = (subject: string, done: number): Progress => ({
    phase: 'merge',
    subject,
    done,
    total: 10,
    unit: 'bytes',
  })
  time = 1000
  t.strictSame(
    add(moment('a', 5)).overall,
    { piece: 1, pieces: 2, share: 0.375, secondsLeft: null },
    'too soon',
  )
  time = 3000
  t.strictSame(add(moment('a', 10)).overall, { piece: 1, pieces: 2, share: 0.75, secondsLeft: 1 })
  time = 4000
  t.strictSame(add(moment('b', 10)).overall, { piece: 2, pieces: 2, share: 1, secondsLeft: 0 })
  t.equal(add(moment('c', 1)).overall, undefined, 'what is no piece says nothing of the whole')
  t.equal(addOverall([], () => time)(moment('a', 1)).overall, undefined)
})
