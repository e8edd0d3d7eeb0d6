// What the options of merging come to, on machines on disk. Every case is run twice.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureBaseSnapshot } from '../../lib/ensure/base_snapshot.ts'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { realEnsureHost } from '../../lib/ensure/host.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import type { GoldenImageOptions, MergeOptions } from '../../lib/ensure/options.ts'
import type { EnsureResult } from '../../lib/ensure/result.ts'
import { wantedMerge } from '../../lib/ensure/wanted_parts.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems, readMachine } from '../fixtures/machine_reader.ts'
import type { DiskSpec, MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

const BLOCK = 2 ** 17
const disk = (given: Omit<DiskSpec, 'blockSize'> = {}): DiskSpec => ({
  blockSize: BLOCK,
  capacity: 4 * BLOCK,
  ...given,
})

t.setTimeout(240_000)

let home = ''
t.before(async () => {
  home = await quickFolder(t)
})

async function make(
  t: Test,
  spec: Omit<MachineSpec, 'disks'> & { readonly disks?: readonly DiskSpec[] },
): Promise<MadeMachine> {
  const folder = join(await quickFolder(t), 'machine')
  await mkdir(folder)
  return makeMachine(realFiles, folder, { layout: 'small', ...spec, disks: spec.disks ?? [disk()] })
}

const merge = (made: MadeMachine, options: MergeOptions = {}): Promise<EnsureResult> =>
  ensureMerged(made.settingsFile, { vboxUserHome: home, ...options })
const golden = (made: MadeMachine, options: GoldenImageOptions = {}): Promise<EnsureResult> =>
  ensureGoldenImage(made.settingsFile, { vboxUserHome: home, freeSpace: 'keep', ...options })
const snapshot = (made: MadeMachine): Promise<EnsureResult> =>
  ensureBaseSnapshot(made.settingsFile, { vboxUserHome: home })

const kindsOf = ({ steps }: EnsureResult): string[] => steps.map(({ kind }) => kind)
const codesOf = ({ warnings }: EnsureResult): string[] => warnings.map(({ code }) => code)
const snapshotsOf = async (made: MadeMachine): Promise<string[]> =>
  (await readMachine(realFiles, made.settingsFile)).states.map(({ name }) => name).slice(0, -1)

type Call = (check: boolean) => Promise<EnsureResult>

/** Asks and runs; both must tell the same. Returns the result of the run. */
async function changes(t: Test, made: MadeMachine, call: Call): Promise<EnsureResult> {
  const files = await fingerprintsOf(made.folder)
  const asked = await call(true)
  t.strictSame(await fingerprintsOf(made.folder), files, 'check mode writes nothing')
  const done = await call(false)
  t.equal(done.changed, true, 'it is changed')
  t.strictSame(asked.steps, done.steps, 'check mode tells the steps')
  const { currentSnapshot: _asked, ...expected } = asked.after
  const { currentSnapshot: _found, ...found } = done.after
  t.strictSame(expected, found, 'check mode tells the figures')
  return done
}

async function changesNothing(t: Test, made: MadeMachine, call: Call): Promise<EnsureResult> {
  const files = await fingerprintsOf(made.folder)
  const result = await call(false)
  t.strictSame([result.changed, result.steps], [false, []], 'nothing is to be changed')
  t.strictSame(await fingerprintsOf(made.folder), files, 'nothing is written')
  t.strictSame((await call(true)).changed, false, 'check mode says so, too')
  return result
}

/** Changes once, and nothing the second time; then the machine reads as the states that are named. */
async function changesOnce(
  t: Test,
  made: MadeMachine,
  call: Call,
  expected: Readonly<Record<string, string>> = {},
): Promise<EnsureResult> {
  const done = await changes(t, made, call)
  t.strictSame(await machineProblems(realFiles, made, expected), [], 'every state reads as it should')
  await changesNothing(t, made, call)
  return done
}

t.test('discardCurrentState() changes nothing where nothing has moved', async t => {
  const made = await make(t, { snapshots: ['Base'], moved: false })
  await changesNothing(t, made, check => merge(made, { check, discardCurrentState: true }))
})

t.test('discardCurrentState without snapshots does nothing', async t => {
  const made = await make(t, {})
  await changesNothing(t, made, check => merge(made, { check, discardCurrentState: true }))
})

t.test('discardCurrentState goes back to a lone base snapshot', async t => {
  const made = await make(t, { snapshots: ['Base'] })
  const done = await changesOnce(t, made, check => merge(made, { check, discardCurrentState: true }), {
    current: 'Base',
  })
  t.strictSame([kindsOf(done), codesOf(done)], [['restore'], []])
  t.strictSame(await snapshotsOf(made), ['snapshot "Base"'])
})

t.test('discardCurrentState takes settings back, and says so', async t => {
  const made = await make(t, { snapshots: ['Base'], moved: 'settings' })
  const text = await readFile(made.settingsFile, 'utf8')
  await writeFile(made.settingsFile, text.replace(/RAMSize="1024"(?![\s\S]*RAMSize)/, 'RAMSize="2048"'))
  const done = await changesOnce(t, made, check => merge(made, { check, discardCurrentState: true }))
  t.strictSame([kindsOf(done), codesOf(done)], [['restore'], ['settings_go_back']])
  t.notMatch(await readFile(made.settingsFile, 'utf8'), /2048/)
})

t.test('discardCurrentState and merging keep the state of the current snapshot', async t => {
  const made = await make(t, {
    snapshots: ['s1', 's2', 's3'],
    disks: [disk(), disk({ type: 'Writethrough' }), disk()],
  })
  const done = await changesOnce(t, made, check => merge(made, { check, discardCurrentState: true }), {
    current: 's3',
  })
  t.strictSame(kindsOf(done), ['restore', 'merge'])
  t.strictSame(await snapshotsOf(made), [])
})

const FORK = { snapshots: ['a', 'b', 'c', { name: 'x', on: 'a' }], current: 'c' } as const

t.test('branches=stop and discardCurrentState throw a state away once', async t => {
  for (const disks of [[disk()], [disk(), disk({ type: 'Writethrough' }), disk()]]) {
    const made = await make(t, { ...FORK, disks })
    const options = { discardCurrentState: true, branches: 'stop' } as const
    const done = await changesOnce(t, made, check => merge(made, { ...options, check }), { current: 'c' })
    t.strictSame([kindsOf(done), codesOf(done)], [['restore', 'merge'], ['branch_blocked']])
    t.strictSame(await snapshotsOf(made), ['snapshot "a"', 'snapshot "x"'])
  }
})

t.test('count and discardCurrentState throw a state away once, in as many runs as it takes', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c'] })
  const options = { discardCurrentState: true, count: 1 } as const
  for (const left of [2, 1, 0]) {
    const done = await changes(t, made, check => merge(made, { ...options, check }))
    t.equal(done.after.snapshots, left)
    t.strictSame(await machineProblems(realFiles, made, { current: 'c' }), [])
  }
  await changesNothing(t, made, check => merge(made, { ...options, check }))
})

