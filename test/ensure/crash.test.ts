import t from 'tap'
import type { LogEntry } from '../../lib/io/file_log.ts'
import { type CrashScenario, checkMachineCrashes, recordRun } from '../fixtures/machine_crash.ts'
import { seed } from '../fixtures/test_run.ts'

const KIB = 1024
const disk = { capacity: 3 * 128 * KIB, blockSize: 128 * KIB } as const
const small = { layout: 'small' } as const
const merged = {
  skip: 0,
  count: Number.POSITIVE_INFINITY,
  discardCurrentState: false,
  branches: 'refuse',
  baseSnapshot: false,
  from: undefined,
} as const
const compacted = { minReclaim: 'one_block', freeSpace: 'keep' } as const
const baseSnapshot = { name: 'Base', description: 'Created by vboxmerge' } as const
const chain = { ...small, disks: [disk], snapshots: ['one', 'two', 'three'] } as const
const fork = {
  ...small,
  disks: [disk, { ...disk, capacity: 2 * 128 * KIB + 512 }],
  snapshots: ['one', 'two', { name: 'side', on: 'one' }, { name: 'tip', on: 'side' }],
  current: 'two',
} as const

const scenarios: readonly CrashScenario[] = [
  { name: 'merge all', machine: chain, wanted: { merged } },
  { name: 'merge all, sharing blocks', machine: chain, wanted: { merged }, sharing: true },
  { name: 'merge all but one', machine: chain, wanted: { merged: { ...merged, skip: 1 } } },
  {
    name: 'merge all but one and take a base snapshot',
    machine: chain,
    wanted: { merged: { ...merged, skip: 1, baseSnapshot: 'Base' }, baseSnapshot },
  },
  {
    name: 'merge into a differencing image',
    machine: { ...fork, snapshots: [...fork.snapshots, { name: 'three', on: 'two' }], current: 'three' },
    wanted: { merged: { ...merged, branches: 'stop' } },
  },
  { name: 'merge down to a fork', machine: fork, wanted: { merged: { ...merged, branches: 'stop' } } },
  { name: 'discard other branches', machine: fork, wanted: { merged: { ...merged, branches: 'discard' } } },
  {
    name: 'compact',
    machine: { ...small, disks: [{ ...disk, content: { base: { 0: 0, 1: 7, 2: 8 } } }] },
    wanted: { compacted },
  },
  { name: 'base snapshot', machine: { ...small, efi: true, disks: [disk, disk] }, wanted: { baseSnapshot } },
  {
    name: 'golden image',
    machine: { ...chain, efi: true, disks: [disk, disk] },
    wanted: { merged: { ...merged, baseSnapshot: 'Base' }, compacted, baseSnapshot },
  },
  {
    name: 'discard the current state',
    machine: { ...chain, efi: true },
    wanted: { merged: { ...merged, discardCurrentState: true } },
    becomes: 'three',
  },
  {
    name: 'discard the current state and keep a snapshot',
    machine: chain,
    wanted: { merged: { ...merged, discardCurrentState: true, skip: 1 } },
    becomes: 'three',
  },
  {
    name: 'restore another branch',
    machine: fork,
    wanted: { merged: { ...merged, from: 'tip', branches: 'discard' } },
    becomes: 'tip',
  },
  {
    name: 'give up a saved state',
    machine: {
      ...chain,
      snapshots: ['one', { name: 'two', saved: true }, { name: 'three', saved: true }],
      saved: 'shared',
    },
    wanted: { merged, discardSavedState: true },
  },
]

const seconds = Number(process.env.CRASH_SECONDS ?? 20)

t.setTimeout((seconds + 240) * 1000)
t.comment(`VBOXMERGE_SEED=${seed}, CRASH_SECONDS=${seconds}`)

t.test(
  'every view that the settings name reads right after a crash at any moment, and the next run finishes',
  async t => {
    const share = (seconds * 1000) / scenarios.length
    let spare = 0
    for (const [index, scenario] of scenarios.entries()) {
      const recorded = await recordRun(scenario)
      const began = Date.now()
      const until = began + share + spare
      const effort = {
        seed: seed + index,
        limit: seconds > 60 ? 64 : 6,
        resumeEach: seconds > 60 ? 3 : 5,
        until,
      }
      const { states, resumed } = await checkMachineCrashes(recorded, effort)
      spare = Math.max(0, until - Date.now())
      const changes = recorded.recording.entries.length
      t.ok(
        states > 0 && resumed > 0,
        `${scenario.name}: ${changes} changes, ${states} states, ${resumed} runs finished`,
      )
    }
  },
)

t.test('a flush that is left out, or a commit that comes too early, is found out', async t => {
  const recorded = await recordRun({ name: 'merge all', machine: chain, wanted: { merged } })
  const { entries } = recorded.recording
  const effort = { seed, limit: 16, resumeEach: 8, until: Number.POSITIVE_INFINITY }
  const isFound = async (changed: readonly LogEntry[]): Promise<boolean> =>
    await checkMachineCrashes(recorded, effort, changed).then(
      () => false,
      () => true,
    )
  const without = (left: (entry: LogEntry, index: number) => boolean): LogEntry[] =>
    entries.filter((entry, index) => !left(entry, index))
  const commits = entries.filter(entry => entry.kind === 'rename' && entry.to.name === 'web.vbox')
  const second = commits[1]
  if (commits.length !== 2 || second === undefined) throw new RangeError('the run made no two commits')
  const behind = entries.indexOf(second)
  const early = without(entry => entry === second)
  early.splice(entries.indexOf(commits[0] as LogEntry) + 2, 0, second)
  t.notOk(await isFound(entries), 'nothing is found in the run as it was')
  t.ok(
    await isFound(without(entry => entry.kind === 'sync' && entry.path.endsWith('/disk0.vdi'))),
    'the flushes of the image that others are folded into',
  )
  t.ok(
    await isFound(without(entry => entry.kind === 'sync' && entry.path.endsWith('.vbox.vboxmerge-second'))),
    'the flush of the coming settings',
  )
  t.ok(
    await isFound(without((entry, index) => entry.kind === 'syncFolder' && index > behind)),
    'the flush of the folder before images are deleted',
  )
  t.ok(await isFound(early), 'the second commit before the images are folded')
})
