import t from 'tap'
import type { ChainNote, NotedImage } from '../../../lib/engine/virtualbox/chain_note.ts'
import { planRecovery, type Recovery, recoveryPaths } from '../../../lib/engine/virtualbox/plan_recovery.ts'
import type { ImageLinks } from '../../../lib/engine/virtualbox/read_links.ts'
import type { MachineSettings, Medium, Snapshot } from '../../../lib/machine/machine.ts'
import { hasCode } from '../../fixtures/has_code.ts'

/** `uuid('b')` is a UUID whose digits all are b. */
function uuid(digit: string): string {
  return '8-4-4-4-12'.replace(/\d+/g, count => digit.repeat(Number(count)))
}

const SNAPSHOT = { id: uuid('1'), name: 'one' }
const path = (digit: string): string => `/m/${digit}.vdi`

function medium(digit: string, parent: string | undefined, children: readonly Medium[] = []): Medium {
  const id = uuid(digit)
  const type = parent === undefined ? ('Normal' as const) : undefined
  const place = { id, location: `${digit}.vdi`, path: path(digit), format: 'VDI', autoReset: false }
  return { ...place, type, encrypted: false, parent: parent && uuid(parent), children }
}

/** a ← b ← c ← d, and b ← … is the snapshot's; e ← f is a second disk, e the snapshot's. */
const CHAIN = medium('a', undefined, [medium('b', 'a', [medium('c', 'b', [medium('d', 'c')])])])
const SECOND = medium('e', undefined, [medium('f', 'e')])

function settings(media: readonly Medium[], snapshots = [SNAPSHOT]): MachineSettings {
  const [first] = snapshots
  const state = { attachments: [], stateFile: undefined, nvramFile: undefined }
  const rootSnapshot: Snapshot | undefined = first && {
    ...state,
    ...first,
    description: '',
    timeStamp: '',
    parent: undefined,
    children: [],
  }
  return {
    file: '/m/web.vbox',
    version: '1.19-linux',
    id: uuid('9'),
    name: 'web',
    snapshotFolder: '/m/Snapshots',
    aborted: false,
    currentStateModified: true,
    currentSnapshot: first?.id,
    rootSnapshot,
    currentState: state,
    media,
    extraData: new Map(),
  }
}

function noted(digit: string, parent: string | null, bytes = 100): NotedImage {
  return { id: uuid(digit), path: path(digit), parent: parent === null ? null : uuid(parent), bytes }
}

function note(...disks: readonly (readonly [NotedImage, NotedImage | null])[]): ChainNote {
  return {
    machine: uuid('9'),
    snapshot: SNAPSHOT,
    disks: disks.map(([image, child]) => ({ image, child })),
  }
}

/** Files that exist, each with the parent that its header names: `'c<b'`; `'a'` is a base. */
function links(...files: readonly string[]): Map<string, ImageLinks> {
  return new Map(
    files.map(file => {
      const [id = '', parent] = file.split('<')
      const header = { id: uuid(id), parent: parent && uuid(parent), capacity: 1 }
      return [path(id), { header, exists: true, bytes: 1 }]
    }),
  )
}

const B_INTO_C = note([noted('b', 'a'), noted('c', 'b')])
const kinds = ({ outcomes }: Recovery): string[] => outcomes.map(({ kind }) => kind)

t.test('planRecovery() sees a merge into the child', async t => {
  const plan = planRecovery(B_INTO_C, settings([CHAIN]), links('a', 'c<a', 'd<c'))
  t.strictSame(plan.outcomes, [{ kind: 'forward', image: uuid('b'), child: uuid('c') }])
  t.match(plan, { removeSnapshot: true, relinks: [], leftovers: [], snapshot: SNAPSHOT.id })
})

t.test('planRecovery() sees a merge into the parent', async t => {
  const plan = planRecovery(B_INTO_C, settings([CHAIN]), links('a', 'b<a', 'd<b'))
  t.strictSame(plan.outcomes, [{ kind: 'backward', image: uuid('b'), child: uuid('c') }])
  t.match(plan, { removeSnapshot: true, relinks: [] })
})

t.test('planRecovery() sees a merge into a base, whose child had no child', async t => {
  const plan = planRecovery(note([noted('e', null), noted('f', 'e')]), settings([SECOND]), links('e'))
  t.strictSame(kinds(plan), ['backward'])
})

t.test('planRecovery() sees the deletion of an image without a child', async t => {
  const leaf = medium('a', undefined, [medium('b', 'a')])
  const plan = planRecovery(note([noted('b', 'a'), null]), settings([leaf]), links('a'))
  t.strictSame(plan.outcomes, [{ kind: 'deleted', image: uuid('b'), child: undefined }])
})