t.test('from and count go on with the branch that an earlier run restored', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c', { name: 'x', on: 'b' }], current: 'x' })
  const options = { from: 'c', count: 1, branches: 'stop' } as const
  await changesOnce(t, made, check => merge(made, { ...options, check }), { current: 'c' })
  t.strictSame(await snapshotsOf(made), ['snapshot "a"', 'snapshot "b"', 'snapshot "x"'])
})

t.test('from makes another snapshot the current state, and merges its branch', async t => {
  const made = await make(t, FORK)
  const done = await changesOnce(t, made, check => merge(made, { check, from: 'x', branches: 'stop' }), {
    current: 'x',
  })
  t.strictSame(kindsOf(done), ['restore', 'merge'])
  t.strictSame(await snapshotsOf(made), ['snapshot "a"', 'snapshot "b"', 'snapshot "c"'])
})

t.test('from and branches=discard leave the branch of that snapshot alone', async t => {
  const made = await make(t, FORK)
  const done = await changesOnce(t, made, check => merge(made, { check, from: 'x', branches: 'discard' }), {
    current: 'x',
  })
  t.strictSame(kindsOf(done), ['restore', 'discard', 'merge'])
  t.strictSame(await snapshotsOf(made), [])
})

t.test('from accepts a UUID in braces', async t => {
  const made = await make(t, FORK)
  const from = `{${made.snapshot('x').id.toUpperCase()}}`
  await changesOnce(t, made, check => merge(made, { check, from, branches: 'stop' }), { current: 'x' })
})

