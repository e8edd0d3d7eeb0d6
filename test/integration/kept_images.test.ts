// unregistervm moves images that no state is attached to into VirtualBox.xml; a run has to undo that.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'

function runCli(virtualBox: RealVirtualBox, ...words: string[]): Promise<string> {
  return new Promise(resolve => {
    execFile(process.execPath, [commandLine, ...words], { env: virtualBox.env }, (error, stdout, stderr) => {
      resolve(`${error?.code ?? 0} ${stdout}${stderr}`)
    })
  })
}

t.test('images of no state stay the machine’s own', { skip: skipWithoutVirtualBox }, async t => {
  t.setTimeout(120_000)
  const virtualBox = await startVirtualBox(t)
  const { name, folder, settingsFile } = await virtualBox.createMachine('web', [4])
  for (const snapshot of ['a', 'b']) await virtualBox.run('snapshot', name, 'take', snapshot)
  // The first disk's newest image is in no state any more.
  const other = join(folder, 'other.vdi')
  await virtualBox.run('createmedium', 'disk', '--filename', other, '--size', '4')
  await virtualBox.attach(name, 0, other)
  t.match(await runCli(virtualBox, 'snapshot', name, '--engine', 'direct'), /^0 /)
  const imagesIn = async (file: string): Promise<number> =>
    (await readFile(file, 'utf8')).split('<HardDisk ').length - 1
  t.equal(await imagesIn(join(virtualBox.userHome, 'VirtualBox.xml')), 0)
  // Saving the settings again is when VirtualBox would drop them from the machine's own registry.
  await virtualBox.run('snapshot', name, 'take', 'c')
  t.equal(await imagesIn(settingsFile), 6)
  t.match(await runCli(virtualBox, 'snapshot', name, '--snapshot-name', 'd', '--engine', 'direct'), /^0 /)
})

t.test(
  'a machine that has a linked clone needs no one else to be opened',
  { skip: skipWithoutVirtualBox },
  async t => {
    t.setTimeout(120_000)
    const virtualBox = await startVirtualBox(t)
    const { name, settingsFile } = await virtualBox.createMachine('web', [4])
    await virtualBox.run('snapshot', name, 'take', 'a')
    const link = ['--snapshot', 'a', '--options', 'link', '--name', 'copy', '--register']
    await virtualBox.run('clonevm', name, ...link)
    const own = new Set((await readFile(settingsFile, 'utf8')).match(/<HardDisk uuid="[^"]*"/g))
    t.match(await runCli(virtualBox, 'snapshot', name), /^0 .*virtualbox engine: .*the machine "copy" reads/s)
    // Saving the settings again is when VirtualBox would leave their images to the clone.
    await virtualBox.run('setextradata', name, 'saved', 'again')
    const now = new Set((await readFile(settingsFile, 'utf8')).match(/<HardDisk uuid="[^"]*"/g))
    t.same(
      [...own].filter(image => !now.has(image)),
      [],
    )
    t.equal(now.size, own.size + 1)
  },
)
