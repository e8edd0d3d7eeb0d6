import { copyFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureCloned } from '../../lib/ensure/cloned.ts'
import { ensureCompacted } from '../../lib/ensure/compacted.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { inspectMachine } from '../../lib/ensure/machine_info.ts'
import type { ByteRange } from '../../lib/guest/device.ts'
import { makeDiskImage } from '../fixtures/guest/disk_image.ts'
import { exportRaw, heldBytes, makeGuestMachine, nextState } from '../fixtures/guest/guest_machine.ts'
import { powerCut, withMount } from '../fixtures/guest/mount.ts'
import { requireTools, runTool } from '../fixtures/guest/tools.ts'
import { differences, hashFiles, writeTree } from '../fixtures/guest/tree.ts'
import type { MadeMachine } from '../fixtures/machine_maker.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { seedOfRun } from '../fixtures/random.ts'

const MIB = 2 ** 20
const skip = requireTools('root', 'mkfs.ext4', 'e2fsck', 'sfdisk', 'sgdisk', 'mkswap')
const seed = seedOfRun()

/** Where the file system of these disks lies: behind a swap partition, and up to some MiB before the end. */
const part = { start: 9 * MIB, length: 85 * MIB }
const swapPart = { start: MIB, length: 8 * MIB }

t.setTimeout(240_000)
t.comment(`VBOXMERGE_SEED=${seed}`)

let madeDisk: Promise<string> | undefined

/** A copy of a disk that is made once for all tests. */
async function guestDisk(test: Test): Promise<string> {
  madeDisk ??= makeGuestDisk()
  const path = join(await quickFolder(test), 'disk.raw')
  await copyFile(await madeDisk, path)
  return path
}

async function makeGuestDisk(): Promise<string> {
  const raw = await makeDiskImage(t, 96, { prefillSeed: seed })
  const layout = 'label: gpt\nstart=2048, size=16384, type=S\nstart=18432, size=174080, type=L\n'
  await runTool('sh', '-c', `printf '${layout}' | sfdisk -q --no-tell-kernel "$1"`, 'sh', raw)
  await inPart(raw, part, 'mkfs.ext4', '-q', '-F', '-E', 'nodiscard', '-L', 'root')
  await inPart(raw, swapPart, 'mkswap')
  await withMount(raw, { part }, async folder => {
    await writeTree(folder, seed, { files: 60, largest: 2 * MIB, removed: 0 })
  })
  return raw
}

/** Runs a program on a part of a disk. */
async function inPart(raw: string, range: ByteRange, command: string, ...args: string[]): Promise<void> {
  const { start, length } = range
  const loop = (
    await runTool('losetup', '--find', '--show', '-o', `${start}`, '--sizelimit', `${length}`, raw)
  ).stdout.trim()
  try {
    await runTool(command, ...args, loop)
  } finally {
    await runTool('losetup', '-d', loop)
  }
}

async function removeMost(raw: string): Promise<void> {
  await withMount(raw, { part }, async folder => {
    await runTool('sh', '-c', `cd "$1" && find . -name 'file *[0-7].bin' -delete`, 'sh', folder)
  })
}

async function isWhole(t: Test, made: MadeMachine, state: string, before: string, chain?: readonly string[]) {
  const paths = chain ?? chainOf(made, state)
  const raw = await exportRaw(paths, join(made.folder, `${state}.raw`))
  t.same(
    differences(await hashFiles(before, { part }), await hashFiles(raw, { part })),
    [],
    `${state}: files`,
  )
  await inPart(raw, part, 'e2fsck', '-fn')
  t.match((await runTool('sgdisk', '-v', raw)).stdout, /No problems found/, `${state}: partition table`)
}

function chainOf(made: MadeMachine, state: string): string[] {
  const paths: string[] = []
  for (let image = made.imageOf(state, 0); image !== undefined; image = image.parent)
    paths.unshift(image.path)
  return paths
}

