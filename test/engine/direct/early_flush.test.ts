import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { EARLY_FLUSH_BYTES, earlyFlush } from '../../../lib/engine/direct/early_flush.ts'

/** A file whose flushes end when they are told to. */
function slowFile(): {
  sync: () => Promise<void>
  readonly ends: ((error?: Error) => void)[]
} {
  const ends: ((error?: Error) => void)[] = []
  const sync = (): Promise<void> =>
    new Promise((resolve, reject) => {
      ends.push(error => (error === undefined ? resolve() : reject(error)))
    })
  return { sync, ends }
}

t.test('earlyFlush() flushes each time that enough was written', async t => {
  const { sync, ends } = slowFile()
  const flush = earlyFlush({ sync })
  flush.wrote(EARLY_FLUSH_BYTES - 1)
  t.equal(ends.length, 0, 'not yet')
  flush.wrote(1)
  t.equal(ends.length, 1)
  ends[0]?.()
  await flush.settled()
  flush.wrote(EARLY_FLUSH_BYTES)
  t.equal(ends.length, 2)
  ends[1]?.()
  await flush.settled()
})

t.test('earlyFlush() never has two flushes under way, and waits for the one that is', async t => {
  const { sync, ends } = slowFile()
  const flush = earlyFlush({ sync })
  for (let at = 0; at < 5; at++) flush.wrote(EARLY_FLUSH_BYTES)
  t.equal(ends.length, 1)
  let isSettled = false
  const settled = flush.settled().then(() => {
    isSettled = true
  })
  await setImmediate()
  t.equal(isSettled, false)
  ends[0]?.()
  await settled
  t.ok(isSettled)
  flush.wrote(1)
  t.equal(ends.length, 2, 'what was written meanwhile comes next')
})

t.test('a failed flush is told, and no other one is started', async t => {
  const { sync, ends } = slowFile()
  const flush = earlyFlush({ sync })
  flush.wrote(EARLY_FLUSH_BYTES)
  ends[0]?.(new Error('the disk is gone'))
  await setImmediate()
  flush.wrote(EARLY_FLUSH_BYTES)
  t.equal(ends.length, 1)
  await t.rejects(flush.settled(), { message: 'the disk is gone' })
})
