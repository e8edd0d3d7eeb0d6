import t from 'tap'
import type { LogEntry } from '../../../lib/io/file_log.ts'
import { type CrashScene, checkCrashes, type RecordedFold, recordFold } from '../../fixtures/fold_crash.ts'
import { BLOCK } from '../../fixtures/fold_disks.ts'
import { randomScene } from '../../fixtures/random_scene.ts'
import { budgetMs, seed, testRandom, thorough } from '../../fixtures/test_run.ts'

t.setTimeout(120_000)

const effort = { seed, limit: 64 }

/** The first physical block of the images of these tests. */
const DATA = 4096

const TABLE = 512

/** A last block moves into the slot of a dropped one, so that every step of a fold is there. */
const COMPACTED: CrashScene = { wishes: [{ content: 'ddd' }], target: 0, top: 0, dead: [0] }

/** The count of allocated blocks rises. */
const APPENDED: CrashScene = { wishes: [{ content: 'dff' }, { content: 'fdd' }], target: 0, top: 1 }

const GROWN: CrashScene = {
  wishes: [
    { content: 'ddd', order: [2, 0, 1], capacity: 3 * BLOCK - 1024 },
    { content: 'fzfdd', capacity: 4.5 * BLOCK },
  ],
  target: 0,
  top: 1,
}

/** The larger disk has more blocks with data than the old one has entries. */
const FILLED: CrashScene = { wishes: [{ content: 'd' }, { content: 'fddd' }], target: 0, top: 1 }

const SCENES: Readonly<Record<string, CrashScene>> = {
  'a compaction that moves a block': COMPACTED,
  'a fold that appends blocks': APPENDED,
  'a disk that grows inside of its last block': GROWN,
  'a disk that grows from one full block to four': FILLED,
  'blocks overwritten in their own slots': {
    wishes: [{ content: 'ddd' }, { content: 'zdf' }],
    target: 0,
    top: 1,
  },
  'a fold of three images with a drop, a move and an append': {
    wishes: [{ content: 'dddf', order: [2, 1, 0] }, { content: 'zffd' }, { content: 'fdff' }],
    target: 0,
    top: 2,
    dead: [1],
  },
  'orphans that an earlier crash left': {
    wishes: [{ content: 'dff', order: [2], allocated: 3 }, { content: 'ffd' }],
    target: 0,
    top: 1,
  },
  'a new block between two dropped ones': {
    wishes: [{ content: 'dfd' }, { content: 'fdf' }],
    target: 0,
    top: 1,
    dead: [0, 2],
  },
  'a block that moves between two dropped ones': {
    wishes: [{ content: 'ddd' }],
    target: 0,
    top: 0,
    dead: [0, 2],
  },
  'the middle of a chain': {
    wishes: [{ content: 'ddd' }, { content: 'dfd' }, { content: 'zdf' }, { content: 'fzf' }],
    target: 1,
    top: 2,
    dead: [2],
  },
  'a differencing image with larger blocks': {
    wishes: [{ content: 'dddd' }, { content: 'fd', blockSize: 2 * BLOCK }, { content: 'fdzf' }],
    target: 1,
    top: 2,
  },
  'a fixed image': { wishes: [{ content: 'dd', fixed: true }, { content: 'fz' }], target: 0, top: 1 },
  'a fresh file': { wishes: [{ content: 'ddd' }, { content: 'zfd' }], target: 0, top: 1, way: 'fresh' },
  'a fresh file for a larger disk': {
    wishes: [{ content: 'dd', dataOffset: 520 }, { content: 'fddd' }],
    target: 0,
    top: 1,
    way: 'fresh',
  },
}

for (const [name, scene] of Object.entries(SCENES)) {
  t.test(`the disk reads right after a power failure at any moment: ${name}`, async t => {
    const states = await checkCrashes(await recordFold(scene), thorough ? effort : { seed, limit: 16 })
    t.ok(states > 5, `${states} states`)
  })
}

t.test('the disk reads right after a power failure at any moment of random folds', async t => {
  const random = testRandom(t)
  const end = Date.now() + budgetMs(4)
  let folds = 0
  let states = 0
  while (Date.now() < end) {
    const scene = randomScene(random)
    const recorded = await recordFold(scene)
    if (recorded.recording.entries.length === 0) continue
    states += await checkCrashes(recorded, { seed, limit: 16, resumeEach: 3 }).catch((error: unknown) => {
      throw new Error(JSON.stringify(scene), { cause: error })
    })
    folds++
  }
  t.pass(`${folds} folds, ${states} states`)
})

