import { writeFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureCloned } from '../../lib/ensure/cloned.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import type { CloneStep, EnsureResult } from '../../lib/ensure/result.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { lockPathOf } from '../../lib/machine/lock.ts'
import { cloneProblems, strangersOf } from '../fixtures/clone_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

const disk = { blockSize: 2 ** 17, capacity: 3 * 2 ** 17 } as const
const forked: MachineSpec = {
  disks: [disk, { ...disk, capacity: 2 ** 17 + 512, content: { base: { 0: 5, 1: 0 }, two: { 0: 'zero' } } }],
  snapshots: ['one', 'two', { name: 'side', on: 'one' }],
  current: 'two',
  layout: 'small',
  efi: true,
}

interface Scene {
  readonly folder: string
  readonly made: MadeMachine
  /** Clones without looking at this computer's VirtualBox. */
  readonly clone: (options?: Parameters<typeof ensureCloned>[1]) => Promise<EnsureResult>
}

async function setUp(t: Test, spec: MachineSpec = forked): Promise<Scene> {
  const folder = await quickFolder(t)
  const home = join(folder, 'home')
  await mkdir(home)
  const made = await makeMachine(realFiles, join(folder, 'web'), spec)
  const clone: Scene['clone'] = async options =>
    await ensureCloned(made.settingsFile, { vboxUserHome: home, freeSpace: 'keep', ...options })
  return { folder, made, clone }
}

function stepOf({ steps }: EnsureResult): CloneStep {
  const [step, ...more] = steps
  if (step?.kind !== 'clone' || more.length > 0)
    throw new Error(`these are the steps: ${JSON.stringify(steps)}`)
  return step
}

t.test('ensureCloned() makes a flat machine beside the first, which stays as it is', async t => {
  const { folder, made, clone } = await setUp(t)
  const before = await fingerprintsOf(join(folder, 'web'))
  const result = await clone({ digest: true })
  const settingsFile = join(folder, 'web Clone', 'web Clone.vbox')
  t.equal(result.changed, true)
  t.match(result.clone, { name: 'web Clone', settingsFile, registered: false })
  t.equal(result.machine.settingsFile, made.settingsFile)
  t.match(stepOf(result), { action: 'create', name: 'web Clone', settingsFile, snapshot: null })
  t.strictSame(await cloneProblems(realFiles, made, settingsFile), [])
  t.strictSame(await strangersOf(realFiles, settingsFile), [])
  t.strictSame(await fingerprintsOf(join(folder, 'web')), before)
  t.strictSame(
    result.digests?.map(({ sha256 }) => sha256),
    [0, 1].map(number => made.contentOf('current', number)?.sha256()),
  )
  t.match(result.after, { snapshots: 0, images: 2, currentSnapshot: null, exact: true })
  t.ok(
    (await readFile(join(folder, 'web Clone', 'web Clone.nvram'))).equals(
      await readFile(join(folder, 'web', 'web.nvram')),
    ),
  )
})

t.test('ensureCloned() changes nothing the second time', async t => {
  const { folder, clone } = await setUp(t)
  const first = await clone()
  const seen = await fingerprintsOf(folder)
  const second = await clone()
  t.strictSame([second.changed, second.steps], [false, []])
  t.strictSame(second.clone, first.clone)
  t.strictSame(second.after, first.after)
  t.strictSame(await fingerprintsOf(folder), seen)
})

t.test('check mode tells what would be done and writes nothing', async t => {
  const { folder, clone } = await setUp(t)
  const seen = await fingerprintsOf(folder)
  const planned = await clone({ check: true })
  t.strictSame(await fingerprintsOf(folder), seen)
  t.equal(planned.clone?.id, null)
  const done = await clone()
  t.strictSame(planned.steps, done.steps)
  t.strictSame(planned.after, done.after)
  t.equal((await clone({ check: true })).changed, false)
})