t.test('from names neither one snapshot of several nor one that is not there', async t => {
  const made = await make(t, {
    snapshots: [
      { name: 'a', key: '1' },
      { name: 'a', key: '2' },
    ],
  })
  const files = await fingerprintsOf(made.folder)
  await t.rejects(
    merge(made, { from: 'a' }),
    hasCode('machine_ambiguous', /2 snapshots have that name; give one of the UUIDs/),
  )
  await t.rejects(merge(made, { from: 'b' }), hasCode('snapshot_not_found', /there are "a", "a"/))
  t.strictSame(await fingerprintsOf(made.folder), files)
})

t.test('branches=discard deletes the other branches with their images', async t => {
  const made = await make(t, {
    snapshots: ['a', 'b', 'c', { name: 'x', on: 'a' }, { name: 'y', on: 'x' }, { name: 'z', on: 'x' }],
    current: 'c',
  })
  const done = await changesOnce(t, made, check => merge(made, { check, branches: 'discard' }))
  t.strictSame(kindsOf(done), ['discard', 'merge'])
  const [discard] = done.steps
  t.strictSame(discard?.kind === 'discard' && discard.snapshots.map(({ name }) => name), ['z', 'y', 'x'])
  t.equal(done.after.images, 1)
})

t.test('branches=refuse names the fork and the tips of the other branches', async t => {
  const made = await make(t, {
    snapshots: ['a', 'b', { name: 'x', on: 'a' }, 'y', { name: 'z', on: 'x' }],
    current: 'b',
  })
  await t.rejects(
    merge(made),
    hasCode(
      'branch_blocked',
      /snapshot "a" \{.*\} has another child on another branch, "x" \{.*\} \(tips: "y" \{.*\}, "z" \{.*\}\), and merging would change what is read there; choose branches=stop/,
    ),
  )
  const below = await make(t, { snapshots: ['a', 'b'], current: 'a' })
  await t.rejects(
    merge(below),
    hasCode('branch_blocked', /snapshot "a" \{.*\} has another child beside the current state, "b"/),
  )
})

t.test('branches=stop on a fork at the current snapshot merges nothing', async t => {
  const made = await make(t, { snapshots: ['a', 'b'], current: 'a' })
  const done = await changesNothing(t, made, check => merge(made, { check, branches: 'stop' }))
  t.strictSame(codesOf(done), ['branch_blocked'])
})

t.test('skip leaves the most recent snapshots', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c', 'd'] })
  const done = await changesOnce(t, made, check => merge(made, { check, skip: 2 }))
  t.strictSame(kindsOf(done), ['merge'])
  t.strictSame(await snapshotsOf(made), ['snapshot "c"', 'snapshot "d"'])
  await changesNothing(t, made, check => merge(made, { check, skip: 9 }))
})

t.test('skip, with a fork among what is left, tells every child of its new parent', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c', 'd', { name: 'x', on: 'b' }], current: 'd' })
  await changesOnce(t, made, check => merge(made, { check, skip: 3 }))
  t.strictSame(await snapshotsOf(made), ['snapshot "b"', 'snapshot "c"', 'snapshot "d"', 'snapshot "x"'])
})

t.test('skip and count merge a part of the middle, run by run', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c', 'd', 'e'] })
  const call = (check: boolean): Promise<EnsureResult> => merge(made, { check, skip: 1, count: 2 })
  await changes(t, made, call)
  t.strictSame(await snapshotsOf(made), ['snapshot "a"', 'snapshot "b"', 'snapshot "e"'])
  t.strictSame(await machineProblems(realFiles, made), [])
  await changesOnce(t, made, call)
  t.strictSame(await snapshotsOf(made), ['snapshot "e"'])
})

t.test('count=0 merges nothing', async t => {
  const made = await make(t, { snapshots: ['a', 'b'] })
  await changesNothing(t, made, check => merge(made, { check, count: 0 }))
})

t.test('count=0 still goes back', async t => {
  const made = await make(t, { snapshots: ['a', 'b'] })
  await changesOnce(t, made, check => merge(made, { check, count: 0, discardCurrentState: true }), {
    current: 'b',
  })
  t.strictSame(await snapshotsOf(made), ['snapshot "a"', 'snapshot "b"'])
})