/** The places of the flushes in a recording. */
function flushes(entries: readonly LogEntry[]): number[] {
  return entries.flatMap(({ kind }, index) => (kind === 'sync' ? [index] : []))
}

function without(entries: readonly LogEntry[], left: number | undefined): LogEntry[] {
  return entries.filter((_, index) => index !== left)
}

/** Cuts a recording after each of its flushes. */
function steps(entries: readonly LogEntry[]): LogEntry[][] {
  let first = 0
  return flushes(entries).map(at => {
    const step = entries.slice(first, at + 1)
    first = at + 1
    return step
  })
}

const isHeader = (entry: LogEntry): boolean => entry.kind === 'write' && entry.position < TABLE
const isEntry = (entry: LogEntry): boolean =>
  entry.kind === 'write' && entry.position >= TABLE && entry.position < DATA
const isData = (entry: LogEntry): boolean => entry.kind === 'write' && entry.position >= DATA

async function isFoundOut(recorded: RecordedFold, entries: readonly LogEntry[]): Promise<boolean> {
  return checkCrashes(recorded, effort, entries).then(
    () => false,
    () => true,
  )
}

t.test('each flush is needed: without it some power failure is found to do harm', async t => {
  const needed: readonly (readonly [name: string, scene: CrashScene, step: (step: LogEntry[]) => boolean])[] =
    [
      ['drops, before their slots are taken', COMPACTED, step => step.some(isEntry)],
      ['data, before entries name them', COMPACTED, step => step.some(isData)],
      ['data and count, before entries name them', APPENDED, step => step.some(isData)],
      ['entries, before the count falls', COMPACTED, step => step.some(isEntry)],
      ['new entries and zeros, before the disk grows', GROWN, step => step.some(isEntry)],
      [
        'the larger disk, before its blocks are counted',
        FILLED,
        step => step.every(entry => !isData(entry) && !isEntry(entry)),
      ],
      ['the length at the end', COMPACTED, step => step.some(({ kind }) => kind === 'truncate')],
    ]
  for (const [name, scene, wanted] of needed) {
    const recorded = await recordFold(scene)
    const { entries } = recorded.recording
    const all = steps(entries)
    const step = name.startsWith('entries') ? all.filter(wanted).at(-1) : all.find(wanted)
    const flush = entries.indexOf(step?.at(-1) as LogEntry)
    t.ok(await isFoundOut(recorded, without(entries, flush)), name)
  }
})

t.test('entries written before their data are found to do harm', async t => {
  for (const scene of [COMPACTED, APPENDED]) {
    const recorded = await recordFold(scene)
    const all = steps(recorded.recording.entries)
    const data = all.findIndex(step => step.some(isData))
    const swapped = all.map((step, index) => {
      if (index === data) return all[data + 1] ?? []
      return index === data + 1 ? (all[data] ?? []) : step
    })
    t.ok(await isFoundOut(recorded, swapped.flat()))
  }
})

t.test('a count that rises after the entries is found to do harm', async t => {
  const recorded = await recordFold(APPENDED)
  const { entries } = recorded.recording
  const raised = entries.findIndex(isHeader)
  const late = without(entries, raised)
  late.splice(flushes(late)[1] ?? 0, 0, entries[raised] as LogEntry)
  t.ok(await isFoundOut(recorded, late))
})

t.test('a disk that grows before its tail is zeros is found to do harm', async t => {
  const recorded = await recordFold(GROWN)
  const all = steps(recorded.recording.entries)
  t.ok(await isFoundOut(recorded, [all[1] ?? [], all[0] ?? [], ...all.slice(2)].flat()))
})

t.test('a fresh file that is renamed before it is flushed is found to do harm', async t => {
  const recorded = await recordFold(SCENES['a fresh file'] as CrashScene)
  const { entries } = recorded.recording
  const flush = entries.findLastIndex(({ kind }) => kind === 'sync')
  t.ok(await isFoundOut(recorded, without(entries, flush)))
  const folder = entries.findLastIndex(({ kind }) => kind === 'syncFolder')
  t.ok(await isFoundOut(recorded, without(entries, folder)), 'and one whose name is not flushed')
})
