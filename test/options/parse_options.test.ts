import t from 'tap'
import { VboxmergeError } from '../../lib/errors.ts'
import type { OperationName } from '../../lib/options/operation_options.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'

const COMMON = {
  check: false,
  engine: 'auto',
  registration: 'auto',
  lockTimeout: 60,
  whenBusy: 'fail',
  discardSavedState: false,
  verify: 'tables',
  digest: false,
}
const MERGING = { skip: 0, discardCurrentState: false, branches: 'refuse' }
const SNAPSHOT = { snapshotName: 'Base', snapshotDescription: 'Created by vboxmerge' }

function messageOf(operation: OperationName, input: unknown): string {
  try {
    parseOptions(operation, input)
  } catch (error) {
    if (error instanceof VboxmergeError && error.code === 'invalid_options') return error.message
    throw error
  }
  return ''
}

t.test('defaults are filled in', async t => {
  t.strictSame(parseOptions('merge'), { ...MERGING, baseSnapshot: 'Base', ...COMMON })
  t.strictSame(parseOptions('compact', {}), { freeSpace: 'discard', ...COMMON })
  t.strictSame(parseOptions('snapshot', {}), { ...SNAPSHOT, ...COMMON })
  const golden = { ...MERGING, freeSpace: 'discard', ...SNAPSHOT, ...COMMON, baseSnapshot: 'Base' }
  t.strictSame(parseOptions('golden', {}), golden)
  t.strictSame(parseOptions('clone', {}), { replace: false, freeSpace: 'discard', ...COMMON })
  t.strictSame(parseOptions('prepare', {}), { compact: false, snapshot: false, ...golden })
  const { engine, registration, discardSavedState, ...recovering } = COMMON
  t.strictSame(parseOptions('recover', {}), recovering)
  t.strictSame(parseOptions('undo', {}), { discardChanges: false, check: false, lockTimeout: 60 })
  t.strictSame(parseOptions('info', {}), { scan: false, digest: false })
  t.strictSame(parseOptions('list', {}), { scan: false, digest: false })
})

t.test('what is given stays, down to functions and signals', async t => {
  const given = {
    skip: 1,
    count: 0,
    branches: 'stop',
    baseSnapshot: false,
    from: 'x',
    vboxmanage: '/v',
    vboxUserHome: '/h',
    onProgress: () => {},
    signal: new AbortController().signal,
    $: () => {},
    lockTimeout: 0.5,
  } as const
  const parsed = parseOptions('merge', given)
  for (const [key, value] of Object.entries(given)) t.equal(parsed[key as keyof typeof parsed], value, key)
})

t.test('an option that is undefined is not given', async t => {
  t.strictSame(parseOptions('merge', { skip: undefined, count: undefined }), parseOptions('merge'))
})

t.test('the base snapshot that may stay is the one that is taken', async t => {
  t.equal(parseOptions('golden', { snapshotName: 'Clean' }).baseSnapshot, 'Clean')
  t.equal(parseOptions('golden', { snapshotName: 'Clean', baseSnapshot: 'Old' }).baseSnapshot, 'Old')
  t.equal(parseOptions('golden', { snapshotName: 'Clean', baseSnapshot: false }).baseSnapshot, false)
})

t.test('an unknown option is refused by name', async t => {
  t.equal(
    messageOf('merge', { frobnicate: 1 }),
    'Unknown option "frobnicate" for merge; see the list of options',
  )
  t.equal(messageOf('merge', { braches: 1 }), 'Unknown option "braches" for merge; did you mean "branches"?')
  t.match(messageOf('merge', { freeSpace: 'keep' }), /Unknown option "freeSpace" for merge/)
  t.match(messageOf('prepare', { cout: 1 }), /Unknown option "cout" for vboxmerge; did you mean "count"\?/)
})

t.test('keys of prototypes are unknown options', async t => {
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.equal(
      messageOf('merge', JSON.parse(`{"${key}": {"check": true}}`)),
      `Unknown option "${key}" for merge; see the list of options`,
    )
  }
  t.equal(parseOptions('merge', Object.create({ skip: 5 })).skip, 0, 'inherited options do not count')
})

