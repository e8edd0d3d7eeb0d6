import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ensureCloned } from '../../lib/ensure/cloned.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import { machineFileName } from '../../lib/machine/file_name.ts'
import {
  digestOf,
  digestsOf,
  fillBlock,
  fork,
  settingsOf,
  takeWithData,
  writeToCurrent,
} from '../fixtures/engine_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { differenceOf, settingsLines } from '../fixtures/settings_lines.ts'
import { sample } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
const skipQemu = spawnSync('qemu-img', ['--version']).status !== 0

/** Two disks, a fork, three snapshots with data each, EFI variables, a DVD, two network adapters. */
async function makeSource(virtualBox: RealVirtualBox, name: string): Promise<string> {
  const { settingsFile: file, folder } = await virtualBox.createMachine(name, [8, 16])
  const { id } = await settingsOf(file)
  const iso = join(folder, 'tools.iso')
  await writeFile(iso, Buffer.alloc(MIB))
  const adapters = ['--nic1', 'nat', '--natpf1', 'ssh,tcp,,2222,,22', '--nic2', 'intnet']
  await virtualBox.run('modifyvm', id, '--firmware', 'efi', '--description', 'x & <y>', ...adapters)
  await virtualBox.run('modifynvram', id, 'inituefivarstore')
  await virtualBox.run('setextradata', id, 'GUI/x', 'é "1"')
  const dvd = ['--storagectl', 'SATA', '--port', '2', '--device', '0', '--type', 'dvddrive', '--medium', iso]
  await virtualBox.run('storageattach', id, ...dvd)
  await fork(virtualBox, file)
  return file
}

/** What clones have in common although each has its own: UUIDs, addresses, names. */
function comparable(text: string, name: string, disks: readonly string[], id: string): string[] {
  const fileName = machineFileName(name)
  let plain = text.replaceAll(id, 'ID').replaceAll(/ name="[^"]*" OSType/g, ' name="NAME" OSType')
  for (const [index, disk] of disks.entries()) plain = plain.replaceAll(disk, `DISK${index}`)
  plain = plain.replaceAll(/MACAddress="080027[0-9A-F]{6}"/g, 'MACAddress="NEW"')
  return settingsLines(plain.replaceAll(`location="${fileName}-disk`, 'location="NAME-disk'))
}

t.setTimeout(600_000)

