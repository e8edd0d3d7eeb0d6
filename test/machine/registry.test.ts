import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { findRegistryHome, loadRegistry, readRegistry } from '../../lib/machine/registry.ts'
import { skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { testUuid } from '../fixtures/settings_text.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const FILE = '/home/user/.config/VirtualBox/VirtualBox.xml'
const registryText = (inside: string): string =>
  `<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux">\n${inside}\n</VirtualBox>\n`
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

t.test('readRegistry() reads machines, media and the default folder', async t => {
  const text = registryText(`  <Global>
    <MachineRegistry>
      <MachineEntry uuid="{${testUuid(1).toUpperCase()}}" src="/vms/a &amp; b/a.vbox"/>
      <MachineEntry uuid="{${testUuid(2)}}" src="Machines/b.vbox"/>
    </MachineRegistry>
    <MediaRegistry>
      <HardDisks>
        <HardDisk uuid="{${testUuid(3)}}" location="HardDisks/c.vdi" format="VDI" type="Normal"/>
      </HardDisks>
    </MediaRegistry>
    <SystemProperties defaultMachineFolder="/vms"/>
  </Global>`)
  const registry = readRegistry(bytesOf(text), FILE)
  t.strictSame(registry.machines, [
    { id: testUuid(1), settingsFile: '/vms/a & b/a.vbox' },
    { id: testUuid(2), settingsFile: '/home/user/.config/VirtualBox/Machines/b.vbox' },
  ])
  t.match(registry.media, [{ id: testUuid(3), path: '/home/user/.config/VirtualBox/HardDisks/c.vdi' }])
  t.equal(registry.defaultMachineFolder, '/vms')
})

t.test('readRegistry() takes a missing file and a bare one for empty', async t => {
  const empty = { machines: [], media: [], defaultMachineFolder: undefined }
  t.strictSame(readRegistry(undefined, FILE), empty)
  t.strictSame(readRegistry(bytesOf(registryText('  <Global/>')), FILE), empty)
})

for (const [name, text] of Object.entries({
  'an empty file': '',
  'half a file': registryText('<Global>'),
  'no global settings': registryText('<Machine/>'),
  'an entry without UUID': registryText(
    '<Global><MachineRegistry><MachineEntry src="a"/></MachineRegistry></Global>',
  ),
  'an entry without file': registryText(
    `<Global><MachineRegistry><MachineEntry uuid="${testUuid(1)}"/></MachineRegistry></Global>`,
  ),
})) {
  t.test(`readRegistry() refuses ${name}`, async t => {
    t.throws(() => readRegistry(bytesOf(text), FILE), { code: 'settings_corrupt', message: FILE })
  })
}

t.test('loadRegistry() reads the file in the home folder, also through a link', async t => {
  const folder = await temporaryFolder(t)
  t.strictSame((await loadRegistry(realFiles, join(folder, 'none'))).machines, [])
  await writeFile(
    join(folder, 'else.xml'),
    registryText('<Global><SystemProperties defaultMachineFolder="/x"/></Global>'),
  )
  await symlink('else.xml', join(folder, 'VirtualBox.xml'))
  t.equal((await loadRegistry(realFiles, folder)).defaultMachineFolder, '/x')
})

t.test('findRegistryHome() follows the rules of each platform', async t => {
  const home = await temporaryFolder(t)
  const find = (platform: string, env: Record<string, string>, override?: string): Promise<string> =>
    findRegistryHome(realFiles, { platform, env: { HOME: home, ...env }, override })
  t.equal(await find('linux', {}), join(home, '.config/VirtualBox'))
  t.equal(await find('linux', { XDG_CONFIG_HOME: '/xdg' }), '/xdg/VirtualBox')
  t.equal(await find('linux', { XDG_CONFIG_HOME: 'relative' }), join(home, '.config/VirtualBox'))
  t.equal(await find('darwin', { XDG_CONFIG_HOME: '/xdg' }), join(home, 'Library/VirtualBox'))
  t.equal(await find('win32', { USERPROFILE: join(home, 'me') }), join(home, 'me/.VirtualBox'))
  t.equal(await find('linux', { VBOX_USER_HOME: '/vb' }), '/vb')
  t.equal(await find('linux', { VBOX_USER_HOME: '/vb' }, '/given'), '/given')
  await mkdir(join(home, '.VirtualBox'))
  t.equal(await find('linux', { XDG_CONFIG_HOME: '/xdg' }), join(home, '.VirtualBox'), 'an old folder wins')
  t.equal(await find('darwin', {}), join(home, 'Library/VirtualBox'))
})

t.test('loadRegistry() reads what a real VirtualBox wrote', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { settingsFile, folder } = await virtualBox.createMachine('a "<&>\' ä €')
  const unattached = join(folder, 'ü "&.vdi')
  await virtualBox.run('createmedium', 'disk', '--filename', unattached, '--size', '1')
  const registry = await loadRegistry(realFiles, virtualBox.userHome)
  t.match(registry.machines, [{ settingsFile }])
  t.match(registry.media, [{ path: unattached, type: 'Normal' }])
  t.equal(registry.defaultMachineFolder, virtualBox.machineFolder)
})
