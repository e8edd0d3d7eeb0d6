import t from 'tap'
import type { LogEntry } from '../../lib/io/file_log.ts'
import { type CloneScenario, checkCloneCrashes, recordClone } from '../fixtures/clone_crash.ts'
import { seed } from '../fixtures/test_run.ts'

const KIB = 1024
const disk = { capacity: 3 * 128 * KIB, blockSize: 128 * KIB } as const
const machine = { layout: 'small', efi: true, disks: [disk, disk], snapshots: ['one', 'two'] } as const

const scenarios: readonly CloneScenario[] = [
  { name: 'clone', machine, wanted: {} },
  { name: 'clone a snapshot', machine: { ...machine, efi: false, disks: [disk] }, wanted: { from: 'one' } },
  { name: 'replace', machine, wanted: { replace: true }, replaces: 'one' },
  { name: 'replace by a snapshot', machine, wanted: { from: 'two', replace: true }, replaces: 'current' },
]

const seconds = Number(process.env.CRASH_SECONDS ?? 20) / 8

t.setTimeout((seconds + 120) * 1000)
t.comment(`VBOXMERGE_SEED=${seed}, CRASH_SECONDS=${8 * seconds}`)

t.test(
  'after a crash at any moment the machine is as it was, its clone is whole or not there, and the next run finishes',
  async t => {
    const share = (seconds * 1000) / scenarios.length
    for (const [index, scenario] of scenarios.entries()) {
      const recorded = await recordClone(scenario)
      const effort = {
        seed: seed + index,
        limit: seconds > 7 ? 64 : 6,
        resumeEach: seconds > 7 ? 3 : 5,
        until: Date.now() + share,
      }
      const { states, resumed } = await checkCloneCrashes(recorded, effort)
      const changes = recorded.recording.entries.length
      const text = `${scenario.name}: ${changes} changes, ${states} states, ${resumed} runs finished`
      t.ok(states > 0 && resumed > 0, text)
    }
  },
)

t.test('a flush that is left out, or a commit that comes too early, is found out', async t => {
  const small = { ...machine, efi: false, disks: [disk] }
  const recorded = await recordClone({
    name: 'replace',
    machine: small,
    wanted: { replace: true },
    replaces: 'one',
  })
  const { entries } = recorded.recording
  const effort = { seed, limit: 8, resumeEach: 40, until: Number.POSITIVE_INFINITY }
  const isFound = async (changed: readonly LogEntry[]): Promise<boolean> =>
    await checkCloneCrashes(recorded, effort, changed).then(
      () => false,
      () => true,
    )
  const without = (left: (entry: LogEntry, index: number) => boolean): LogEntry[] =>
    entries.filter((entry, index) => !left(entry, index))
  const commit = entries.find(entry => entry.kind === 'rename' && entry.to.name === 'clone.vbox')
  if (commit === undefined) throw new RangeError('the run made no commit')
  const at = entries.indexOf(commit)
  const early = without(entry => entry === commit)
  early.splice(
    entries.findIndex(entry => entry.kind === 'rename' && entry.to.name.endsWith('.vdi')),
    0,
    commit,
  )
  t.notOk(await isFound(entries), 'nothing is found in the run as it was')
  t.ok(await isFound(without(entry => entry.kind === 'sync' && entry.path.endsWith('part'))), 'the images')
  t.ok(
    await isFound(without(entry => entry.kind === 'sync' && entry.path.endsWith('coming'))),
    'the settings',
  )
  t.ok(
    await isFound(without((entry, index) => entry.kind === 'syncFolder' && index > at)),
    'the folder, before the old clone is deleted',
  )
  t.ok(await isFound(early), 'the commit before the images have their names')
})
