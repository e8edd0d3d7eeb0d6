import { join } from 'node:path'
import t from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { type EnsureHost, realEnsureHost } from '../../lib/ensure/host.ts'
import type { Progress } from '../../lib/ensure/progress.ts'
import { operationOf, reportStatus } from '../../lib/ensure/status_reporter.ts'
import { wantedCompaction, wantedMerge, wantedSnapshot } from '../../lib/ensure/wanted_parts.ts'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { statusPath } from '../../lib/machine/run_status.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const VBOX = '/m/web.vbox'
const MOMENT: Progress = { phase: 'merge', subject: 'web.vdi', done: 1, total: 4, unit: 'bytes' }
const OVERALL = { piece: 1, pieces: 2, share: 0.125, secondsLeft: 7 }
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function statusOf(files: RecordedFiles): Promise<Record<string, unknown> | undefined> {
  if ((await files.stat(statusPath(VBOX))) === undefined) return undefined
  return JSON.parse(Buffer.from(await files.readFile(statusPath(VBOX), 4096)).toString())
}

t.test('a run tells how far it is after a second, then each second, and takes it back', async t => {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  let time = 5000
  const place = { files, settingsFile: VBOX, token: 'abc' }
  const { show, end } = reportStatus(place, 'merged', () => time)
  const percents: unknown[] = []
  for (const [at, share] of [
    [5000, 0.1],
    [5999, 0.2],
    [6000, 0.3],
    [6999, 0.4],
    [7000, 0.5],
  ] as const) {
    time = at
    show({ ...MOMENT, overall: { ...OVERALL, share } })
    for (let turn = 0; turn < 20; turn++) await settle()
    percents.push((await statusOf(files))?.percent)
  }
  t.strictSame(percents, [undefined, undefined, 30, 30, 50])
  t.match(await statusOf(files), { token: 'abc', operation: 'merged', step: 'merge web.vdi', secondsLeft: 7 })
  await end()
  t.strictSame(await files.list('/m'), [])
  time = 99_000
  show(MOMENT)
  await settle()
  t.strictSame(await files.list('/m'), [], 'what comes late is not told')
})

t.test('what becomes of a status is no matter of the run', async t => {
  let time = 0
  const below = new RecordedFiles()
  await below.makeFolder('/m')
  const { files } = faultyFiles(below, [{ operation: 'rename', path: /status/, at: 1, sticky: true }])
  const { show, end } = reportStatus({ files, settingsFile: VBOX, token: 'abc' }, 'merged', () => time)
  for (time of [0, 2000, 4000]) {
    show(MOMENT)
    for (let turn = 0; turn < 20; turn++) await settle()
  }
  await end()
  t.strictSame(await below.list('/m'), [])
})

t.test('operations have the names that plans have', async t => {
  const merged = wantedMerge({
    skip: 0,
    discardCurrentState: false,
    branches: 'refuse',
    baseSnapshot: 'Base',
  })
  const compacted = wantedCompaction({})
  const baseSnapshot = wantedSnapshot({ snapshotName: 'Base', snapshotDescription: '' })
  const none = { merged: undefined, compacted: undefined, baseSnapshot: undefined, discardSavedState: false }
  t.equal(operationOf({ ...none, merged }), 'merged')
  t.equal(operationOf({ ...none, compacted }), 'compacted')
  t.equal(operationOf({ ...none, baseSnapshot }), 'base_snapshot')
  t.equal(operationOf({ ...none, merged, compacted, baseSnapshot }), 'golden_image')
  t.equal(operationOf({ ...none, merged, baseSnapshot }), 'merged base_snapshot')
})

t.test(
  'a long run is told while it works, and neither check mode nor a run with nothing to do writes',
  async t => {
    const folder = await temporaryFolder(t)
    const made = await makeMachine(realFiles, join(folder, 'web'), {
      disks: [{ capacity: 16 * 2 ** 20 }, { capacity: 16 * 2 ** 20 }],
      snapshots: ['one', 'two'],
    })
    const counted = countingFiles(realFiles)
    let time = 0
    const host: EnsureHost = {
      ...realEnsureHost,
      statusFiles: counted.files,
      // Each look at the clock is minutes later.
      ticks: () => (time += 100_000),
    }
    const moments: Progress[] = []
    const run = async (check: boolean) => {
      const wanted = {
        merged: wantedMerge({
          skip: 0,
          discardCurrentState: false,
          branches: 'refuse',
          baseSnapshot: 'Base',
        }),
        compacted: undefined,
        baseSnapshot: undefined,
        discardSavedState: false,
      }
      const place = { engine: 'auto', registration: 'auto', vboxUserHome: join(folder, 'home') } as const
      const options = {
        ...place,
        lockTimeout: 1,
        check,
        onProgress: (moment: Progress) => moments.push(moment),
      }
      return await ensureWanted(made.settingsFile, wanted, options, host)
    }
    const { estimate } = await run(true)
    t.match(estimate, { seconds: Number, measured: false, space: [{ neededBytes: Number, missingBytes: 0 }] })
    t.strictSame(counted.changes(), [], 'check mode writes no status')
    t.equal((await run(false)).changed, true)
    const told = counted.changes().filter(line => line.startsWith('rename '))
    t.ok(told.length > 0, `${told.length} times`)
    t.ok(told.every(line => line.endsWith(` to ${statusPath(made.settingsFile)}`)))
    const shares = moments.flatMap(({ overall }) => (overall === undefined ? [] : [overall.share]))
    t.strictSame(
      shares,
      [...shares].sort((a, b) => a - b),
      'the whole run only goes on',
    )
    t.ok((shares.at(-1) ?? 0) > 0.99)
    t.match(moments.at(-1)?.overall, { piece: 2, pieces: 2, secondsLeft: Number })
    t.notOk(
      (await realFiles.list(made.folder)).some(name => name.includes('vboxmerge')),
      'nothing is left',
    )
    const before = counted.changes().length
    t.equal((await run(false)).changed, false)
    t.equal(counted.changes().length, before, 'a run with nothing to do writes no status')
  },
)