t.test('a snapshot is cloned by name or UUID', async t => {
  const { made, clone, folder } = await setUp(t)
  const { clone: side } = await clone({ from: 'side', cloneName: 'of side' })
  t.strictSame(await cloneProblems(realFiles, made, side?.settingsFile ?? '', 'side'), [])
  const one = await clone({
    from: made.snapshot('one').id,
    cloneFolder: join(folder, 'x', 'y'),
    cloneName: 'x/y',
  })
  t.equal(one.clone?.settingsFile, join(folder, 'x', 'y', 'x_y.vbox'))
  t.strictSame(await cloneProblems(realFiles, made, one.clone?.settingsFile ?? '', 'one'), [])
  t.equal((await clone({ from: 'side', cloneName: 'of side' })).changed, false)
  await t.rejects(clone({ from: 'nowhere' }), hasCode('snapshot_not_found', /"one", "two"/))
})

t.test('a clone of another state is refused, and with replace it is swapped', async t => {
  const { folder, made, clone } = await setUp(t)
  const first = await clone()
  await ensureMerged(made.settingsFile, { vboxUserHome: join(folder, 'home'), branches: 'discard' })
  const seen = await fingerprintsOf(folder)
  await t.rejects(clone(), hasCode('clone_outdated', /replace/))
  await t.rejects(clone({ check: true }), hasCode('clone_outdated'))
  t.strictSame(await fingerprintsOf(folder), seen)
  const second = await clone({ replace: true })
  t.equal(stepOf(second).action, 'replace')
  t.not(second.clone?.id, first.clone?.id)
  const settingsFile = second.clone?.settingsFile ?? ''
  t.strictSame(await cloneProblems(realFiles, made, settingsFile), [])
  t.strictSame(await strangersOf(realFiles, settingsFile), [], 'nothing of the old one is left')
  t.equal((await clone({ replace: true })).changed, false)
})

t.test('what stands where the clone is to be is left alone', async t => {
  const { folder, made, clone } = await setUp(t)
  const other = join(folder, 'web Clone')
  await makeMachine(realFiles, other, { ...forked, name: 'web Clone', seed: 2 })
  const seen = await fingerprintsOf(folder)
  const replace = { replace: true }
  await t.rejects(clone(replace), hasCode('unsupported', /no clone of it/))
  await t.rejects(
    clone({ ...replace, cloneName: 'third', cloneFolder: other }),
    hasCode('unsupported', /there already/),
  )
  await t.rejects(clone({ ...replace, cloneName: 'web', cloneFolder: made.folder }), hasCode('unsupported'))
  await t.rejects(clone({ ...replace, cloneFolder: made.settingsFile }), hasCode('unsupported', /no folder/))
  t.strictSame(await fingerprintsOf(folder), seen)
})

t.test('a copy that VirtualBox made of a clone is no clone of ours', async t => {
  const { folder, clone } = await setUp(t)
  const { clone: first } = await clone({ cloneName: 'a' })
  const text = await readFile(first?.settingsFile ?? '', 'utf8')
  await mkdir(join(folder, 'b'))
  await writeFile(
    join(folder, 'b', 'b.vbox'),
    text.replace(`uuid="{${first?.id}}"`, 'uuid="{aaaaaaaa-0000-4000-8000-000000000001}"'),
  )
  await t.rejects(clone({ cloneName: 'b', replace: true }), hasCode('unsupported', /no clone of it/))
})

t.test('files that others put into the folder of the clone stay, and no name is taken twice', async t => {
  const { folder, made, clone } = await setUp(t)
  const place = join(folder, 'web Clone')
  await mkdir(place)
  await writeFile(join(place, 'web Clone-disk1.vdi'), 'mine')
  await writeFile(join(place, 'WEB CLONE.NVRAM'), 'mine, too')
  const { clone: made2 } = await clone()
  t.strictSame(await cloneProblems(realFiles, made, made2?.settingsFile ?? ''), [])
  t.equal(await readFile(join(place, 'web Clone-disk1.vdi'), 'utf8'), 'mine')
  t.equal(await readFile(join(place, 'WEB CLONE.NVRAM'), 'utf8'), 'mine, too')
  t.ok((await readFile(join(place, 'web Clone-2.nvram'))).length > 0)
})

