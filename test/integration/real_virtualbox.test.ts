import { open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  type RealVirtualBox,
  skipWithoutPython,
  skipWithoutVirtualBox,
  startVirtualBox,
} from '../fixtures/real_virtualbox.ts'

const MiB = 1024 * 1024

/** Puts our bytes into the first block of a dynamic VDI file, as a guest's write would. */
async function writeFirstBlock(file: string, fill: number): Promise<void> {
  const image = await open(file, 'r+')
  try {
    const header = Buffer.alloc(512)
    await image.read(header, 0, 512, 0)
    const blockTable = header.readUInt32LE(0x154)
    const data = header.readUInt32LE(0x158)
    const allocated = header.readUInt32LE(0x184)
    const entry = Buffer.alloc(4)
    await image.read(entry, 0, 4, blockTable)
    let index = entry.readUInt32LE(0)
    if (index === 0xffffffff) {
      index = allocated
      entry.writeUInt32LE(index)
      await image.write(entry, 0, 4, blockTable)
      header.writeUInt32LE(allocated + 1, 0x184)
      await image.write(header, 0, 512, 0)
    }
    await image.write(Buffer.alloc(MiB, fill), 0, MiB, data + index * MiB)
  } finally {
    await image.close()
  }
}

async function attachedImage(virtualBox: RealVirtualBox, machine: string): Promise<string> {
  const info = await virtualBox.run('showvminfo', machine, '--machinereadable')
  const file = /^"SATA-0-0"="(.*)"$/m.exec(info)?.[1]
  if (!file) throw new Error(`no disk on port 0: ${info}`)
  return file
}

async function firstBytes(virtualBox: RealVirtualBox, file: string): Promise<Buffer> {
  const raw = join(virtualBox.folder, 'head.raw')
  await virtualBox.run('mediumio', `--disk=${file}`, 'cat', '--offset=0', '--size=4096', `--output=${raw}`)
  const bytes = await readFile(raw)
  await rm(raw)
  return bytes
}

t.test('a real VirtualBox works on machines that are off', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const machine = await virtualBox.createMachine('wëb "1"', [8, 16])
  t.equal(machine.disks.length, 2)

  for (const name of ['one', 'two', 'three']) {
    await virtualBox.run('snapshot', machine.name, 'take', name)
  }
  const before = await virtualBox.run('snapshot', machine.name, 'list', '--machinereadable')
  t.match(before, /SnapshotName-1-1="three"/)
  await virtualBox.run('snapshot', machine.name, 'delete', 'two')
  const after = await virtualBox.run('snapshot', machine.name, 'list', '--machinereadable')
  t.notMatch(after, /"two"/)
  t.match(after, /SnapshotName-1="three"/)

  const failed = await virtualBox.manage('showvminfo', 'no such machine')
  t.equal(failed.exitCode, 1)
  t.match(failed.stderr, /Could not find a registered machine/)
})

t.test(
  'VirtualBox takes bytes that we wrote into its images between snapshots',
  {
    skip: skipWithoutVirtualBox,
  },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const { name, disks } = await virtualBox.createMachine('written', [8])
    const [base = ''] = disks
    await writeFirstBlock(base, 0x11)
    await virtualBox.run('snapshot', name, 'take', 'one')
    const leaf = await attachedImage(virtualBox, name)
    t.not(leaf, base)
    await writeFirstBlock(leaf, 0x22)
    t.same(await firstBytes(virtualBox, leaf), Buffer.alloc(4096, 0x22))
    t.same(await firstBytes(virtualBox, base), Buffer.alloc(4096, 0x11))

    await virtualBox.run('snapshot', name, 'delete', 'one')
    t.equal(await attachedImage(virtualBox, name), base)
    t.same(await firstBytes(virtualBox, base), Buffer.alloc(4096, 0x22))
    await t.rejects(stat(leaf), { code: 'ENOENT' })
  },
)

/** Whether VBoxSVC runs after a call; one call in a hundred takes so long to end that VBoxSVC has gone before it. */
async function serves(virtualBox: Awaited<ReturnType<typeof startVirtualBox>>): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    if (await virtualBox.isServing()) return true
    await virtualBox.run('list', 'vms')
  }
  return await virtualBox.isServing()
}

t.test(
  'settle() returns when VBoxSVC has ended, and only its own',
  { skip: skipWithoutVirtualBox },
  async t => {
    const [one, other] = await Promise.all([startVirtualBox(t), startVirtualBox(t)])
    t.ok(await serves(one))
    t.ok(await serves(other))
    await one.settle()
    t.notOk(await one.isServing())
    t.ok(await other.isServing())
    t.equal(await one.run('list', 'vms'), '')
    t.ok(await serves(one))
  },
)

t.test('the Python interface deletes a snapshot', { skip: skipWithoutPython }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { name } = await virtualBox.createMachine('driven', [8])
  await virtualBox.run('snapshot', name, 'take', 'one')
  const printed = await virtualBox.python(
    `
import sys, vboxapi
manager = vboxapi.VirtualBoxManager(None, None)
machine = manager.getVirtualBox().findMachine(sys.argv[1])
session = manager.openMachineSession(machine)
progress = session.machine.deleteSnapshot(machine.findSnapshot('one').id)
progress.waitForCompletion(-1)
manager.closeMachineSession(session)
print(progress.resultCode, machine.snapshotCount)
`,
    name,
  )
  t.equal(printed, '0 0\n')
})