t.test('clones of registered machines', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { VBOX_USER_HOME, VBOX_IPC_SOCKETID, HOME } = virtualBox.env
  Object.assign(process.env, { VBOX_USER_HOME, VBOX_IPC_SOCKETID, HOME })
  const { vboxmanage } = virtualBox.installed
  const vboxUserHome = virtualBox.userHome
  const common = { vboxmanage, vboxUserHome, freeSpace: 'keep' } as const
  const name = 'we"b\'s $(x) ü'
  const file = await makeSource(virtualBox, 'source')
  const { id } = await settingsOf(file)

  t.test('hold the bytes of the current state, stand beside the source, and can be worked on', async t => {
    const wanted = await digestsOf(virtualBox, file)
    const seen = await fingerprintsOf(dirname(file))
    const result = await ensureCloned(id, { ...common, cloneName: name, digest: true })
    t.strictSame(await fingerprintsOf(dirname(file)), seen, 'nothing of the source has changed')
    const { clone } = result
    const settingsFile = clone?.settingsFile ?? ''
    t.match(clone, { name, registered: true })
    t.strictSame(
      result.digests?.map(({ sha256 }) => sha256),
      wanted,
    )
    t.strictSame(await digestsOf(virtualBox, settingsFile), wanted, 'as VirtualBox reads it')
    const machines = await virtualBox.run('list', 'vms')
    t.ok(machines.includes(`{${id}}`) && machines.includes(`{${clone?.id}}`), 'both are registered')
    for (const { path } of (await settingsOf(settingsFile)).media)
      t.equal(dirname(path), dirname(settingsFile))
    const again = await fingerprintsOf(virtualBox.machineFolder)
    t.equal((await ensureCloned(id, { ...common, cloneName: name })).changed, false)
    t.strictSame(await fingerprintsOf(virtualBox.machineFolder), again, 'a second run writes nothing')

    await takeWithData(virtualBox, settingsFile, 'later', 3, 7)
    await virtualBox.settle()
    const changed = await digestsOf(virtualBox, settingsFile)
    t.notSame(changed, wanted)
    await virtualBox.run('snapshot', clone?.id ?? '', 'delete', 'later')
    t.strictSame(await digestsOf(virtualBox, settingsFile), changed, 'a snapshot was taken and deleted')
    t.strictSame(await digestsOf(virtualBox, file), wanted, 'of which the source knows nothing')
    t.equal((await ensureCloned(id, { ...common, cloneName: name })).changed, false, 'it is still that clone')
  })

  t.test('are what VBoxManage clonevm makes, but for a few things', async t => {
    await virtualBox.run('clonevm', id, '--name', 'theirs', '--mode', 'machine', '--register')
    const { clone } = await ensureCloned(id, { ...common, cloneName: 'ours' })
    const theirs = join(virtualBox.machineFolder, 'theirs', 'theirs.vbox')
    const ours = clone?.settingsFile ?? ''
    const [a, b] = [await settingsOf(theirs), await settingsOf(ours)]
    const imagesOf = ({ currentState }: typeof a): string[] =>
      currentState.attachments.map(({ image }) => image)
    const lines = async (path: string, machine: typeof a): Promise<string[]> =>
      comparable(await readFile(path, 'utf8'), machine.name, imagesOf(machine), machine.id)
    const difference = differenceOf(await lines(theirs, a), await lines(ours, b))
    const known = [
      // VirtualBox gives adapters that are off an address, too, and forgets it; then it writes them out.
      /^- .*\/Network\/Adapter\[[2-7]\]( slot=\d| type=82540EM)?$/,
      // By this the next run knows the clone again.
      /^\+ .*\/ExtraDataItem\[vboxmerge\/clone\]( name=vboxmerge\/clone| value=1;.*)?$/,
    ]
    t.strictSame(
      difference.filter(line => !known.some(one => one.test(line))),
      [],
    )
    t.ok(
      difference.some(line => known[1]?.test(line)),
      'the comparison sees differences',
    )
    const addresses = (text: string): string[] =>
      [...text.matchAll(/MACAddress="(\w+)"/g)].map(([, mac = '']) => mac)
    const [mine, sources] = [await readFile(ours, 'utf8'), await readFile(file, 'utf8')]
    t.equal(addresses(mine).length, 2)
    t.notOk(
      addresses(mine).some(address => sources.includes(address)),
      'addresses are new',
    )
    const nvram = (path: string): Promise<Buffer> => readFile(path.replace(/vbox$/, 'nvram'))
    t.ok((await nvram(ours)).equals(await nvram(theirs)))
    for (const [index, { path }] of b.media.entries()) {
      const [our, their] = [await stat(path), await stat(a.media[index]?.path ?? '')]
      t.ok(our.size <= their.size, `disk ${index}: ${our.size} of ${their.size} bytes`)
      t.equal(await digestOf(virtualBox, path), await digestOf(virtualBox, a.media[index]?.path ?? ''))
    }
  })

  t.test('hold the bytes of a snapshot, as a third reader sees them, too', async t => {
    const { clone } = await ensureCloned(id, { ...common, cloneName: 'of two', from: 'two' })
    const digests = await digestsOf(virtualBox, clone?.settingsFile ?? '')
    await virtualBox.run('snapshot', id, 'restore', 'two')
    t.strictSame(digests, await digestsOf(virtualBox, file))
    await virtualBox.settle()
    if (skipQemu) return t.comment('qemu-img is missing: there is no third reader')
    for (const [index, { path }] of (await settingsOf(clone?.settingsFile ?? '')).media.entries()) {
      await promisify(execFile)('qemu-img', ['check', '-f', 'vdi', path])
      await promisify(execFile)('qemu-img', ['convert', '-f', 'vdi', '-O', 'raw', path, `${path}.raw`])
      t.equal(
        createHash('sha256')
          .update(await readFile(`${path}.raw`))
          .digest('hex'),
        digests[index],
      )
      await rm(`${path}.raw`)
    }
  })

  t.test('of another state are refused, and replaced when that is asked for', async t => {
    const before = await ensureCloned(id, { ...common, cloneName: 'again' })
    await virtualBox.settle()
    await writeToCurrent(file, 4, 9)
    await t.rejects(ensureCloned(id, { ...common, cloneName: 'again' }), hasCode('clone_outdated'))
    const old = before.clone?.settingsFile ?? ''
    await takeWithData(virtualBox, old, 'used', 5, 5)
    await virtualBox.settle()
    const { clone } = await ensureCloned(id, { ...common, cloneName: 'again', replace: true })
    t.equal(clone?.settingsFile, old)
    const machines = await virtualBox.run('list', 'vms')
    t.ok(machines.includes(`{${clone?.id}}`) && !machines.includes(`{${before.clone?.id}}`))
    t.strictSame(await digestsOf(virtualBox, old), await digestsOf(virtualBox, file))
    const images = Object.keys(await fingerprintsOf(dirname(old))).filter(one => one.endsWith('.vdi'))
    t.equal(images.length, 2, `no image of the old one is left: ${images.join(', ')}`)
    t.notMatch(await virtualBox.run('list', 'hdds'), /inaccessible/)
    t.equal((await ensureCloned(id, { ...common, cloneName: 'again' })).changed, false)
  })

  t.test('that VirtualBox does not know are registered by the next run', async t => {
    const { clone } = await ensureCloned(id, { ...common, cloneName: 'lost' })
    await virtualBox.run('unregistervm', clone?.id ?? '')
    await virtualBox.settle()
    const seen = await fingerprintsOf(dirname(clone?.settingsFile ?? ''))
    const { changed, steps } = await ensureCloned(id, { ...common, cloneName: 'lost' })
    t.equal(changed, true)
    t.match(steps, [{ kind: 'clone', action: 'finish', disks: [] }])
    t.ok((await virtualBox.run('list', 'vms')).includes(`{${clone?.id}}`))
    t.strictSame(await fingerprintsOf(dirname(clone?.settingsFile ?? '')), seen, 'nothing was written')
    t.equal((await ensureCloned(id, { ...common, cloneName: 'lost' })).changed, false)
  })

  t.test('cure linked clones', async t => {
    await virtualBox.run(
      'clonevm',
      id,
      '--snapshot',
      'one',
      '--options',
      'Link',
      '--name',
      'linked',
      '--register',
    )
    await virtualBox.settle()
    const linked = join(virtualBox.machineFolder, 'linked', 'linked.vbox')
    const snapshots = join(dirname(linked), 'Snapshots')
    const [leaf = '', another] = (await readdir(snapshots)).filter(one => one.endsWith('.vdi'))
    t.ok(another, 'it has images of its own')
    await fillBlock(join(snapshots, leaf), 6, 8)
    const wanted = await digestsOf(virtualBox, linked)
    await virtualBox.settle()
    const seen = await fingerprintsOf(virtualBox.machineFolder)
    const { clone } = await ensureCloned('linked', { ...common, cloneName: 'free' })
    const now = await fingerprintsOf(virtualBox.machineFolder)
    for (const [path, found] of Object.entries(seen)) t.equal(now[path], found, path)
    t.strictSame(await digestsOf(virtualBox, clone?.settingsFile ?? ''), wanted)
    t.strictSame(
      (await settingsOf(clone?.settingsFile ?? '')).media.map(({ children }) => children.length),
      [0, 0],
    )
  })

  t.test('are not made of a name or a folder that is taken', async t => {
    const seen = await fingerprintsOf(virtualBox.machineFolder)
    const elsewhere = join(virtualBox.folder, 'elsewhere')
    const taken = ensureCloned(id, { ...common, cloneName: 'linked', cloneFolder: elsewhere, replace: true })
    await t.rejects(taken, hasCode('unsupported', /has the name "linked" already/))
    await t.rejects(ensureCloned(id, { ...common, cloneName: 'source' }), hasCode('unsupported', /already/))
    const without = { ...common, vboxmanage: join(virtualBox.folder, 'none') }
    await t.rejects(ensureCloned(id, { ...without, cloneName: 'x' }), hasCode('invalid_options'))
    t.strictSame(await fingerprintsOf(virtualBox.machineFolder), seen)
  })

  t.test('can be merged, compacted and cloned themselves', async t => {
    const { clone } = await ensureCloned(id, { ...common, cloneName: 'first' })
    const second = await ensureCloned('first', { ...common, cloneName: 'second' })
    t.equal(second.changed, true)
    t.strictSame(
      await digestsOf(virtualBox, second.clone?.settingsFile ?? ''),
      await digestsOf(virtualBox, clone?.settingsFile ?? ''),
    )
    await virtualBox.settle()
    t.equal((await ensureMerged('second', { vboxmanage, vboxUserHome })).changed, false)
  })

  t.test('have the file names that VirtualBox gives', async t => {
    for (const odd of sample(['.dot.', ' sp ', 'a"b:g/j', "q'u$;ü😀ß", '-dash-'], 3)) {
      const created = await virtualBox.run('createvm', '--name', odd)
      t.match(created, `/${machineFileName(odd)}.vbox'`, odd)
    }
  })
})