t.test('disks of every type become what VirtualBox makes of them', async t => {
  const types = ['Normal', 'Immutable', 'Writethrough', 'Shareable', 'MultiAttach'] as const
  const disks = types.map(type => ({ ...disk, type, fixed: type === 'Shareable' }))
  const { clone } = await setUp(t, { disks, snapshots: ['one'], layout: 'small' })
  const { clone: found } = await clone()
  const text = await readFile(found?.settingsFile ?? '', 'utf8')
  t.strictSame(
    [...text.matchAll(/<HardDisk [^>]*type="(\w+)"/g)].map(([, type]) => type),
    ['Normal', 'Normal', 'Writethrough', 'Shareable', 'Normal'],
  )
})

t.test('a saved machine is refused, unless its saved state may be left out', async t => {
  const { folder, made, clone } = await setUp(t, { ...forked, saved: 'own' })
  const seen = await fingerprintsOf(folder)
  await t.rejects(clone(), hasCode('machine_not_off', /saved/))
  const skipped = await clone({ whenBusy: 'skip' })
  t.match(skipped, { changed: false, skipped: /saved/ })
  t.strictSame(await fingerprintsOf(folder), seen)
  const { clone: found } = await clone({ discardSavedState: true })
  t.strictSame(await cloneProblems(realFiles, made, found?.settingsFile ?? ''), [])
  t.notMatch(await readFile(found?.settingsFile ?? '', 'utf8'), /stateFile/)
  const now = await fingerprintsOf(join(folder, 'web'))
  t.strictSame(
    Object.values(now),
    Object.entries(seen).flatMap(([name, hash]) => (name.startsWith('web/') ? [hash] : [])),
  )
})

t.test('a stopped run leaves no clone', async t => {
  const { folder, clone } = await setUp(t)
  const stop = new AbortController()
  const reason = new Error('enough')
  const onProgress = ({ phase }: { phase: string }): void => {
    if (phase === 'clone') stop.abort(reason)
  }
  await t.rejects(clone({ signal: stop.signal, onProgress }), reason)
  t.strictSame((await fingerprintsOf(folder))['web Clone'], undefined)
  t.equal((await clone()).changed, true)
})

t.test('a machine that changes while it is read is not cloned', async t => {
  const { folder, made, clone } = await setUp(t)
  const before = await readFile(made.settingsFile, 'utf8')
  const onProgress = ({ phase }: { readonly phase: string }): void => {
    if (phase === 'clone') writeFileSync(made.settingsFile, before.replace('OSType="', 'OSType="x'))
  }
  await t.rejects(clone({ onProgress }), hasCode('machine_locked', /changed while/))
  t.strictSame((await fingerprintsOf(folder))['web Clone'], undefined)
})

t.test('the lock of another run is respected', async t => {
  const { clone, made } = await setUp(t)
  const lock = lockPathOf(made.settingsFile)
  await writeFile(lock, 'someone')
  await t.rejects(clone({ lockTimeout: 0 }), hasCode('machine_locked'))
  await rm(lock)
  t.equal((await clone()).changed, true)
})

t.test('a clone that lost an image is told, and made anew with replace', async t => {
  const { made, clone, folder } = await setUp(t)
  const { clone: first } = await clone()
  await rm(join(folder, 'web Clone', 'web Clone-disk2.vdi'))
  await t.rejects(clone(), hasCode('image_missing', /replace/))
  const second = await clone({ replace: true })
  t.not(second.clone?.id, first?.id)
  t.strictSame(await cloneProblems(realFiles, made, second.clone?.settingsFile ?? ''), [])
})
