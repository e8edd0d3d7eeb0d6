import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureBaseSnapshot } from '../../lib/ensure/base_snapshot.ts'
import { ensureCompacted } from '../../lib/ensure/compacted.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import type { EnsureResult, MachineSummary } from '../../lib/ensure/result.ts'
import { VboxmergeError } from '../../lib/errors.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf, viewsOf, zeroBlock } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { sample, thorough } from '../fixtures/test_run.ts'

type Order = 'mcs' | 'msc' | 'cms' | 'csm' | 'smc' | 'scm'

/** What a start is like, and what comes of the three operations. */
interface Start {
  readonly name: string
  readonly spec: Pick<MachineSpec, 'snapshots' | 'current' | 'moved'>
  /** Key of the state whose image holds a block of zeros over data of the base. */
  readonly zeros?: string
  /** For each order `changed` of the calls of two rounds: T or F, or R for a refusal because of a branch. */
  readonly expected: Readonly<Record<Order, string>>
  /** The kinds of the steps of all three in one; empty for a refusal. */
  readonly golden: readonly string[]
}

const BLOCK = 2 ** 17
const base = { 0: 1000, 1: 1001, 2: 1002 }
const above = { 3: 2003 }
const hidesZeros = { 1: 2001, 3: 2003 }

const STARTS: readonly Start[] = [
  {
    name: 'no snapshot',
    spec: {},
    expected: {
      mcs: 'FTT FFF',
      msc: 'FTT FFF',
      cms: 'TFT FFF',
      csm: 'TTF FFF',
      smc: 'TFT FFF',
      scm: 'TTF FFF',
    },
    golden: ['compact', 'snapshot'],
  },
  {
    name: 'three snapshots',
    spec: { snapshots: ['s1', 's2', 's3'] },
    zeros: 's2',
    // The zeros of a difference can be dropped once it is merged; a merge after the snapshot takes it away again.
    expected: {
      mcs: 'TTT FFF',
      msc: 'TTT FFF',
      cms: 'TTT TFF',
      csm: 'TTT TTF',
      smc: 'TTT TFF',
      scm: 'TTT TTF',
    },
    golden: ['merge', 'compact', 'snapshot'],
  },
  {
    name: 'a lone base snapshot, unmoved',
    spec: { snapshots: ['Base'], moved: false },
    expected: {
      mcs: 'FTF FFF',
      msc: 'FFT FFF',
      cms: 'TFF FFF',
      csm: 'TFF FFF',
      smc: 'FFT FFF',
      scm: 'FTF FFF',
    },
    golden: ['compact'],
  },
  {
    name: 'a lone base snapshot, moved by data',
    spec: { snapshots: ['Base'], moved: true },
    zeros: 'current',
    expected: {
      mcs: 'TTT FFF',
      msc: 'TTT FFF',
      cms: 'TTT TFF',
      csm: 'TFT TTF',
      smc: 'FTT TFF',
      scm: 'FTT TTF',
    },
    golden: ['merge', 'compact', 'snapshot'],
  },
  {
    name: 'a lone base snapshot, moved by settings only',
    spec: { snapshots: ['Base'], moved: 'settings' },
    expected: {
      mcs: 'FTF FFF',
      msc: 'FFT FFF',
      cms: 'TFF FFF',
      csm: 'TFF FFF',
      smc: 'FFT FFF',
      scm: 'FTF FFF',
    },
    golden: ['compact'],
  },
  {
    name: 'a base snapshot in the middle of the branch',
    spec: { snapshots: ['s1', 'Base', 's3'] },
    zeros: 's3',
    expected: {
      mcs: 'TTT FFF',
      msc: 'TTT FFF',
      cms: 'TTT TFF',
      csm: 'TFT TTF',
      smc: 'FTT TFF',
      scm: 'FTT TTF',
    },
    golden: ['merge', 'compact', 'snapshot'],
  },
  {
    name: 'a base snapshot on another branch',
    spec: { snapshots: ['s1', 'Base', { name: 's2', on: 's1' }], current: 's2' },
    expected: {
      mcs: 'RTR RFR',
      msc: 'RRT RRF',
      cms: 'TRR FRR',
      csm: 'TRR FRR',
      smc: 'RRT RRF',
      scm: 'RTR RFR',
    },
    golden: [],
  },
  {
    name: 'a lone snapshot of another name, unmoved',
    spec: { snapshots: ['Clean'], moved: false },
    expected: {
      mcs: 'TTT FFF',
      msc: 'TTT FFF',
      cms: 'TTT FFF',
      csm: 'TTT FTF',
      smc: 'TTT TFF',
      scm: 'TTT TFF',
    },
    golden: ['merge', 'compact', 'snapshot'],
  },
]

const PARALLEL = { buffered: true, timeout: 200_000 }

let home = ''
/** Calls the operation of a letter: m(erge), c(ompact), s(napshot), or all three in one with g(olden image). */
function ensure(operation: string, { settingsFile }: MadeMachine, check: boolean): Promise<EnsureResult> {
  const options = { vboxUserHome: home, check }
  if (operation === 'm') return ensureMerged(settingsFile, options)
  if (operation === 'c') return ensureCompacted(settingsFile, { ...options, freeSpace: 'keep' })
  if (operation === 's') return ensureBaseSnapshot(settingsFile, options)
  return ensureGoldenImage(settingsFile, { ...options, freeSpace: 'keep' })
}

