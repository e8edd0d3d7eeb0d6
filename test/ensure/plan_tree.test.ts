import t, { type Test } from 'tap'
import { makePlan } from '../../lib/ensure/plan.ts'
import { planTree, type TreePlan } from '../../lib/ensure/plan_tree.ts'
import { NOTHING, type Wanted, type WantedMerge } from '../../lib/ensure/wanted.ts'
import type { Inspection, InterruptedRun } from '../../lib/machine/inspection.ts'
import type { MachineSettings, Medium } from '../../lib/machine/machine.ts'
import { chainOf, eachSnapshot, indexMedia } from '../../lib/machine/media_graph.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { plannedInspection } from '../fixtures/planned_inspection.ts'
import { testUuid } from '../fixtures/settings_text.ts'

const MERGE: WantedMerge = {
  skip: 0,
  count: Number.POSITIVE_INFINITY,
  discardCurrentState: false,
  branches: 'refuse',
  baseSnapshot: 'Base',
  from: undefined,
}
const FIGURES = { folds: [], restoredLeaves: [], snapshotLeaves: [], scannedBytes: 0 }

const merged = (changes: Partial<WantedMerge> = {}): Wanted => ({
  ...NOTHING,
  merged: { ...MERGE, ...changes },
})
const golden: Wanted = {
  ...merged(),
  compacted: { minReclaim: 'one_block', freeSpace: 'keep' },
  baseSnapshot: { name: 'Base', description: '' },
}
const namesOf = (refs: TreePlan['merged']): string[] => refs.map(({ name }) => name)

/** Images of the current state with their chains, lowest first. */
function chainsOf({ settings }: Inspection): Medium[][] {
  const media = indexMedia([settings.media])
  return settings.currentState.attachments.map(({ image }) => chainOf(media, image))
}

/** The machine with an image of a stranger over one of its own. */
function withStranger(machine: Inspection, parent: string, id: string): Inspection {
  const stranger = (medium: Medium): Medium => {
    const children = medium.children.map(stranger)
    if (medium.id === parent) {
      const child = { ...medium, id, type: undefined, path: '/clones/clone.vdi', parent, children: [] }
      return { ...medium, children: [...children, child] }
    }
    return { ...medium, children }
  }
  return { ...machine, settings: { ...machine.settings, media: machine.settings.media.map(stranger) } }
}

/** The machine as the first commit leaves it: the chains are there, the snapshots are not. */
function withoutSnapshots(machine: Inspection): Inspection {
  const settings: MachineSettings = {
    ...machine.settings,
    currentSnapshot: undefined,
    rootSnapshot: undefined,
  }
  return { ...machine, settings }
}

function interruptedRun(
  reached: InterruptedRun['reached'],
  settles?: InterruptedRun['settles'],
): InterruptedRun {
  return { reached, registered: false, relinks: [], unwanted: new Set(), settles }
}

/** Measures the time of the processor, which other programs take nothing from. */
function inASecond<T>(t: Test, name: string, work: () => T): T {
  const before = process.cpuUsage()
  const outcome = work()
  const { user, system } = process.cpuUsage(before)
  const milliseconds = Math.round((user + system) / 1000)
  t.ok(milliseconds < 1000, `${name} takes ${milliseconds} ms`)
  return outcome
}

t.test('500 snapshots on two disks are planned within a second', async t => {
  const deep = Array.from({ length: 500 }, (_, index) => `s${index}`)
  const machine = plannedInspection({ disks: [{}, {}], snapshots: deep })
  const plans: Readonly<Record<string, Wanted>> = {
    golden,
    'skip 250': merged({ skip: 250 }),
    'count 250': merged({ count: 250 }),
    'discard the state': merged({ discardCurrentState: true }),
    'from the root': merged({ from: 's0', branches: 'discard' }),
  }
  for (const [name, wanted] of Object.entries(plans)) {
    const tree = inASecond(t, name, () => planTree(machine, wanted))
    inASecond(t, `${name}, as steps,`, () => makePlan(machine, tree, FIGURES, 'direct'))
  }
  const tree = planTree(machine, golden)
  t.strictSame(namesOf(tree.merged), [...deep].reverse())
  t.strictSame(
    tree.folds.map(({ images }) => images),
    chainsOf(machine).map(chain => chain.map(({ id }) => id)),
  )
})

t.test('500 branches on one snapshot are discarded within a second', async t => {
  const wide = Array.from({ length: 500 }, (_, index) => ({ name: `s${index}`, on: 'root' }))
  const machine = plannedInspection({ disks: [{}], snapshots: ['root', ...wide], current: 's499' })
  const tree = inASecond(t, 'it', () => planTree(machine, merged({ branches: 'discard' })))
  t.strictSame([tree.discarded.length, tree.deleted.length], [499, 499])
})

t.test('a machine without disks has nothing to do but to take its snapshot', async t => {
  const tree = planTree(plannedInspection({ disks: [] }), golden)
  t.strictSame([tree.folds, tree.merged, tree.compactable], [[], [], []])
  t.equal(tree.snapshot?.name, 'Base')
  const snapshots = planTree(plannedInspection({ disks: [], snapshots: ['a', 'b'] }), merged())
  t.strictSame([namesOf(snapshots.merged), snapshots.folds], [['b', 'a'], []])
})

