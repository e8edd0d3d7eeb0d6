import t from 'tap'
import { toVboxmergeError } from '../../lib/errors.ts'
import { interruptionReason } from '../../lib/face/cli/interruption.ts'
import { failureData } from '../../lib/face/cli/json_document.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import type { LogEntry } from '../../lib/io/file_log.ts'
import type { Files } from '../../lib/io/files.ts'
import { CHANGING_OPERATIONS, interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import { WANTED } from '../fixtures/plain_host.ts'
import { seed } from '../fixtures/test_run.ts'
import { checkUndoCrashes, recordUndo, type UndoScenario } from '../fixtures/undo_crash.ts'
import { BACKUPS, contentOf, differences, goBack, runWithBackup } from '../fixtures/undo_run.ts'

const BLOCK = 128 * 1024
const disk = { capacity: 3 * BLOCK, blockSize: BLOCK } as const
const chain = { layout: 'small', disks: [disk], snapshots: ['one', 'two'], efi: true } as const
const scenarios: readonly UndoScenario[] = [
  { name: 'merge a part', machine: chain, wanted: WANTED.mergedBut(1) },
  { name: 'golden image', machine: { ...chain, disks: [disk, disk] }, wanted: WANTED.golden },
  {
    name: 'start from another branch',
    machine: {
      ...chain,
      snapshots: ['one', 'two', { name: 'side', on: 'one' }],
      current: 'two',
    },
    wanted: WANTED.from('side'),
    becomes: 'side',
  },
  { name: 'merge all', machine: chain, wanted: WANTED.merged },
  { name: 'give up the current state', machine: chain, wanted: WANTED.discarded, becomes: 'two' },
  {
    name: 'compact',
    machine: { layout: 'small', disks: [{ ...disk, content: { base: { 0: 0, 1: 7, 2: 8 } } }] },
    wanted: WANTED.compacted,
  },
]

/** A lock that cannot be given back stays, and says by whom. */
const NOT_LOCKS = /^(?!.*vboxmerge-lock)/

/** Operations that fail however little time there is. */
const FEWEST = 8

const seconds = Number(process.env.UNDO_CRASH_SECONDS ?? 1)

t.setTimeout((seconds + 240) * 1000)
t.comment(`VBOXMERGE_SEED=${seed}, UNDO_CRASH_SECONDS=${seconds}`)

t.test('whenever a run or undo dies, the machine reads right and can be gone back with', async t => {
  const chosen = scenarios.slice(0, seconds > 10 ? scenarios.length : 3)
  const share = (seconds * 1000) / chosen.length / 2
  for (const [index, scenario] of chosen.entries()) {
    const recorded = await recordUndo(scenario)
    for (const part of ['run', 'undo'] as const) {
      const effort = { seed: seed + index, limit: seconds > 60 ? 32 : 3, until: Date.now() + share }
      const { states, undone } = await checkUndoCrashes(recorded, part, effort)
      t.ok(states > 0, `${scenario.name}, ${part}: ${states} states, ${undone} gone back from`)
    }
  }
})

t.test('settings that come back too early, and flushes that are left out, are found out', async t => {
  const recorded = await recordUndo({ name: 'merge all', machine: chain, wanted: WANTED.merged })
  const { entries } = recorded.undo
  const effort = { seed, limit: 1, until: Number.POSITIVE_INFINITY }
  const isFound = async (changed: readonly LogEntry[]): Promise<boolean> =>
    await checkUndoCrashes(recorded, 'undo', effort, { ...recorded.undo, entries: changed }).then(
      () => false,
      () => true,
    )
  const commits = entries.filter(entry => entry.kind === 'rename' && entry.to.name === 'web.vbox')
  const [aside, last] = commits
  if (commits.length !== 2 || aside === undefined || last === undefined)
    throw new RangeError('no two commits')
  const without = (left: (entry: LogEntry) => boolean): LogEntry[] => entries.filter(entry => !left(entry))
  const early = without(entry => entry === last)
  early.splice(entries.indexOf(aside) + 2, 0, last)
  t.ok(await isFound(early), 'the settings of the backup before its images')
  t.ok(await isFound(without(entry => entry === aside)), 'images put over those that the settings name')
  t.ok(
    await isFound(without(entry => entry.kind === 'sync' && entry.path.endsWith('disk0.vdi.vboxmerge-undo'))),
    'the flush of an image',
  )
})

t.test('whichever operation fails, the machine reads right, and undo finishes when done again', async t => {
  const start = new RecordedFiles()
  const made = await makeMachine(start, '/machine', chain)
  const before = await contentOf(start)
  await runWithBackup(start, made.settingsFile, WANTED.merged)
  const left = await contentOf(start)
  const until = Date.now() + seconds * 500
  const counting = faultyFiles(start.fork(), [{ operation: 'changing', at: Number.POSITIVE_INFINITY }])
  await goBack(counting.files)
  const total = counting.counts[0] ?? 0
  t.ok(total > 20, `${total} operations`)
  let failed = 0
  for (let turn = 0; turn < 2 * total && (turn < FEWEST || Date.now() < until); turn++) {
    const at = spread(turn, total)
    const files = start.fork()
    const isStopped = turn % 3 === 2
    const error = await (isStopped ? stoppedAt(files, at) : failingAt(files, at))
    if (error !== undefined) {
      failed += 1
      const named = (await contentOf(files)).get(made.settingsFile)
      const isChanged = left.get(made.settingsFile)?.equals(named ?? Buffer.alloc(0)) === false
      const { changed, code } = failureData(toVboxmergeError(error))
      if (isChanged) t.equal(changed, true, `operation ${at} (${code}): it says that something was changed`)
    }
    const problems = await machineProblems(files, made)
    if (problems.length > 0) t.same(problems, [], `operation ${at}`)
    await goBack(files)
    const wrong = differences(before, await contentOf(files))
    if (wrong.length > 0) t.same(wrong, [], `operation ${at}`)
  }
  t.ok(failed > 0, `${failed} failures`)
})

/** Goes back while a change fails; resolves to what is thrown. */
async function failingAt(files: Files, at: number): Promise<unknown> {
  const bad = faultyFiles(files, [{ operation: 'changing', at, error: at % 2 === 0 ? 'EIO' : 'ENOSPC' }])
  return await goBack(bad.files).then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** Goes back and is asked to stop at a change; resolves to what is thrown. */
async function stoppedAt(files: Files, at: number): Promise<unknown> {
  const stop = new AbortController()
  let changes = 0
  const watched = interceptedFiles(files, async (call, run) => {
    if (CHANGING_OPERATIONS.has(call.operation) && ++changes === at) stop.abort(interruptionReason('SIGTERM'))
    return await run()
  })
  return await goBack(watched, BACKUPS, { signal: stop.signal }).then(
    () => undefined,
    (error: unknown) => error,
  )
}

t.test(
  'whichever operation of a run with a backup fails, there is no backup or one that is whole',
  async t => {
    const start = new RecordedFiles()
    const made = await makeMachine(start, '/machine', chain)
    const before = await contentOf(start)
    const until = Date.now() + seconds * 500
    const counting = faultyFiles(start.fork(), [{ operation: 'changing', at: Number.POSITIVE_INFINITY }])
    await runWithBackup(counting.files, made.settingsFile, WANTED.merged)
    const total = counting.counts[0] ?? 0
    let kept = 0
    let turn = 0
    for (; turn < 2 * total && (turn < FEWEST || Date.now() < until); turn++) {
      const at = spread(turn, total)
      const files = start.fork()
      const bad = faultyFiles(files, [{ operation: 'changing', path: NOT_LOCKS, at, error: 'EIO' }])
      const error = await runWithBackup(bad.files, made.settingsFile, WANTED.merged).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      const problems = await machineProblems(files, made)
      if (problems.length > 0 && (await files.stat(`${made.settingsFile}.vboxmerge-journal`)) === undefined)
        t.same(problems, [], `operation ${at}`)
      const [folder] = await files.list('/backups')
      const isWhole =
        folder !== undefined && (await files.list(`/backups/${folder}`)).includes('manifest.json')
      if (isWhole) {
        kept += 1
        if (error instanceof Error && !error.message.includes('vboxmerge undo'))
          t.match(error.message, 'vboxmerge undo', `operation ${at}`)
        // Without word of how the run left the machine it cannot be told whether it was used since.
        const isNoted = (await files.list(`/backups/${folder}`)).includes('outcome.json')
        await goBack(files, '/backups', { discardChanges: !isNoted })
      }
      const left = differences(before, await contentOf(files))
      if (left.length > 0) t.same(left, [], `operation ${at}, ${error}`)
    }
    t.ok(
      turn > 3 && kept > 0,
      `${turn} of ${total} operations failed, ${kept} times there was a backup to go back to`,
    )
  },
)

/** A number from 1 to `total`, spread so that few turns see all parts of the way. */
function spread(turn: number, total: number): number {
  const golden = (Math.sqrt(5) - 1) / 2
  return 1 + Math.floor((((turn + (seed % 1000)) * golden) % 1) * total)
}
