import t from 'tap'
import { type ErrorCode, EXIT_STATUS, VboxmergeError } from '../../../lib/errors.ts'
import { runFake } from './fixtures/fake_surroundings.ts'
import { FORECAST, sampleInfo, sampleResult } from './fixtures/samples.ts'

t.test('--json prints one document in snake_case', async t => {
  const steps = [{ kind: 'snapshot', name: 'keepThisName', description: '', forecast: FORECAST }] as const
  const { status, stdout, stderr } = await runFake(['golden', 'web', '--json'], {
    operations: { golden: async () => sampleResult({ changed: true, steps }) },
  })
  t.equal(status, 0)
  t.equal(stderr, '')
  const document = JSON.parse(stdout)
  t.match(document, {
    failed: false,
    changed: true,
    engine_reason: 'it can carry out the whole plan',
    machine: { settings_file: '/vms/web/web.vbox' },
    seconds: null,
    steps: [
      {
        kind: 'snapshot',
        name: 'keepThisName',
        seconds: null,
        forecast: { read_bytes: 10, freed_bytes: 30 },
      },
    ],
    before: { allocated_bytes: Number, current_snapshot: { name: 'newest' } },
  })
  t.notMatch(stdout, /"[a-z]+[A-Z]\w*":/, 'no key is left in camelCase')
})

t.test('a result has the same keys whatever was done', async t => {
  const digests = [{ controller: 'SATA', port: 0, device: 0, image: 'x', sha256: 'abc' }]
  const keysOf = async (changes: Parameters<typeof sampleResult>[0]) => {
    const merge = async () => sampleResult(changes)
    const { stdout } = await runFake(['merge', 'web', '--json'], { operations: { merge } })
    return Object.keys(JSON.parse(stdout)).sort()
  }
  const plain = await keysOf({})
  t.strictSame(await keysOf({ skipped: 'busy' }), plain)
  t.strictSame(await keysOf({ digests }), plain)
  t.strictSame(await keysOf({ times: { total: 1.5, steps: [1.5] } }), plain)
  const clone = {
    name: 'web Clone',
    id: null,
    settingsFile: '/vms/web Clone/web Clone.vbox',
    registered: false,
  }
  t.strictSame(await keysOf({ clone }), plain)
  t.ok(plain.includes('skipped') && plain.includes('digests'))
})

t.test('info and list print the same kind of document', async t => {
  const info = JSON.parse((await runFake(['info', 'web', '--json'])).stdout)
  const list = JSON.parse((await runFake(['list', '--json'])).stdout)
  t.strictSame(info, list)
  t.match(info, { failed: false, changed: false, machines: [{ machine: { name: 'web' }, digests: null }] })
  t.strictSame(Object.keys(info.machines[0].plans), ['merged', 'compacted', 'base_snapshot', 'golden_image'])
  t.equal(info.machines[0].plans.merged.refusal, null)
  t.match(info.machines[0].plans.golden_image.refusal, { code: 'unsupported' })
  t.match(info.machines[0].snapshots[0], { time_stamp: '2026-01-31T12:00:00Z', current: true })
  const none = await runFake(['list', '--json'], { operations: { list: async () => [] } })
  t.strictSame(JSON.parse(none.stdout), { failed: false, changed: false, machines: [] })
})

t.test('--json prints a document for every failure too', async t => {
  for (const [code, expected] of Object.entries(EXIT_STATUS)) {
    const error = new VboxmergeError(code as ErrorCode, 'Cannot "do"\nit', { stepsDone: 1, stepsLeft: 2 })
    const merge = async () => {
      throw error
    }
    const { status, stdout, stderr } = await runFake(['merge', 'web', '--json'], { operations: { merge } })
    t.equal(status, expected)
    t.equal(stderr, '')
    t.strictSame(JSON.parse(stdout), {
      failed: true,
      code,
      msg: 'Cannot "do"\nit',
      changed: expected !== 3,
      steps_done: 1,
      steps_left: 2,
    })
  }
})

t.test('a usage error is a document as well, unless --json stands behind --', async t => {
  const { status, stdout } = await runFake(['merge', '--json', '--frob'])
  t.equal(status, 2)
  t.match(JSON.parse(stdout), {
    failed: true,
    code: 'invalid_options',
    changed: false,
    steps_done: 0,
    steps_left: null,
  })
  t.equal((await runFake(['merge', 'web', '--frob', '--', '--json'])).stdout, '')
})

t.test('-q does not take the document away', async t => {
  t.match(JSON.parse((await runFake(['merge', 'web', '--json', '-q'])).stdout), { failed: false })
})

t.test('info of a machine with the 500 levels of snapshots is a document too', async t => {
  const snapshots = Array.from({ length: 500 }, (_, at) => ({
    id: String(at),
    name: `s${at}`,
    parent: at === 0 ? null : String(at - 1),
    timeStamp: '',
    current: at === 499,
  }))
  const info = async () => sampleInfo({ snapshots })
  const { stdout } = await runFake(['info', 'web', '--json'], { operations: { info } })
  t.equal(JSON.parse(stdout).machines[0].snapshots.length, 500)
})