t.test('a wrong value is refused with what is allowed', async t => {
  const cases: [OperationName, object, string][] = [
    ['merge', { branches: 'maybe' }, 'Option "branches" is "maybe"; give refuse, stop or discard'],
    ['merge', { skip: -1 }, 'Option "skip" is -1; give a whole number from 0 on'],
    ['merge', { skip: 1.5 }, 'Option "skip" is 1.5; give a whole number from 0 on'],
    ['merge', { count: '3' }, 'Option "count" is "3"; give a whole number from 0 on'],
    ['merge', { count: null }, 'Option "count" is null; give a whole number from 0 on'],
    ['merge', { check: 1 }, 'Option "check" is 1; give true or false'],
    ['merge', { baseSnapshot: true }, 'Option "baseSnapshot" is true; give a name, or false'],
    ['merge', { baseSnapshot: '' }, 'Option "baseSnapshot" is ""; give a name, or false'],
    ['merge', { from: {} }, 'Option "from" is an object; give the name or UUID of a snapshot'],
    ['merge', { lockTimeout: Number.NaN }, 'Option "lockTimeout" is NaN; give a number of seconds from 0 on'],
    ['merge', { onProgress: [] }, 'Option "onProgress" is an array; give a function'],
    ['merge', { signal: () => {} }, 'Option "signal" is a function; give an AbortSignal'],
    ['merge', { vboxmanage: '' }, 'Option "vboxmanage" is ""; give a path'],
    ['compact', { minReclaim: '101%' }, 'give a number of bytes, or per cent such as "5%"'],
    ['compact', { minReclaim: '5' }, 'give a number of bytes, or per cent such as "5%"'],
    ['compact', { minReclaim: -1 }, 'give a number of bytes, or per cent such as "5%"'],
    ['snapshot', { snapshotName: 'a\0b' }, 'Option "snapshotName" is "a\\u0000b"; give a name'],
    ['snapshot', { snapshotDescription: '\u001b' }, 'Option "snapshotDescription" is "\\u001b"; give a text'],
  ]
  for (const [operation, input, expected] of cases) {
    const message = messageOf(operation, input)
    t.ok(message.endsWith(expected), `${message} ends with ${expected}`)
  }
})

t.test('allowed edges pass', async t => {
  t.equal(parseOptions('compact', { minReclaim: '100%' }).minReclaim, '100%')
  t.equal(parseOptions('compact', { minReclaim: '0.5%' }).minReclaim, '0.5%')
  t.equal(parseOptions('compact', { minReclaim: 0 }).minReclaim, 0)
  t.equal(parseOptions('snapshot', { snapshotDescription: '' }).snapshotDescription, '')
})

t.test('every problem is listed at once, one a line', async t => {
  t.equal(
    messageOf('merge', { frobnicate: 1, skip: -1, branches: 'x' }),
    [
      'Unknown option "frobnicate" for merge; see the list of options',
      'Option "skip" is -1; give a whole number from 0 on',
      'Option "branches" is "x"; give refuse, stop or discard',
    ].join('\n'),
  )
})

t.test('in the bare form, an option that would do nothing is refused', async t => {
  t.equal(
    messageOf('prepare', { minReclaim: 1 }),
    'Option "minReclaim" does nothing without "compact"; give both or none',
  )
  t.equal(messageOf('prepare', { minReclaim: 1, compact: true }), '')
  t.equal(messageOf('prepare', { freeSpace: 'keep' }), '')
  t.match(messageOf('prepare', { snapshotName: 'x', snapshot: false }), /"snapshotName" does nothing without/)
  t.equal(messageOf('prepare', { snapshotName: 'x', snapshot: true }), '')
})

t.test('messages spell the names as the caller does', async t => {
  const input = { lockTimeout: -1, discardCurentState: true }
  t.throws(() => parseOptions('merge', input, 'kebab'), { message: /Option --lock-timeout is -1/ })
  t.throws(() => parseOptions('merge', input, 'kebab'), { message: /mean --discard-current-state\?/ })
  t.throws(() => parseOptions('merge', input, 'snake'), { message: /Option "lock_timeout" is -1/ })
})

t.test('options that are no object are refused', async t => {
  for (const input of [null, 'x', 3, [], true])
    t.match(messageOf('merge', input), /^Options for merge are .*give an object$/)
})

t.test('a long value is shortened in the message', async t => {
  t.ok(messageOf('merge', { branches: 'x'.repeat(100_000) }).length < 200)
})
