import t from 'tap'
import type { Step } from '../../../lib/ensure/result.ts'
import { describeStep } from '../../../lib/face/cli/describe_step.ts'
import { FORECAST } from './fixtures/samples.ts'

const snapshots = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => ({ id: name, name }))
const disk = { target: 'x', path: '/vms/web/web.vdi', folded: ['y', 'z'] }

function both(step: Step): [string[], string[]] {
  return [describeStep(step, 'done'), describeStep(step, 'planned')]
}

t.test('each kind of step is told as done and as planned', async t => {
  t.strictSame(both({ kind: 'recover', reason: 'it stopped', forecast: FORECAST }), [
    ['finished what an interrupted run had begun: it stopped'],
    ['would finish what an interrupted run had begun: it stopped'],
  ])
  t.strictSame(both({ kind: 'restore', snapshot: { id: 'a', name: 'a\u001b' }, forecast: FORECAST }), [
    ['went back to the snapshot "a\\x1b"; what was not in it is gone'],
    ['would go back to the snapshot "a\\x1b"; what is not in it would be lost'],
  ])
  t.strictSame(both({ kind: 'discard', what: 'saved_state', snapshots: [], forecast: FORECAST }), [
    ['discarded the saved state'],
    ['would discard the saved state'],
  ])
  t.strictSame(
    both({ kind: 'discard', what: 'branches', snapshots: snapshots.slice(0, 1), forecast: FORECAST }),
    [
      ['deleted 1 snapshot of other branches with their data ("a")'],
      ['would delete 1 snapshot of other branches with their data:', '  "a"'],
    ],
  )
  const undone = { backup: '/srv/b', madeAt: '2026-01-31T12:00:00.000Z', files: 3, forecast: FORECAST }
  t.strictSame(both({ kind: 'undo', ...undone }), [
    ['went back to the state of 2026-01-31T12:00:00.000Z; 3 files from /srv/b'],
    ['would go back to the state of 2026-01-31T12:00:00.000Z; 3 files from /srv/b'],
  ])
  const images = [{ image: 'x', path: '/vms/web/web.vdi', reclaimBytes: 2 * 1024 ** 3 }]
  t.strictSame(both({ kind: 'compact', images, forecast: FORECAST }), [
    ['compacted web.vdi, 2.0 GiB given back'],
    ['would compact web.vdi, giving 2.0 GiB back'],
  ])
  t.strictSame(both({ kind: 'snapshot', name: 'Base', description: '', forecast: FORECAST }), [
    ['took the snapshot "Base"'],
    ['would take the snapshot "Base"'],
  ])
})

t.test('a clone is told with its place, the state and the disks', async t => {
  const clone = {
    kind: 'clone',
    action: 'create',
    name: 'web\u001b Clone',
    settingsFile: '/vms/c/c.vbox',
    snapshot: null,
    disks: [{ controller: 'SATA', port: 0, device: 0, path: '/vms/c/c-disk1.vdi', bytes: 3 * 1024 ** 2 }],
    forecast: FORECAST,
  } as const
  t.strictSame(both(clone), [
    ['wrote the clone "web\\x1b Clone" with the current state: /vms/c/c.vbox', '  c-disk1.vdi, 3.0 MiB'],
    [
      'would write the clone "web\\x1b Clone" with the current state: /vms/c/c.vbox',
      '  c-disk1.vdi, 3.0 MiB',
    ],
  ])
  const snapshot = { id: 'a', name: 'Base' }
  t.strictSame(both({ ...clone, action: 'replace', name: 'c', snapshot, disks: [] }), [
    ['replaced the clone "c" with the snapshot "Base": /vms/c/c.vbox'],
    ['would replace the clone "c" with the snapshot "Base": /vms/c/c.vbox'],
  ])
  t.strictSame(both({ ...clone, action: 'finish', name: 'c', disks: [] }), [
    ['finished the clone "c": /vms/c/c.vbox'],
    ['would finish the clone "c": /vms/c/c.vbox'],
  ])
})

t.test('a plan names every snapshot, a report the newest few', async t => {
  const [done, planned] = both({
    kind: 'merge',
    snapshots,
    disks: [disk, { ...disk, path: '/b.vdi' }],
    forecast: FORECAST,
  })
  t.strictSame(done, ['merged 6 snapshots into web.vdi, b.vdi ("a", "b", "c", "d", and 2 more)'])
  t.strictSame(planned, [
    'would merge 6 snapshots into web.vdi, b.vdi:',
    ...snapshots.map(({ name }) => `  "${name}"`),
  ])
})

t.test('a merge without disks or without snapshots still says something true', async t => {
  t.strictSame(describeStep({ kind: 'merge', snapshots: [], disks: [disk], forecast: FORECAST }, 'done'), [
    'merged 2 images into web.vdi',
  ])
  t.strictSame(
    describeStep({ kind: 'merge', snapshots: snapshots.slice(0, 1), disks: [], forecast: FORECAST }, 'done'),
    ['merged 1 snapshot ("a")'],
  )
})