t.test('a golden image on top of snapshots that stay is changed once', async t => {
  const cases: Readonly<Record<string, GoldenImageOptions>> = {
    skip: { skip: 1 },
    stop: { branches: 'stop' },
    'stop and discard the state': { branches: 'stop', discardCurrentState: true },
  }
  for (const [name, options] of Object.entries(cases)) {
    await t.test(name, async t => {
      const made = await make(t, name === 'skip' ? { snapshots: ['a', 'b', 'c'] } : FORK)
      const expected = options.discardCurrentState === true ? { current: 'c' } : {}
      await changesOnce(t, made, check => golden(made, { ...options, check }), expected)
      t.match((await snapshotsOf(made)).join(), /Base/)
    })
  }
})

t.test('a golden image from another snapshot is changed once', async t => {
  for (const branches of ['stop', 'discard'] as const) {
    const made = await make(t, FORK)
    await changesOnce(t, made, check => golden(made, { check, from: 'x', branches }), { current: 'x' })
    t.match((await snapshotsOf(made)).join(), /Base/)
  }
})

t.test('a golden image from a snapshot that stays is changed once', async t => {
  const chain = { snapshots: ['a', 'b', 'c'] }
  const cases: Readonly<
    Record<string, readonly [typeof chain | typeof FORK, GoldenImageOptions & { readonly from: string }]>
  > = {
    'a fork': [FORK, { from: 'a', branches: 'stop' }],
    'skip below the tip': [chain, { from: 'b', skip: 1, branches: 'discard' }],
    'skip at the tip': [chain, { from: 'c', skip: 1 }],
    'count=0': [chain, { from: 'c', count: 0 }],
  }
  for (const [name, [spec, options]] of Object.entries(cases)) {
    await t.test(name, async t => {
      const made = await make(t, spec)
      await changesOnce(t, made, check => golden(made, { ...options, check }), { current: options.from })
      t.match((await snapshotsOf(made)).join(), new RegExp(`"${options.from}".*"Base"`))
    })
  }
})

t.test('a golden image with count=1 comes to its end', async t => {
  const made = await make(t, { snapshots: ['a', 'b', 'c'] })
  const call = (check: boolean): Promise<EnsureResult> => golden(made, { check, count: 1 })
  for (const left of [['a', 'b'], ['a'], []]) {
    await changes(t, made, call)
    t.strictSame((await snapshotsOf(made)).sort(), ['Base', ...left].map(name => `snapshot "${name}"`).sort())
    t.strictSame(await machineProblems(realFiles, made), [])
  }
  await changesNothing(t, made, call)
})

t.test('every type of disk is merged as it can be', async t => {
  const types = ['Normal', 'Immutable', 'MultiAttach', 'Writethrough', 'Shareable', 'Readonly'] as const
  const made = await make(t, { snapshots: ['a', 'b', 'c'], disks: types.map(type => disk({ type })) })
  const bases = made.images.filter(({ parent, disk }) => parent === undefined && disk > 0)
  const contents = await Promise.all(bases.map(({ path }) => readFile(path)))
  const done = await changesOnce(t, made, check => merge(made, { check }))
  t.strictSame(
    await Promise.all(bases.map(({ path }) => readFile(path))),
    contents,
    'only the normal base is written',
  )
  const { states } = await readMachine(realFiles, made.settingsFile)
  const parents = [...(states[0]?.images.values() ?? [])].map(({ parent }) => parent?.id)
  const [, immutable, multiattach] = [undefined, ...bases]
  t.strictSame(parents, [undefined, immutable?.id, multiattach?.id, undefined, undefined, undefined])
  t.equal(done.after.images, 8)
})

t.test('every type of disk goes back, and gets a base snapshot, as it can', async t => {
  const types = ['Immutable', 'MultiAttach', 'Writethrough', 'Normal'] as const
  const made = await make(t, { snapshots: ['a', 'b'], disks: types.map(type => disk({ type })) })
  await changesOnce(t, made, check => golden(made, { check, discardCurrentState: true }), { current: 'b' })
  t.strictSame(await snapshotsOf(made), ['snapshot "Base"'])
})

t.test('a disk of a fixed size is merged', async t => {
  const made = await make(t, { snapshots: ['a', 'b'], disks: [disk({ fixed: true })] })
  await changesOnce(t, made, check => merge(made, { check }))
})