t.test('a fork is named with the tips of its other branches', async t => {
  const snapshots = ['a', 'b', { name: 'x', on: 'a' }, 'y', { name: 'z', on: 'a' }]
  const machine = plannedInspection({ disks: [{}], snapshots, current: 'b' })
  const ids = new Map([...eachSnapshot(machine.settings.rootSnapshot)].map(({ name, id }) => [name, id]))
  const found =
    `snapshot "a" {${ids.get('a')}} has another child on another branch, "x" {${ids.get('x')}}, ` +
    `"z" {${ids.get('z')}} (tips: "y" {${ids.get('y')}}, "z" {${ids.get('z')}})`
  const refusal = (() => {
    try {
      return String(planTree(machine, merged()))
    } catch (error) {
      return String(error)
    }
  })()
  t.ok(refusal.includes(found), refusal)
  const stopped = planTree(machine, merged({ branches: 'stop' }))
  t.strictSame(namesOf(stopped.merged), ['b'])
  t.ok(stopped.warnings.some(({ code, message }) => code === 'branch_blocked' && message.includes(found)))
})

t.test('a linked clone is in the way of merging what it hangs on, and is named', async t => {
  const clone = testUuid(7)
  const plain = plannedInspection({ disks: [{}], snapshots: ['a', 'b', 'c'] })
  const [chain = []] = chainsOf(plain)
  for (const [index, { id }] of chain.entries()) {
    const machine = withStranger(plain, id, clone)
    t.throws(
      () => planTree(machine, merged()),
      hasCode('branch_blocked', /clone\.vdi.*belongs to no snapshot/),
    )
    const shared = new Map([[clone, 'copy']])
    const known = { ...machine, sharedWith: shared }
    t.throws(
      () => planTree(known, merged()),
      hasCode('linked_clone', /clone\.vdi.*linked clone "copy"; clone that machine/),
    )
    // What hangs on an image has to be told of a new parent when that image is folded into the one below.
    const tree = planTree(known, merged({ branches: 'stop' }))
    t.strictSame(
      namesOf(tree.merged),
      ['c', 'b', 'a'].slice(0, Math.max(0, 2 - index)),
      `a clone of image ${index}`,
    )
    t.equal(tree.warnings.length, 1)
  }
})

t.test('a linked clone is not in the way of what happens elsewhere in the tree', async t => {
  const plain = plannedInspection({ disks: [{}], snapshots: ['a', 'b', 'c', 'd'] })
  const [chain = []] = chainsOf(plain)
  const above = withStranger(plain, chain[3]?.id ?? '', testUuid(7))
  t.strictSame(namesOf(planTree(above, merged({ skip: 2 })).merged), ['b', 'a'])
  const below = withStranger(plain, chain[0]?.id ?? '', testUuid(7))
  t.strictSame(namesOf(planTree(below, merged({ count: 2 })).merged), ['d', 'c'])
  t.equal(
    planTree(below, { ...NOTHING, baseSnapshot: { name: 'Base', description: '' } }).snapshot?.name,
    'Base',
  )
})

t.test('images that belong to no snapshot any more are folded', async t => {
  const machine = withoutSnapshots(
    plannedInspection({ disks: [{}, { type: 'Immutable' }], snapshots: ['a', 'b'] }),
  )
  const [normal = [], immutable = []] = chainsOf(machine)
  for (const wanted of [merged(), golden]) {
    const { folds, merged, recover } = planTree(machine, wanted)
    t.strictSame([merged, recover], [[], false])
    t.strictSame(
      folds.map(({ images }) => images),
      // The base of an immutable disk is never written.
      [normal.map(({ id }) => id), immutable.slice(1).map(({ id }) => id)],
    )
    t.strictSame(planTree(machine, NOTHING).folds, [], 'but not when no one asks for merging')
  }
})

t.test('an interrupted run is finished by whatever is run next', async t => {
  const machine = withoutSnapshots(plannedInspection({ disks: [{}], snapshots: ['a', 'b'] }))
  const [chain = []] = chainsOf(machine)
  const folded = chain.slice(1).map(({ id }) => id)
  const interrupted = { ...interruptedRun('first_commit'), unwanted: new Set(folded) }
  const tree = planTree({ ...machine, interrupted }, NOTHING)
  t.strictSame([tree.recover, tree.folds.length], [true, 1])
  const foreign = planTree({ ...machine, interrupted: interruptedRun('first_commit') }, NOTHING)
  t.strictSame([foreign.recover, foreign.folds], [true, []], 'but only as far as it had come to promise it')
})

t.test('the state that an interrupted run restored is not thrown away', async t => {
  const spec = { disks: [{}], snapshots: ['a', { name: 'x', on: 'a' }], current: 'a' }
  const settles = { id: testUuid(9), name: 'gone' }
  const wanted = merged({ discardCurrentState: true, branches: 'stop' })
  for (const reached of ['first_commit', 'second_commit'] as const) {
    const machine = plannedInspection(spec, { interrupted: interruptedRun(reached, settles) })
    t.strictSame([planTree(machine, wanted).restore, planTree(machine, wanted).settles], [undefined, settles])
    t.equal(planTree(machine, merged({ from: 'gone', branches: 'stop' })).restore, undefined)
  }
  for (const reached of ['nothing', 'unknown'] as const) {
    const machine = plannedInspection(spec, { interrupted: interruptedRun(reached, settles) })
    t.equal(planTree(machine, wanted).restore?.name, 'a')
  }
})

t.test('an abandoned image is left where a linked clone hangs on it', async t => {
  const plain = withoutSnapshots(plannedInspection({ disks: [{}], snapshots: ['a', 'b'] }))
  const [chain = []] = chainsOf(plain)
  for (const { id } of chain.slice(0, 2)) {
    const machine = withStranger(plain, id, testUuid(7))
    const folded = planTree(machine, merged()).folds.flatMap(({ images }) => images)
    t.notOk(folded.includes(id), 'what a stranger hangs on is neither written nor folded')
  }
})