t.test('ensureGoldenImage() gives back what the guest deleted, and loses no file', { skip }, async t => {
  const first = await guestDisk(t)
  const second = await nextState(first, 'second')
  await withMount(second, { part }, async folder => {
    await writeTree(folder, seed + 1, { files: 30, largest: 2 * MIB, removed: 50 })
  })
  const last = await nextState(second, 'last')
  await removeMost(last)
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(folder, [{ one: first, two: second, current: last }])
  const base = made.images[0]?.path ?? ''
  const options = { vboxUserHome: join(folder, 'none') }

  const checked = await ensureGoldenImage(made.settingsFile, { ...options, check: true })
  const done = await ensureGoldenImage(made.settingsFile, options)
  t.strictSame(done.after, { ...checked.after, currentSnapshot: done.after.currentSnapshot }, 'as predicted')
  t.strictSame(checked.steps, done.steps)
  t.same(
    done.steps.map(({ kind }) => kind),
    ['merge', 'compact', 'snapshot'],
  )
  t.strictSame(done.warnings, [])
  t.match(done.volumes, [
    { where: 'partition 1', kind: 'swap', kept: null },
    { where: 'partition 2', kind: 'ext4', label: 'root', size: part.length, kept: null },
  ])
  const [swap, root] = done.volumes
  t.equal(swap?.reclaimable, 7 * MIB, 'all but the first block of swap')
  const compact = done.steps.find(({ kind }) => kind === 'compact')
  const reclaimed = compact?.kind === 'compact' ? (compact.images[0]?.reclaimBytes ?? 0) : 0
  t.ok(reclaimed >= (root?.reclaimable ?? 0) + 7 * MIB, `${reclaimed} bytes are given back`)
  t.ok(heldBytes(base) <= 96 * MIB - reclaimed)
  t.ok((root?.free ?? 0) > 40 * MIB, 'most was deleted')
  await isWhole(t, made, 'current', last, [base])

  const again = await ensureGoldenImage(made.settingsFile, options)
  t.equal(again.changed, false)
  t.strictSame(again.volumes, [], 'nobody looked a second time')
  const keep = await ensureCompacted(made.settingsFile, { ...options, freeSpace: 'keep' })
  t.equal(keep.changed, false)
})

t.test('a block goes only when no state that reads it needs it', { skip }, async t => {
  const first = await guestDisk(t)
  const last = await nextState(first, 'last')
  await removeMost(last)
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(folder, [{ Base: first, current: last }])
  const base = made.images[0]?.path ?? ''
  const held = heldBytes(base)
  const result = await ensureCompacted(made.settingsFile, { vboxUserHome: join(folder, 'none') })
  t.equal(result.changed, true, 'there is space that is free in both')
  t.ok(heldBytes(base) < held)
  await isWhole(t, made, 'Base', first)
  await isWhole(t, made, 'current', last)
})

t.test('an unmoved base snapshot does not hinder compaction', { skip }, async t => {
  const first = await guestDisk(t)
  const last = await nextState(first, 'last')
  await removeMost(last)
  const folder = await quickFolder(t)
  const spec = { snapshots: ['Base'], moved: false }
  const made = await makeGuestMachine(folder, [{ Base: last, current: last }], spec)
  const base = made.images[0]?.path ?? ''
  const result = await ensureCompacted(made.settingsFile, { vboxUserHome: join(folder, 'none') })
  t.equal(result.changed, true)
  t.ok(heldBytes(base) < 50 * MIB)
  await isWhole(t, made, 'current', last)
})

t.test('a snapshot of a running guest keeps what that guest may still need', { skip }, async t => {
  const first = await guestDisk(t)
  const last = await nextState(first, 'last')
  await removeMost(last)
  const folder = await quickFolder(t)
  const spec = { snapshots: [{ name: 'live', saved: true }] }
  const made = await makeGuestMachine(folder, [{ live: last, current: last }], spec)
  const base = made.images[0]?.path ?? ''
  const held = heldBytes(base)
  const result = await ensureCompacted(made.settingsFile, { vboxUserHome: join(folder, 'none') })
  t.equal(heldBytes(base), held)
  t.match(result.warnings, [{ code: 'free_space_kept', message: /snapshot "live" is a saved one/ }])
})

