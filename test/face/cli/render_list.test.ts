import t from 'tap'
import type { MachineInfo } from '../../../lib/machine/info_types.ts'
import { runFake } from './fixtures/fake_surroundings.ts'
import { SUMMARY, sampleInfo, sampleResult } from './fixtures/samples.ts'

const GIB = 1024 ** 3
const NOTHING = { changed: false, steps: [], savedBytes: 0, estimate: null } as const

async function list(machines: readonly MachineInfo[], args: readonly string[] = []): Promise<string[]> {
  const { status, stdout } = await runFake(['list', ...args], { operations: { list: async () => machines } })
  if (status !== 0) throw new Error(stdout)
  return stdout.trimEnd().split('\n')
}

function machine(name: string, bytes: number, changes: Partial<MachineInfo> = {}): MachineInfo {
  const ref = { ...sampleResult().machine, name }
  const plans = { ...sampleInfo().plans, compacted: NOTHING, golden_image: NOTHING }
  return sampleInfo({ machine: ref, summary: { ...SUMMARY, bytes, snapshots: 1 }, plans, ...changes })
}

t.test('list shows a line a machine, the largest first, and what they sum up to', async t => {
  const { plans } = machine('', 0)
  const gain = { ...NOTHING, changed: true, savedBytes: 3 * GIB }
  const blind = { ...NOTHING, changed: 'unknown' } as const
  const lines = await list([
    machine('db\u001b', 512, { state: 'saved' }),
    machine('web', 8 * GIB, { plans: { ...plans, golden_image: gain } }),
    machine('old', 4 * GIB, { plans: { ...plans, golden_image: gain, compacted: blind } }),
  ])
  t.strictSame(lines.slice(0, 6), [
    'NAME         ON HOST   TO GAIN  SNAPSHOTS  STATE',
    'web          8.0 GiB   3.0 GiB          1  powered off',
    'old          4.0 GiB  3.0 GiB+          1  powered off',
    'db\\x1b         512 B       0 B          1  saved',
    'total of 3  12.0 GiB  6.0 GiB+',
    '',
  ])
  t.match(lines.slice(6).join(' '), /"\+": a look into +the disks may find more \(--scan\)/)
})

t.test('a machine that cannot be read is a line of its own, and fails nothing', async t => {
  const refusal = { code: 'settings_corrupt', message: 'Cannot read "/vms/bad/bad.vbox": it is empty' }
  const refused = { changed: 'unknown', steps: [], savedBytes: null, estimate: null, refusal } as const
  const bad = machine('', 0, {
    machine: { name: '', id: '', settingsFile: '/vms/bad/bad.vbox', registered: false },
    state: 'inaccessible',
    plans: { merged: refused, compacted: refused, base_snapshot: refused, golden_image: refused },
    warnings: [refusal],
  })
  const forked = machine('fork', GIB, { plans: { ...machine('', 0).plans, golden_image: refused } })
  const list = async () => [bad, forked]
  const { status, stdout, stderr } = await runFake(['list'], { operations: { list } })
  t.equal(status, 0)
  t.match(stdout, /\nfork +1\.0 GiB +\? +1 {2}powered off\nbad\.vbox +0 B +\? +1 {2}inaccessible\n/)
  t.match(stdout, /\nfork: golden would refuse; why: vboxmerge info "fork"\n/)
  t.equal(stderr, 'warning: Cannot read "/vms/bad/bad.vbox": it is empty\n')
})

t.test('list says what is at work, what is unfinished, and what is not registered', async t => {
  const running = {
    operation: 'merged',
    step: null,
    percent: 10,
    secondsLeft: null,
    pid: 7,
    host: 'pc',
    started: '2026-01-31T12:00:00.000Z',
  }
  const unfinished = { reason: 'It died', help: 'run it again' }
  const ref = { ...sampleResult().machine, name: 'b', registered: false }
  const text = (
    await list([machine('a', 2, { running }), machine('b', 1, { unfinished, machine: ref })])
  ).join('\n')
  t.match(
    text,
    /\na +2 B +0 B +1 {2}vboxmerge works on it\nb +1 B +0 B +1 {2}powered off, not registered, unfinished\n/,
  )
  t.match(text, /\na: vboxmerge \(merged\) has worked on it since .*, 10%/s)
  t.match(text, /\nb: It died\. What helps: run it again\n/)
})

t.test('without machines there is a hint', async t => {
  t.strictSame(await list([]), [
    'no machine is registered here; to look into a folder: vboxmerge list FOLDER',
  ])
})
