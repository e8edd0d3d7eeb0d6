// What the crash matrix is worth: runs that are wrong in one place, each of which it must find out.
import t from 'tap'
import type { LogEntry } from '../../lib/io/file_log.ts'
import { checkCrashes, type RecordedCase, recordCase } from '../fixtures/crash/crash_check.ts'
import { operation } from '../fixtures/crash/operations.ts'
import { sample, seed } from '../fixtures/test_run.ts'

/** What a wrong engine would have done, and where its first wrong step is. */
interface Mutated {
  readonly entries: readonly LogEntry[]
  readonly from: number
}

type Mutation = (entries: readonly LogEntry[]) => Mutated

/** The content of the images is the same in every run: which steps a fold takes depends on it. */
const SEED = 1

const MODIFICATION = 0x198
const COUNT = 0x184
const TABLE = 512
const DATA = 1024

t.setTimeout(600_000)
t.comment(`VBOXMERGE_SEED=${seed}`)

/**
 * Leaves out flushes: of files with such a path, or of the names in a folder after such a change of a name.
 *
 * @param seenFrom The step from which on it matters, where that is a later one.
 */
function withoutFlush(
  kind: 'sync' | 'syncFolder',
  path: RegExp,
  which: 'first' | 'last' | 'all',
  seenFrom: (entry: LogEntry) => boolean = () => true,
): Mutation {
  return entries => {
    const isMeant = (entry: LogEntry, index: number): boolean => {
      if (entry.kind !== kind) return false
      return path.test(kind === 'sync' ? entry.path : nameBefore(entries, index))
    }
    const found = entries.flatMap((entry, index) => (isMeant(entry, index) ? [index] : []))
    const left = which === 'all' ? found : found.slice(...(which === 'first' ? [0, 1] : [-1]))
    const first = firstOf(left)
    const changed = entries.filter((_, index) => !left.includes(index))
    return { entries: changed, from: changed.findIndex((entry, index) => index >= first && seenFrom(entry)) }
  }
}

/** The last change of a name before an entry, as `kind path`, or `rename path to name`. */
function nameBefore(entries: readonly LogEntry[], index: number): string {
  const entry = entries.slice(0, index).findLast(({ kind }) => NAME_CHANGES.has(kind))
  if (entry === undefined) return ''
  return entry.kind === 'rename' ? `rename ${entry.path} to ${entry.to.name}` : `${entry.kind} ${entry.path}`
}

const NAME_CHANGES = new Set(['create', 'mkdir', 'link', 'unlink', 'rename'])

/** Does a step, and those right behind it, before another one. */
function moved(
  isStep: (entry: LogEntry) => boolean,
  before: (entry: LogEntry) => boolean,
  length = 1,
): Mutation {
  return entries => {
    const step = entries.findLastIndex(isStep)
    const place = entries.findIndex(before)
    if (step < 0 || place < 0 || place >= step)
      throw new RangeError('The run has no such steps in this order')
    const moving = entries.slice(step, step + length)
    const rest = entries.filter(entry => !moving.includes(entry))
    return { entries: [...rest.slice(0, place), ...moving, ...rest.slice(place)], from: place }
  }
}

function firstOf(indexes: readonly number[]): number {
  const [first] = indexes
  if (first === undefined) throw new RangeError('The run has no such flush')
  return first
}

const isCommit = (entry: LogEntry): boolean => entry.kind === 'rename' && entry.to.name === 'web.vbox'
const isCloned = (entry: LogEntry): boolean => entry.kind === 'rename' && entry.to.name === 'clone.vbox'
const isOfBase = (entry: LogEntry): boolean => entry.path.endsWith('/disk0.vdi')
const isEntry = (entry: LogEntry): boolean =>
  isOfBase(entry) && entry.kind === 'write' && entry.position >= TABLE && entry.position < DATA
/** The header from the count of blocks on is written in one piece with what is beside it. */
const isCount = (entry: LogEntry): boolean =>
  isOfBase(entry) && entry.kind === 'write' && entry.position <= COUNT && entry.position < MODIFICATION

/** A count that rises only behind the entries that it must cover, each flushed as before. */
const countAfterEntries: Mutation = entries => {
  const count = entries.findIndex(isCount)
  const flush = entries.findIndex((entry, index) => {
    const earlier = entries.slice(0, index)
    return entry.kind === 'sync' && isOfBase(entry) && earlier.some(isEntry)
  })
  if (count < 0 || flush < count) throw new RangeError('The run raises no count before its entries')
  const rest = entries.filter((_, index) => index !== count)
  return { entries: [...rest.slice(0, flush), entries[count] as LogEntry, ...rest.slice(flush)], from: count }
}

