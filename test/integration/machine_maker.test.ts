import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { some } from '../fixtures/test_run.ts'

// The machines that tests make from nothing must be machines to a real VirtualBox.

t.setTimeout(300_000)

const KIB = 1024

const specs: Record<string, MachineSpec> = {
  'a machine without snapshots': { disks: [{}], description: 'a <b> & "c"\nsecond line' },
  'two disks and a forked tree': {
    seed: 2,
    name: 'fork & "quote"',
    disks: [
      { name: 'system', fixed: true },
      { name: 'data', capacity: 5 * 512 * KIB },
    ],
    snapshots: ['one', { name: 'two', description: 'line\nline' }, { name: 'b', on: 'one' }, 'c'],
    current: 'two',
    extraData: { 'a/b': '<x> "y"' },
  },
  'the smallest images': {
    seed: 3,
    disks: [{ blockSize: 128 * KIB }, { blockSize: 128 * KIB, capacity: 300 * KIB }],
    snapshots: ['one', 'two', 'three'],
    moved: 'disks',
    layout: 'small',
  },
  'every type of disk': {
    seed: 4,
    disks: (['Normal', 'Immutable', 'Writethrough', 'Shareable', 'MultiAttach', 'Readonly'] as const).map(
      type => ({
        type,
        fixed: type === 'Shareable',
      }),
    ),
    snapshots: ['one', 'two'],
    moved: false,
  },
  'disks that come and go': {
    seed: 5,
    disks: [{ absentIn: ['one'] }, { absentIn: ['current'] }, {}].map(disk => ({
      ...disk,
      blockSize: 256 * KIB,
    })),
    snapshots: ['one', 'two'],
  },
  'EFI and a shared saved state': {
    seed: 6,
    disks: [{}],
    snapshots: ['one', { name: 'two', saved: true }],
    saved: 'shared',
    efi: true,
    moved: false,
  },
  'an aborted machine': { seed: 7, disks: [{}], snapshots: ['one'], aborted: true },
}

t.test('a real VirtualBox takes made machines for its own', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  for (const [name, spec] of some(Object.entries(specs), 3)) {
    await t.test(name, async t => {
      const made = await register(virtualBox, name, spec)
      t.match(await virtualBox.run('showvminfo', made.id), /^Name:\s/m)
      if (made.snapshots.length > 0) {
        const list = await virtualBox.run('snapshot', made.id, 'list', '--machinereadable')
        const found = [...list.matchAll(/^SnapshotUUID(?:-\d+)*="(.*)"$/gm)].map(([, id]) => id).sort()
        t.same(found, made.snapshots.map(({ id }) => id).sort())
        t.match(list, `CurrentSnapshotUUID="${made.currentSnapshot?.id}"`)
      }
      await readsTheSame(t, virtualBox, made)
      const own = await readFile(made.settingsFile, 'utf8')
      t.equal(await rewritten(virtualBox, made), own, 'and writes the same .vbox')
      t.same(await machineProblems(realFiles, made), [])
      await virtualBox.run('unregistervm', made.id)
      await rm(made.folder, { recursive: true })
    })
  }
})

t.test('old versions of the settings are read too', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const versions = ['1.12-windows', '1.15-linux', '1.16-macosx', '1.17-linux', '1.18-linux']
  for (const [seed, version] of some([...versions.entries()], 1)) {
    const name = `v${version}`
    const made = await register(virtualBox, name, {
      seed,
      name,
      version,
      disks: [{}],
      snapshots: ['one', 'two'],
    })
    t.match(await virtualBox.run('showvminfo', made.id), 'Name: one', version)
    await virtualBox.run('snapshot', made.id, 'take', 'three')
    await virtualBox.run('snapshot', made.id, 'delete', 'one')
    t.same(await machineProblems(realFiles, made, { [made.snapshot('one').id]: 'one' }), [], version)
  }
})

t.test('VirtualBox works on with made machines', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const made = await register(virtualBox, 'web', {
    disks: [
      { blockSize: 128 * KIB, capacity: 1024 * KIB },
      { blockSize: 128 * KIB, capacity: 1234 * KIB },
    ],
    snapshots: ['one', 'two', 'three', { name: 'b', on: 'two' }],
    layout: 'small',
    efi: true,
  })
  for (const key of ['one', 'three'])
    await virtualBox.run('snapshot', made.id, 'delete', made.snapshot(key).id)
  await virtualBox.run('snapshot', made.id, 'take', 'new')
  t.same(await machineProblems(realFiles, made), [], 'after deleting two snapshots and taking one')
  await virtualBox.run('snapshot', made.id, 'restore', made.snapshot('two').id)
  const { currentSnapshot: now } = made
  t.ok(now)
  t.same(
    await machineProblems(realFiles, made, { current: 'two', ...(await newestReads(virtualBox, made)) }),
    [],
  )
})

/** A snapshot that was taken of the former current state still reads as that did. */
async function newestReads(virtualBox: RealVirtualBox, made: MadeMachine): Promise<Record<string, string>> {
  const list = await virtualBox.run('snapshot', made.id, 'list', '--machinereadable')
  const ids = [...list.matchAll(/^SnapshotUUID(?:-\d+)*="(.*)"$/gm)].map(([, id]) => String(id))
  const known = new Set(made.snapshots.map(({ id }) => id))
  return Object.fromEntries(ids.filter(id => !known.has(id)).map(id => [id, 'current']))
}

async function register(virtualBox: RealVirtualBox, name: string, spec: MachineSpec): Promise<MadeMachine> {
  const made = await makeMachine(realFiles, join(virtualBox.machineFolder, name), spec)
  await virtualBox.run('registervm', made.settingsFile)
  return made
}

/** Compares what VirtualBox reads of each image of each state with what the maker says. */
async function readsTheSame(
  t: Pick<typeof import('tap').t, 'equal'>,
  virtualBox: RealVirtualBox,
  made: MadeMachine,
): Promise<void> {
  const seen = new Set<string>()
  for (const state of [...made.snapshots.map(({ key }) => key), 'current']) {
    for (let disk = 0; made.images.some(image => image.disk === disk); disk++) {
      const image = made.imageOf(state, disk)
      if (image === undefined || seen.has(image.id)) continue
      seen.add(image.id)
      const raw = join(virtualBox.folder, 'read.img')
      await virtualBox.run('clonemedium', 'disk', image.id, raw, '--format', 'RAW')
      const sha256 = createHash('sha256')
        .update(await readFile(raw))
        .digest('hex')
      t.equal(sha256, made.contentOf(state, disk)?.sha256(), `disk ${disk} of "${state}"`)
      await virtualBox.run('closemedium', 'disk', raw, '--delete')
    }
  }
}

/** The text of the `.vbox` after VirtualBox has written it without changing anything. */
async function rewritten(virtualBox: RealVirtualBox, made: MadeMachine): Promise<string> {
  await virtualBox.run('setextradata', made.id, 'z', 'something')
  await virtualBox.run('setextradata', made.id, 'z')
  const text = await readFile(made.settingsFile, 'utf8')
  return text.replace(/Written by VirtualBox .*/, 'Written by VirtualBox 7.2.22_Debian (r175245)')
}
