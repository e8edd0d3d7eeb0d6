import t from 'tap'
import { ensureDocument, infoDocument } from '../../../lib/face/module/module_document.ts'
import { FORECAST, sampleInfo, sampleResult } from '../cli/fixtures/samples.ts'

const ID = '11111111-2222-4333-8444-555555555555'
const manner = { operation: 'golden', check: false, diff: false } as const

const steps = [
  {
    kind: 'merge',
    snapshots: [
      { id: ID, name: 'two:' },
      { id: ID, name: 'one' },
    ],
    disks: [{ target: ID, path: '/vms/web/web.vdi', folded: [ID] }],
    forecast: FORECAST,
  },
  {
    kind: 'compact',
    images: [
      { image: ID, path: '/vms/web/a.vdi', reclaimBytes: 2 ** 20 },
      { image: ID, path: '/vms/web/b.vdi', reclaimBytes: 2 ** 30 },
    ],
    forecast: FORECAST,
  },
] as const

t.test('the message tells all steps in a line', async t => {
  const result = sampleResult({ changed: true, steps })
  t.equal(
    ensureDocument(result, manner).msg,
    'web: merged 2 snapshots into web.vdi ("two:", "one"); compacted a.vdi, 1.0 MiB given back; compacted b.vdi, 1.0 GiB given back',
  )
  t.equal(
    ensureDocument(result, { ...manner, check: true }).msg,
    'web: would merge 2 snapshots into web.vdi; would compact a.vdi, giving 1.0 MiB back; would compact b.vdi, giving 1.0 GiB back',
  )
  t.match(ensureDocument(sampleResult(), manner).msg, /^web: nothing to do \(13 snapshots, 14 images, /)
})

t.test('a machine that is left alone says why', async t => {
  const skipped = 'Cannot lock "lockTimeout": raise lockTimeout'
  const document = ensureDocument(sampleResult({ skipped }), manner)
  t.equal(document.msg, 'web: skipped: Cannot lock "lockTimeout": raise lock_timeout')
  t.equal(document.skipped, skipped)
  t.equal(ensureDocument(sampleResult(), manner).skipped, null)
})

t.test('warnings are plain texts that cannot play tricks on a terminal', async t => {
  const warnings = [{ code: 'x', message: 'Not \u001b[2J\u202ethat; minReclaim\nsays so' }]
  const expected = ['Not \\x1b[2J\\u202ethat; min_reclaim\nsays so']
  t.strictSame(ensureDocument(sampleResult({ warnings }), manner).warnings, expected)
  const machine = { ...sampleResult().machine, name: 'a\u001bb' }
  t.match(ensureDocument(sampleResult({ machine }), manner).msg, /^a\\x1bb: /)
  const infos = infoDocument([
    sampleInfo({ machine, warnings: [{ code: 'x', message: 'bad \u0007' }] }),
    sampleInfo(),
  ])
  t.strictSame([infos.msg, infos.warnings], ['2 machines', ['bad \\x07']])
  t.match(infos.machines, [{ warnings: [{ code: 'x', message: 'bad \u0007' }] }, { warnings: [] }])
})

t.test('diff mode adds the machine before and after', async t => {
  const document = ensureDocument(sampleResult(), { ...manner, diff: true })
  t.match(document.diff, { before: { allocated_bytes: Number, snapshots: 13 }, after: { snapshots: 0 } })
  t.notOk('diff' in ensureDocument(sampleResult(), manner))
})