t.test('a guest that was switched off while it wrote loses nothing', { skip }, async t => {
  const raw = await guestDisk(t)
  let cut = ''
  await withMount(raw, { part }, async folder => {
    await writeTree(folder, seed + 2, { files: 100, largest: MIB / 4, removed: 0, fsync: true })
    cut = await powerCut(raw)
  })
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(folder, [{ current: cut }])
  const base = made.images[0]?.path ?? ''
  const result = await ensureCompacted(made.settingsFile, { vboxUserHome: join(folder, 'none') })
  t.equal(result.changed, true, 'the swap partition is empty anyhow')
  const replay = { part, options: '' }
  const before = await withMount(cut, replay, async () => {}).then(() => hashFiles(cut, { part }))
  const after = await exportRaw([base], join(folder, 'after.raw'))
  await withMount(after, replay, async () => {})
  t.same(differences(before, await hashFiles(after, { part })), [], 'after the journals were replayed')
})

t.test('a guest that sleeps keeps every block of all disks', { skip }, async t => {
  const raw = await guestDisk(t)
  const other = await nextState(raw, 'other')
  await runTool(
    'sh',
    '-c',
    'printf S1SUSPEND | dd of="$1" bs=1 seek=1052662 conv=notrunc status=none',
    'sh',
    other,
  )
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(folder, [{ current: raw }, { current: other }])
  const before = made.images.map(({ path }) => heldBytes(path))
  const result = await ensureCompacted(made.settingsFile, { vboxUserHome: join(folder, 'none') })
  t.same(
    made.images.map(({ path }) => heldBytes(path)),
    before,
  )
  t.ok(
    result.warnings.some(({ message }) =>
      /partition 1 .*1:0 \(swap\): it holds an image of a guest that sleeps/.test(message),
    ),
  )
  const kinds = result.warnings.map(({ code }) => code)
  t.same(new Set(kinds), new Set(['free_space_kept']))
})

t.test('freeSpace=keep does not look into file systems', { skip }, async t => {
  const raw = await guestDisk(t)
  await removeMost(raw)
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(folder, [{ current: raw }])
  const options = { vboxUserHome: join(folder, 'none') }
  const kept = await ensureCompacted(made.settingsFile, { ...options, freeSpace: 'keep' })
  t.strictSame(kept.volumes, [])
  const info = await inspectMachine(made.settingsFile, options)
  t.equal(
    info.plans.compacted.changed,
    'unknown',
    'the stamp of a look for zeros does not answer for free space',
  )
  t.match(info.volumes, [{ kind: 'swap' }, { kind: 'ext4', label: 'root', reclaimable: null }])
  const scanned = await inspectMachine(made.settingsFile, { ...options, scan: true })
  t.equal(scanned.plans.compacted.changed, true)
  t.ok((scanned.volumes[1]?.reclaimable ?? 0) > 20 * MIB)
  const { mtimeMs } = await stat(made.settingsFile)
  const done = await ensureCompacted(made.settingsFile, options)
  t.equal(done.changed, true)
  t.ok((await stat(made.settingsFile)).mtimeMs > mtimeMs)
  t.equal((await ensureCompacted(made.settingsFile, options)).changed, false)
})

t.test('a clone leaves out what the guest deleted', { skip }, async t => {
  const first = await guestDisk(t)
  const last = await nextState(first, 'last')
  await removeMost(last)
  const folder = await quickFolder(t)
  const made = await makeGuestMachine(join(folder, 'source'), [{ one: first, current: last }])
  const options = { vboxUserHome: join(folder, 'none'), cloneFolder: join(folder, 'clone') }
  const result = await ensureCloned(made.settingsFile, options)
  const disk = join(folder, 'clone', 'web Clone-disk1.vdi')
  await isWhole(t, made, 'current', last, [disk])
  t.ok(heldBytes(disk) < 50 * MIB, `${heldBytes(disk)} bytes`)
  t.match(result.volumes, [{ kind: 'swap' }, { kind: 'ext4', kept: null }])
  t.strictSame(result.warnings, [])
  const old = { ...options, from: 'one', cloneName: 'old', cloneFolder: join(folder, 'old') }
  await ensureCloned(made.settingsFile, old)
  await isWhole(t, made, 'one', first, [join(folder, 'old', 'old-disk1.vdi')])
  t.equal((await ensureCloned(made.settingsFile, options)).changed, false)
})