const mutations: readonly (readonly [
  name: string,
  operation: string,
  mutation: Mutation,
  registered?: true,
])[] = [
  ['the flush of the lock', 'merge all', withoutFlush('sync', /lock\.\w+\.new$/, 'first')],
  ['the flush of the journal', 'merge all', withoutFlush('sync', /journal\.vboxmerge-tmp$/, 'last')],
  ['the flush of the first new settings', 'merge all', withoutFlush('sync', /-first$/, 'all')],
  ['the flush of the second new settings', 'merge all', withoutFlush('sync', /-second$/, 'last')],
  ['the flush of the older settings', 'merge all', withoutFlush('sync', /-prev\.vboxmerge-tmp$/, 'first')],
  [
    'the folder after the first commit',
    'merge all',
    withoutFlush('syncFolder', /-first to web\.vbox$/, 'all'),
  ],
  [
    'the folder after the second commit',
    'merge all',
    withoutFlush('syncFolder', /-second to web\.vbox$/, 'all'),
  ],
  [
    'the flushes of the image that others are folded into',
    'merge all',
    withoutFlush('sync', /\/disk0\.vdi$/, 'all'),
  ],
  ['the flush of a fresh image', 'merge all, into fresh files', withoutFlush('sync', /-fresh$/, 'all')],
  [
    'the folder of a fresh image',
    'merge all, into fresh files',
    withoutFlush('syncFolder', /-fresh to /, 'all'),
  ],
  [
    'the flush of new differencing images',
    'base snapshot',
    withoutFlush('sync', /\}\.vdi$/, 'all', isCommit),
  ],
  [
    'the folder of new differencing images',
    'base snapshot',
    withoutFlush('syncFolder', /Snapshots/, 'all', isCommit),
  ],
  ['the flush of copied EFI variables', 'base snapshot', withoutFlush('sync', /\.nvram$/, 'all', isCommit)],
  [
    'the flush of restored EFI variables',
    'discard the current state',
    withoutFlush('sync', /nvram\.vboxmerge-tmp$/, 'all'),
  ],
  ['the flush of a new parent link', 'merge all but one', withoutFlush('sync', /\}\.vdi$/, 'all')],
  [
    'the folder after images were deleted',
    'merge all',
    withoutFlush('syncFolder', /unlink .*\}\.vdi$/, 'all'),
  ],
  [
    'the flush of the note of a machine that is away',
    'merge all',
    withoutFlush('sync', /away-.*-tmp$/, 'all'),
    true,
  ],
  ['the folder of that note', 'merge all', withoutFlush('syncFolder', / to vboxmerge-away/, 'all'), true],
  [
    'the folder after that note is removed',
    'merge all',
    withoutFlush('syncFolder', /unlink .*vboxmerge-away/, 'all'),
    true,
  ],
  ['the flush of the images of a clone', 'clone', withoutFlush('sync', /part$/, 'all', isCloned)],
  ['the flush of the settings of a clone', 'clone', withoutFlush('sync', /coming$/, 'all')],
  [
    'the folder after the commit of a clone',
    'replace a clone',
    withoutFlush('syncFolder', / to clone\.vbox$/, 'all'),
  ],
]

const orders: typeof mutations = [
  ['the second commit before images are folded', 'merge all', moved(isCommit, isOfBase, 2)],
  [
    'images deleted before the second commit',
    'merge all',
    moved(
      entry => entry.kind === 'unlink' && entry.path.endsWith('}.vdi'),
      entry => entry.path.endsWith('-second'),
    ),
  ],
  [
    'the journal removed before images are deleted',
    'merge all',
    moved(
      entry => entry.kind === 'unlink' && entry.path.endsWith('-journal'),
      entry => entry.kind === 'unlink' && entry.path.endsWith('}.vdi'),
      2,
    ),
  ],
  [
    'the note of a machine removed before it is registered',
    'merge all',
    moved(
      entry => entry.kind === 'unlink' && entry.path.includes('vboxmerge-away'),
      entry => entry.kind === 'write' && entry.path.endsWith('-second'),
      2,
    ),
    true,
  ],
  [
    'a slot taken before the entry that named it is flushed',
    'compact',
    withoutFlush('sync', /\/disk0\.vdi$/, 'first'),
  ],
  ['a count that rises after the entries', 'merge all, count rises', countAfterEntries],
  [
    'the commit of a clone before its images have their names',
    'clone',
    moved(isCloned, entry => entry.kind === 'rename' && entry.to.name.endsWith('.vdi'), 2),
  ],
]

const recordings = new Map<string, Promise<RecordedCase>>()

function recordingOf(name: string, registered: boolean): Promise<RecordedCase> {
  const key = `${name} ${registered}`
  const known = recordings.get(key) ?? recordCase(operation(name, registered), SEED)
  recordings.set(key, known)
  return known
}

/** What the matrix says of a run with these changes; undefined when it finds nothing. */
async function findOut(recorded: RecordedCase, { entries, from }: Mutated): Promise<string | undefined> {
  const effort = { seed: SEED, limit: 8, resumeEach: 2, from, until: Date.now() + 60_000 }
  return await checkCrashes(recorded, effort, entries).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

for (const [title, list] of [
  ['a flush that is left out is found out', mutations],
  ['steps in a wrong order are found out', orders],
] as const) {
  t.test(title, async t => {
    for (const [name, of, mutation, registered = false] of sample(list, 3)) {
      const recorded = await recordingOf(of, registered)
      const found = await findOut(recorded, mutation(recorded.recording.entries))
      t.ok(found !== undefined, name)
    }
  })
}

t.test('nothing is found out of the runs as they were', async t => {
  for (const [name, recorded] of recordings) {
    const { recording } = await recorded
    const last = Math.max(0, recording.entries.length - 3)
    t.equal(await findOut(await recorded, { entries: recording.entries, from: last }), undefined, name)
  }
})