t.test('a disk that some states do not have is merged, discarded, restored', async t => {
  const disks = [
    disk(),
    disk({ absentIn: ['a', 'b'] }),
    disk({ absentIn: ['current'] }),
    disk({ absentIn: ['b'] }),
  ]
  const merged = await make(t, { snapshots: ['a', 'b'], disks })
  await changesOnce(t, merged, check => merge(merged, { check }))
  const restored = await make(t, { snapshots: ['a', 'b'], disks })
  await changesOnce(t, restored, check => merge(restored, { check, discardCurrentState: true }), {
    current: 'b',
  })
  const kept = await make(t, { snapshots: ['a', 'b'], disks })
  await changesOnce(t, kept, check => merge(kept, { check, count: 0, discardCurrentState: true }), {
    current: 'b',
  })
  const golden3 = await make(t, { snapshots: ['a', 'b'], disks })
  await changesOnce(t, golden3, check => golden(golden3, { check, from: 'a', branches: 'discard' }), {
    current: 'a',
  })
})

const existing = async (made: MadeMachine, suffix: string): Promise<string[]> =>
  Object.keys(await fingerprintsOf(made.folder)).filter(name => name.endsWith(suffix))

t.test('a saved state that two snapshots share goes with the second of them', async t => {
  const made = await make(t, { snapshots: [{ name: 'a', saved: true }, 'b'] })
  const [stateFile = ''] = await existing(made, '.sav')
  const text = await readFile(made.settingsFile, 'utf8')
  await writeFile(
    made.settingsFile,
    text.replace(/(<Snapshot [^>]*name="b"[^>]*)>/, `$1 stateFile="${stateFile}">`),
  )
  await changes(t, made, check => merge(made, { check, count: 1 }))
  t.strictSame(await existing(made, '.sav'), [stateFile], 'the other snapshot still has it')
  await changesOnce(t, made, check => merge(made, { check, count: 1 }))
  t.strictSame(await existing(made, '.sav'), [])
})

t.test('a saved machine is changed only when its saved state may go', async t => {
  for (const saved of ['own', 'shared'] as const) {
    const made = await make(t, { snapshots: ['a', { name: 'b', saved: true }], saved })
    const files = await fingerprintsOf(made.folder)
    await t.rejects(merge(made), hasCode('machine_not_off', /it is saved; .*discardSavedState/))
    t.strictSame(await fingerprintsOf(made.folder), files)
    const done = await changesOnce(t, made, check =>
      merge(made, { check, count: 1, skip: 1, discardSavedState: true }),
    )
    t.strictSame(kindsOf(done), ['discard', 'merge'])
    t.equal(done.after.state, 'poweroff')
    t.equal((await existing(made, '.sav')).length, 1, 'the snapshot keeps its own')
  }
})

t.test('a saved machine that is as it should be is left alone', async t => {
  const made = await make(t, { snapshots: ['Base'], saved: 'own', moved: false })
  await changesNothing(t, made, check => merge(made, { check, discardSavedState: true }))
})

t.test('a snapshot with a saved state is restored only when that may go', async t => {
  const made = await make(t, { snapshots: ['a', { name: 'b', saved: true }] })
  await t.rejects(
    merge(made, { discardCurrentState: true }),
    hasCode('machine_not_off', /snapshot "b".*has a saved state.*discardSavedState/),
  )
  const options = { discardCurrentState: true, discardSavedState: true, count: 0 } as const
  const done = await changesOnce(t, made, check => merge(made, { ...options, check }), { current: 'b' })
  t.equal(done.after.state, 'poweroff')
  t.equal((await existing(made, '.sav')).length, 1)
})

