import t from 'tap'
import type { HostFacts, ProcessFacts } from '../../lib/machine/host_facts.ts'
import {
  decodeHolder,
  describeHolder,
  encodeHolder,
  isGone,
  type LockHolder,
} from '../../lib/machine/lock_holder.ts'

const self: ProcessFacts = {
  host: 'pc',
  hostId: 'abc',
  boot: 'boot-1',
  pidSpace: 'pid:[1]',
  pid: 100,
  processStart: '5000',
  user: 'ann',
}

const holder: LockHolder = { ...self, pid: 12, token: '0123456789abcdef', since: '2026-01-31T12:00:00.000Z' }

/** A computer on which only process 12 runs, started at 5000. */
const facts: HostFacts = {
  self: async () => self,
  process: async pid => (pid === 12 ? { start: '5000' } : 'gone'),
}

t.test('what is written reads back', async t => {
  t.same(decodeHolder(encodeHolder(holder)), holder)
  const bare = { ...holder, hostId: undefined, boot: undefined, pidSpace: undefined, processStart: undefined }
  t.same(decodeHolder(encodeHolder(bare)), bare)
})

t.test('what is not a lock of this version is not understood', async t => {
  const document = JSON.parse(Buffer.from(encodeHolder(holder)).toString())
  const texts = [
    '',
    '{',
    'null',
    '[]',
    JSON.stringify({ ...document, version: 2 }),
    JSON.stringify({ ...document, format: 'other' }),
    JSON.stringify({ ...document, token: '../../etc' }),
    JSON.stringify({ ...document, pid: -1 }),
    JSON.stringify({ ...document, pid: '12' }),
    JSON.stringify({ ...document, since: 'yesterday' }),
    JSON.stringify({ ...document, host: undefined }),
    JSON.stringify({ ...document, user: 'x'.repeat(1000) }),
  ]
  for (const text of texts) t.equal(decodeHolder(Buffer.from(text)), undefined, text.slice(0, 60))
  t.equal(decodeHolder(Uint8Array.of(0xff, 0xfe)), undefined)
})

t.test('a holder is gone only when that is certain', async t => {
  const gone = (other: Partial<LockHolder>, own: Partial<ProcessFacts> = {}): Promise<boolean> =>
    isGone({ ...holder, ...other }, { ...self, ...own }, facts)
  t.equal(await gone({}), false, 'it runs')
  t.equal(await gone({ pid: 13 }), true, 'its process has ended')
  t.equal(await gone({ processStart: '4000' }), true, 'its number belongs to another process now')
  t.equal(await gone({ processStart: undefined }), false, 'its number is taken, by whom is not known')
  t.equal(await gone({ boot: 'boot-0', pid: 12 }), true, 'the computer was started again')
  t.equal(await gone({ boot: 'boot-0', pidSpace: 'pid:[2]' }), true, 'the computer was started again')
  t.equal(await gone({ host: 'other', boot: 'boot-0' }), false, 'another host')
  t.equal(await gone({ hostId: 'xyz', boot: 'boot-0' }), false, 'another host of the same name')
  t.equal(await gone({ host: 'renamed', pid: 13 }), true, 'the host got another name since it started')
  t.equal(await gone({ pidSpace: 'pid:[2]', pid: 13 }), false, 'another container')
  const bare = { boot: undefined, pidSpace: undefined }
  t.equal(await gone({ ...bare, pid: 13 }, bare), true, 'no Linux: its process has ended')
  t.equal(await gone(bare, bare), false, 'no Linux: it runs')
  t.equal(await gone({ ...bare, pid: 13, host: 'other' }, bare), false, 'no Linux: another host')
  t.equal(await gone({ boot: undefined, pid: 13 }), false, 'one side does not tell its start')
})

t.test('people are told who and how long', async t => {
  const at = (seconds: number): string => describeHolder(holder, Date.parse(holder.since) + 1000 * seconds)
  t.equal(at(1), 'process 12 of user "ann" on host "pc" has held it for 1 second')
  t.match(at(-5), /0 seconds$/)
  t.match(at(119), /119 seconds$/)
  t.match(at(120), /2 minutes$/)
  t.match(at(7200), /2 hours$/)
  t.match(at(10 * 86_400), /10 days$/)
  const hostile = describeHolder({ ...holder, user: 'a\u001b[2J"\n' }, 0)
  t.ok(
    [...hostile].every(character => character >= ' '),
    'no control character reaches a terminal',
  )
})