async function makeStart(folder: string, { spec, zeros }: Start): Promise<MadeMachine> {
  const isUnmoved = spec.moved === false || spec.moved === 'settings'
  const states = ['s1', 's2', 's3', 'Base', 'current', 'Clean'].filter(
    key => !(isUnmoved && key === 'current'),
  )
  const content = Object.fromEntries(states.map(key => [key, key === zeros ? hidesZeros : above]))
  const disks = [{ capacity: 4 * BLOCK, blockSize: BLOCK, content: { ...content, base } }]
  const made = await makeMachine(realFiles, folder, { ...spec, disks, layout: 'small' })
  await zeroBlock(made.images[0]?.path ?? '', 0)
  const image = zeros === undefined ? undefined : made.imageOf(zeros, 0)
  if (image !== undefined) await zeroBlock(image.path, 1)
  return made
}

/** Figures that a forecast and its outcome have in common. */
function figuresOf({ currentSnapshot, ...figures }: MachineSummary): object {
  return { ...figures, currentSnapshot: currentSnapshot?.name }
}

/** What a call came to: T, F or R as in the table above, and its result. */
async function attempt(
  run: Promise<EnsureResult>,
): Promise<{ letter: string; result: EnsureResult | undefined }> {
  try {
    const result = await run
    return { letter: result.changed ? 'T' : 'F', result }
  } catch (error) {
    if (!(error instanceof VboxmergeError) || error.code !== 'branch_blocked') throw error
    return { letter: 'R', result: undefined }
  }
}

/** Asks, runs, runs again; returns what `changed` was, with what is wrong about it appended. */
async function performed(t: Test, made: MadeMachine, operation: string, what: string): Promise<string> {
  const { folder, settingsFile } = made
  const files = await fingerprintsOf(folder)
  const views = await viewsOf(settingsFile)
  const asked = await attempt(ensure(operation, made, true))
  t.strictSame(await fingerprintsOf(folder), files, `${what}: check mode writes nothing`)
  const done = await attempt(ensure(operation, made, false))
  t.equal(asked.letter, done.letter, `${what}: check mode tells whether it will be changed`)
  if (done.result === undefined) {
    t.strictSame(await fingerprintsOf(folder), files, `${what}: a refusal changes nothing`)
    return done.letter
  }
  t.strictSame(asked.result?.steps, done.result.steps, `${what}: check mode tells the steps`)
  t.strictSame(
    figuresOf(asked.result?.after as MachineSummary),
    figuresOf(done.result.after),
    `${what}: check mode tells what the machine will be like`,
  )
  const shown = await viewsOf(settingsFile)
  for (const [view, hash] of shown) {
    t.equal(hash, views.get(view) ?? views.get('current 0'), `${what}: ${view} shows the bytes of before`)
  }
  const settled = await fingerprintsOf(folder)
  const again = await ensure(operation, made, false)
  t.strictSame([again.changed, again.steps], [false, []], `${what}: the second time nothing is changed`)
  t.strictSame(await fingerprintsOf(folder), settled, `${what}: the second time nothing is written`)
  return done.letter
}

t.jobs = 4
t.setTimeout(240_000)

t.before(async () => {
  home = await quickFolder(t)
})

const fusedStarts = sample(STARTS, 2)

for (const [index, start] of STARTS.entries()) {
  t.test(`the three ensures in every order on a machine with ${start.name}`, PARALLEL, async t => {
    const folder = await quickFolder(t)
    const inOrder = async (order: Order): Promise<void> => {
      const machine = join(folder, order)
      await mkdir(machine)
      const made = await makeStart(machine, start)
      let letters = ''
      for (const operation of order) letters += await performed(t, made, operation, `${order} ${operation}`)
      letters += ' '
      for (const operation of order) letters += (await attempt(ensure(operation, made, false))).letter
      t.equal(letters, start.expected[order], `what the calls change in the order ${order}`)
    }
    // Most of the time goes into waiting for the disk.
    const orders = Object.keys(start.expected) as Order[]
    // Else another one for each start: six starts show all orders.
    const tried = thorough ? orders : orders.filter((_, at) => at === index % orders.length)
    await Promise.all(tried.map(inOrder))
  })

  if (!fusedStarts.includes(start)) continue
  t.test(`all three in one on a machine with ${start.name}`, PARALLEL, async t => {
    const folder = await quickFolder(t)
    await mkdir(join(folder, 'fused'))
    await mkdir(join(folder, 'separate'))
    const fused = await makeStart(join(folder, 'fused'), start)
    const separate = await makeStart(join(folder, 'separate'), start)
    const asked = await attempt(ensure('g', fused, true))
    const letter = await performed(t, fused, 'g', 'fused')
    t.equal(letter, start.golden.length === 0 ? 'R' : 'T', 'it is changed, or refused')
    const kinds = (asked.result?.steps ?? []).map(({ kind }) => kind)
    t.strictSame(kinds, start.golden, 'it takes these steps')
    if (letter === 'R') return
    for (const operation of 'mcs') await ensure(operation, separate, false)
    const shown = await Promise.all([fused, separate].map(({ settingsFile }) => viewsOf(settingsFile)))
    t.equal(shown[0]?.get('current 0'), shown[1]?.get('current 0'), 'both ways end in the same bytes')
    for (const operation of 'gmcs') {
      const one = await ensure(operation, fused, false)
      const other = await ensure(operation, separate, false)
      t.strictSame([one.changed, other.changed], [false, false], 'both ways end where nothing is left to do')
      t.strictSame(figuresOf(one.after), figuresOf(other.after), 'both ways end in the same figures')
    }
  })
}