t.test('EFI variables are kept, restored, copied and deleted with their states', async t => {
  const spec = { snapshots: ['a', 'b', 'c'], efi: true } as const
  const own = (made: MadeMachine): Promise<string> =>
    readFile(join(made.folder, `${made.name}.nvram`), 'utf8')
  const made = await make(t, spec)
  const before = await own(made)
  await changesOnce(t, made, check => merge(made, { check }))
  t.equal(await own(made), before)
  t.strictSame(await existing(made, '.nvram'), [`${made.name}.nvram`])

  const shielded = await make(t, spec)
  await changesOnce(t, shielded, check => golden(shielded, { check }))
  const names = await existing(shielded, '.nvram')
  t.equal(names.length, 2)
  for (const name of names) t.equal(await readFile(join(shielded.folder, name), 'utf8'), before)

  for (const count of [0, 9]) {
    const restored = await make(t, spec)
    const options = { from: 'b', branches: 'discard', count } as const
    const wanted = await readFile(join(restored.folder, restored.snapshot('b').nvram ?? ''), 'utf8')
    await changesOnce(t, restored, check => merge(restored, { ...options, check }), { current: 'b' })
    t.equal(await own(restored), wanted)
    t.equal((await existing(restored, '.nvram')).length, count === 0 ? 4 : 1)
  }
})

t.test('an aborted machine is merged', async t => {
  const made = await make(t, { snapshots: ['a'], aborted: true })
  const done = await changesOnce(t, made, check => merge(made, { check }))
  t.equal(done.after.state, 'aborted')
})

t.test('the three ensures can follow each other again and again on a fork', async t => {
  const made = await make(t, FORK)
  const stop = (check: boolean): Promise<EnsureResult> =>
    merge(made, { check, branches: 'stop', discardCurrentState: true })
  await changesOnce(t, made, stop, { current: 'c' })
  t.equal((await snapshot(made)).changed, true)
  await changesNothing(t, made, stop)
  t.strictSame(await machineProblems(realFiles, made, { current: 'c' }), [])
})

t.test(
  'a run that dies after it has thrown a state away is finished without throwing another one away',
  async t => {
    const cases: readonly (readonly [MergeOptions, string])[] = [
      [{ discardCurrentState: true, branches: 'stop' }, 'c'],
      [{ from: 'x', branches: 'stop' }, 'x'],
    ]
    for (const [options, state] of cases) {
      for (const second of [false, true]) {
        const made = await make(t, FORK)
        const checked = parseOptions('merge', { ...options, vboxUserHome: home })
        const wanted = { compacted: undefined, baseSnapshot: undefined, discardSavedState: false }
        // The disk fails before the second commit, or behind it.
        const fault = second
          ? ({ operation: 'unlink', path: /\{.*\.vdi$/, at: 1, sticky: true } as const)
          : ({ operation: 'rename', path: /\.vboxmerge-second$/, at: 1, sticky: true } as const)
        const host = { ...realEnsureHost, files: faultyFiles(realFiles, [fault]).files }
        const run = ensureWanted(
          made.settingsFile,
          { ...wanted, merged: wantedMerge(checked) },
          checked,
          host,
        )
        await t.rejects(run, hasCode('engine_failed', /run the same command again to finish/))
        t.strictSame(await machineProblems(realFiles, made, { current: state }), [], 'every state is whole')
        const done = await changesOnce(t, made, check => merge(made, { ...options, check }), {
          current: state,
        })
        t.equal(done.steps[0]?.kind, 'recover')
        t.notOk(kindsOf(done).includes('restore'), 'nothing is restored again')
      }
    }
  },
)

t.test('a settings file that someone else changes in the middle of a run is not written over', async t => {
  const made = await make(t, { snapshots: ['a', 'b'] })
  const checked = parseOptions('merge', { vboxUserHome: home })
  let renames = 0
  const files = {
    ...realFiles,
    rename: async (from: string, to: string): Promise<void> => {
      await realFiles.rename(from, to)
      if (to === made.settingsFile && renames++ === 0)
        await writeFile(to, `${await readFile(to, 'utf8')}<!-- mine -->`)
    },
  }
  const wanted = {
    merged: wantedMerge(checked),
    compacted: undefined,
    baseSnapshot: undefined,
    discardSavedState: false,
  }
  // Something was changed, so this must not look like a refusal.
  await t.rejects(
    ensureWanted(
      made.settingsFile,
      wanted,
      { ...checked, whenBusy: 'skip' },
      {
        ...realEnsureHost,
        files,
      },
    ),
    hasCode(
      'engine_failed',
      /another program changed it during this run.*run the same command again to finish/,
    ),
  )
  t.match(await readFile(made.settingsFile, 'utf8'), /<!-- mine -->/)
  t.strictSame(await machineProblems(realFiles, made), [])
  await changesOnce(t, made, check => merge(made, { check }))
})