t.test('planRecovery() leaves alone what VirtualBox had not come to', async t => {
  const nothing = { outcomes: [], removeSnapshot: false, relinks: [], leftovers: [] }
  const all = links('a', 'b<a', 'c<b', 'd<c')
  t.match(planRecovery(B_INTO_C, settings([CHAIN]), all), nothing, 'before the merge')
  t.match(planRecovery(B_INTO_C, settings([CHAIN], []), links('a', 'c<a')), nothing, 'after it was saved')
  const folded = medium('a', undefined, [medium('c', 'a', [medium('d', 'c')])])
  t.match(planRecovery(B_INTO_C, settings([folded]), links('a', 'c<a', 'd<c')), nothing, 'the disk was saved')
  t.match(planRecovery(note([noted('b', 'a'), null]), settings([CHAIN]), all), nothing, 'not deleted yet')
})

t.test('planRecovery() keeps the snapshot when only some of its disks are merged', async t => {
  const two = note([noted('b', 'a'), noted('c', 'b')], [noted('e', null), noted('f', 'e')])
  const plan = planRecovery(two, settings([CHAIN, SECOND]), links('a', 'c<a', 'd<c', 'e', 'f<e'))
  t.match(plan, { removeSnapshot: false, outcomes: [{ kind: 'forward', image: uuid('b') }] })
  const both = planRecovery(two, settings([CHAIN, SECOND]), links('a', 'c<a', 'd<c', 'e'))
  t.match(both, { removeSnapshot: true })
  t.strictSame(kinds(both), ['forward', 'backward'])
})

t.test('planRecovery() finishes links that were half written, and names files that were left', async t => {
  const wide = medium('a', undefined, [
    medium('b', 'a', [medium('c', 'b', [medium('d', 'c'), medium('f', 'c')])]),
  ])
  const plan = planRecovery(B_INTO_C, settings([wide]), links('a', 'b<a', 'c<b', 'd<b', 'f<c'))
  t.strictSame(kinds(plan), ['backward'])
  t.strictSame(plan.relinks, [{ child: uuid('f'), from: uuid('c'), to: uuid('b') }])
  t.match(plan.leftovers, [{ id: uuid('c') }])
  const forward = planRecovery(B_INTO_C, settings([CHAIN]), links('a', 'b<a', 'c<a', 'd<c'))
  t.strictSame(kinds(forward), ['forward'])
  t.match(forward.leftovers, [{ id: uuid('b') }])
})

t.test('planRecovery() refuses what no merge explains', async t => {
  const missing = hasCode('image_missing')
  const plan =
    (chain: ChainNote, media: Medium, ...files: string[]) =>
    (): Recovery =>
      planRecovery(chain, settings([media]), links(...files))
  t.throws(plan(B_INTO_C, CHAIN, 'a', 'd<c'), missing, 'both files are gone')
  t.throws(plan(B_INTO_C, CHAIN, 'a', 'c<b', 'd<c'), missing, 'the child does not name a new parent')
  t.throws(plan(B_INTO_C, CHAIN, 'a', 'b<a', 'd<c'), missing, "the child's child does not either")
  const base = note([noted('e', null), noted('f', 'e')])
  t.throws(plan(base, SECOND, 'f<e'), missing, 'a base is never merged away')
  const pair = medium('a', undefined, [medium('b', 'a', [medium('c', 'b')])])
  t.throws(plan(B_INTO_C, pair, 'a', 'b<a'), missing, 'the smaller file would not have been the target')
  const bigger = note([noted('b', 'a', 101), noted('c', 'b', 100)])
  t.strictSame(kinds(plan(bigger, pair, 'a', 'b<a')()), ['backward'], 'the bigger one would')
  const other = new Map([...links('a', 'd<b'), [path('b'), ...links('c<a').values()]] as [
    string,
    ImageLinks,
  ][])
  t.throws(() => planRecovery(B_INTO_C, settings([CHAIN]), other), hasCode('chain_mismatch'), 'another image')
  const damaged = links('a', 'c<a', 'd<c').set(path('b'), { header: undefined, exists: true, bytes: 1 })
  t.throws(() => planRecovery(B_INTO_C, settings([CHAIN]), damaged), missing, 'an unreadable image')
})

t.test('recoveryPaths() names the images and the children of the child', async t => {
  t.strictSame(recoveryPaths(B_INTO_C, settings([CHAIN])), [path('b'), path('c'), path('d')])
})

t.test('planRecovery() finds the images of a machine whose folder was moved since', async t => {
  const moved = note([
    { ...noted('b', 'a'), path: '/old/b.vdi' },
    { ...noted('c', 'b'), path: '/old/c.vdi' },
  ])
  t.strictSame(recoveryPaths(moved, settings([CHAIN])), [path('b'), path('c'), path('d')])
  t.strictSame(kinds(planRecovery(moved, settings([CHAIN]), links('a', 'c<a', 'd<c'))), ['forward'])
})
