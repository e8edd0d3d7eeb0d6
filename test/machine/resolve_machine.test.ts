import {
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { findMachines } from '../../lib/machine/find_machines.ts'
import {
  type ResolvedMachine,
  type ResolvePlaces,
  resolveMachine,
} from '../../lib/machine/resolve_machine.ts'
import { encodeAttribute } from '../../lib/machine/xml/xml_text.ts'
import { settingsText, testUuid } from '../fixtures/settings_text.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

interface Place {
  readonly folder: string
  /** Writes a machine's settings and returns their path. */
  write(path: string, id: number, name: string): Promise<string>
  /** Registers machines. */
  register(entries: readonly (readonly [id: number, path: string])[]): Promise<void>
  resolve(machine: string, more?: Pick<ResolvePlaces, 'finishesSaves'>): Promise<ResolvedMachine>
}

async function place(t: Parameters<typeof temporaryFolder>[0]): Promise<Place> {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'registry')
  const cwd = join(folder, 'cwd')
  await mkdir(home)
  await mkdir(cwd)
  return {
    folder,
    write: async (path, id, name) => {
      const file = join(folder, path)
      await mkdir(dirname(file), { recursive: true })
      const escaped = encodeAttribute(name, '"', true)
      await writeFile(
        file,
        settingsText().replace(testUuid(100), testUuid(id)).replace('name="web"', `name="${escaped}"`),
      )
      return file
    },
    register: async entries => {
      const lines = entries.map(([id, path]) => `<MachineEntry uuid="{${testUuid(id)}}" src="${path}"/>`)
      const inside = `<Global><MachineRegistry>${lines.join('')}</MachineRegistry></Global>`
      await writeFile(
        join(home, 'VirtualBox.xml'),
        `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux">${inside}</VirtualBox>`,
      )
    },
    resolve: (machine, more) => resolveMachine(realFiles, machine, { cwd, vboxUserHome: home, ...more }),
  }
}

t.test('resolveMachine() finds a .vbox file and a folder by path', async t => {
  const { folder, write, resolve } = await place(t)
  const settingsFile = await write('cwd/web/web.vbox', 1, 'web')
  for (const path of ['web/web.vbox', './web', 'web/', '../cwd/web', join(folder, 'cwd/web'), settingsFile]) {
    t.strictSame(await resolve(path), { settingsFile }, path)
  }
  await write('cwd/alone.vbox', 2, 'alone')
  t.strictSame(await resolve('alone.vbox'), { settingsFile: join(folder, 'cwd/alone.vbox') }, 'ends in .vbox')
  t.strictSame(await resolve('.'), { settingsFile: join(folder, 'cwd/alone.vbox') })
})

t.test('resolveMachine() finds a registered machine by UUID and by name', async t => {
  const { write, register, resolve } = await place(t)
  const web = await write('vms/web/web.vbox', 1, 'web')
  const other = await write('vms/other/other.vbox', 2, 'other')
  await register([
    [1, web],
    [2, other],
  ])
  const found = { settingsFile: web, registeredId: testUuid(1) }
  for (const word of [testUuid(1), testUuid(1).toUpperCase(), `{${testUuid(1)}}`]) {
    t.strictSame(await resolve(word), found, word)
  }
  t.strictSame(await resolve('other'), { settingsFile: other, registeredId: testUuid(2) })
})

t.test('resolveMachine() finds a machine whose name holds anything', async t => {
  const { write, register, resolve } = await place(t)
  const web = await write('vms/web/web.vbox', 1, 'a & <b>"\nc ä')
  await register([[1, web]])
  t.equal((await resolve('a & <b>"\nc ä')).registeredId, testUuid(1))
})

t.test('resolveMachine() finds a folder in the working directory', async t => {
  const { folder, write, resolve } = await place(t)
  const settingsFile = await write('cwd/web/any.vbox', 1, 'something')
  t.strictSame(await resolve('web'), { settingsFile })
  await symlink('web', join(folder, 'cwd/linked'))
  t.strictSame(await resolve('linked'), { settingsFile })
})

t.test('resolveMachine() tells that a path is registered only for the same file and UUID', async t => {
  const { folder, write, register, resolve } = await place(t)
  const web = await write('vms/web/web.vbox', 1, 'web')
  const copy = await write('cwd/copy/web.vbox', 1, 'web')
  const changed = await write('vms/changed/changed.vbox', 3, 'changed')
  await register([
    [1, web],
    [4, changed],
  ])
  t.strictSame(await resolve(web), { settingsFile: web, registeredId: testUuid(1) })
  t.strictSame(await resolve(copy), { settingsFile: copy }, 'a copy is another machine')
  t.strictSame(await resolve(changed), { settingsFile: changed }, 'the registry lists another UUID')
  await symlink(join(folder, 'vms'), join(folder, 'cwd/vms'))
  t.strictSame(
    await resolve('vms/web'),
    { settingsFile: web, registeredId: testUuid(1) },
    'through a folder link',
  )
  await symlink(web, join(folder, 'cwd/link.vbox'))
  t.strictSame(await resolve('link.vbox'), { settingsFile: web, registeredId: testUuid(1) }, 'through a link')
  await link(web, join(folder, 'cwd/second.vbox'))
  t.strictSame(
    await resolve('second.vbox'),
    { settingsFile: web, registeredId: testUuid(1) },
    'by a second name',
  )
})

t.test('resolveMachine() counts the same machine found twice once', async t => {
  const { write, register, resolve } = await place(t)
  const web = await write('cwd/web/web.vbox', 1, 'web')
  await register([[1, web]])
  t.strictSame(await resolve('web'), { settingsFile: web, registeredId: testUuid(1) })
})

t.test('resolveMachine() refuses two different hits and names both', async t => {
  const { write, register, resolve } = await place(t)
  const registered = await write('vms/web/web.vbox', 1, 'web')
  const folder = await write('cwd/web/web.vbox', 2, 'web')
  await register([[1, registered]])
  await t.rejects(resolve('web'), { code: 'machine_ambiguous', message: registered })
  await t.rejects(resolve('web'), { message: folder })
  t.strictSame(await resolve('web/'), { settingsFile: folder }, 'a path says which')
  const second = await write('cwd/two/b.vbox', 3, 'b')
  await write('cwd/two/a.vbox', 4, 'a')
  await t.rejects(resolve('./two'), { code: 'machine_ambiguous', message: second })
  await t.rejects(resolve('two'), { code: 'machine_ambiguous', message: second })
})

t.test('resolveMachine() refuses what is not there and names the nearest', async t => {
  const { folder, write, register, resolve } = await place(t)
  const web = await write('vms/web/web.vbox', 1, 'webserver')
  await register([[1, web]])
  await mkdir(join(folder, 'cwd/empty'))
  await writeFile(join(folder, 'cwd/file'), '')
  await t.rejects(resolve('websever'), { code: 'machine_not_found', message: /did you mean "webserver"\?/ })
  for (const word of [
    '',
    'nothing',
    testUuid(9),
    './nothing',
    'nothing.vbox',
    './empty',
    'empty',
    './file',
    'file',
  ]) {
    await t.rejects(resolve(word), { code: 'machine_not_found' }, word)
  }
  await symlink('nowhere', join(folder, 'cwd/dangling'))
  await t.rejects(resolve('./dangling'), { code: 'machine_not_found' })
  await t.rejects(resolve('dangling'), { code: 'machine_not_found' })
  await rm(web)
  await t.rejects(resolve(testUuid(1)), { code: 'machine_not_found', message: web })
  await writeFile(`${web}-prev`, '')
  const help = /VirtualBox was cut off while it saved it: rename ".*web.vbox-prev" to it/
  await t.rejects(resolve(testUuid(1)), { code: 'machine_not_found', message: help })
  await t.rejects(resolve(web), { code: 'machine_not_found', message: help })
})

/** Leaves a file as a VirtualBox does that dies between the two renames by which it saves. */
async function dieSaving(file: string, old = file): Promise<void> {
  await copyFile(file, `${file}-tmp`)
  await utimes(`${file}-tmp`, 0, 0)
  if (old === file) await rename(file, `${file}-prev`)
  else {
    await copyFile(old, `${file}-prev`)
    await rm(file)
  }
}

t.test(
  'resolveMachine() finds what VirtualBox was saving when it died, and finishes that if it may',
  async t => {
    const { folder, write, register, resolve } = await place(t)
    const web = await write('vms/web/web.vbox', 1, 'web')
    await register([[1, web]])
    const found = { settingsFile: web, registeredId: testUuid(1) }
    const text = await readFile(web, 'utf8')
    for (const word of [web, dirname(web), 'web', testUuid(1)]) {
      await dieSaving(web)
      const help = /VirtualBox was cut off while it saved ".*web\.vbox"; finish that \(vboxmerge recover "/
      await t.rejects(resolve(word), { code: 'machine_not_found', message: help }, word)
      await t.rejects(stat(web), { code: 'ENOENT' }, 'looking changes nothing')
      t.strictSame(await resolve(word, { finishesSaves: {} }), { ...found, finishedSave: true }, word)
      t.equal(await readFile(web, 'utf8'), text)
      await t.rejects(stat(`${web}-tmp`), { code: 'ENOENT' })
      t.strictSame(await resolve(word, { finishesSaves: {} }), found, 'once')
    }
    await dieSaving(web)
    await utimes(`${web}-tmp`, new Date(), new Date())
    const waiting = resolve(web, { finishesSaves: {} })
    await rename(`${web}-tmp`, web)
    t.strictSame(await waiting, found, 'a VirtualBox that is alive comes to the end itself')

    const older = /rename ".*web\.vbox-prev" to it/
    const other = await write('other.vbox', 2, 'other')
    const damages = {
      'the new settings are another machine': () => dieSaving(web, other),
      'the new settings are cut off': async () => {
        await dieSaving(web)
        await writeFile(`${web}-tmp`, text.slice(0, 300))
      },
      'the new settings are a link': async () => {
        await rename(web, `${web}-prev`)
        await symlink(other, `${web}-tmp`)
      },
      'there are no new settings': () => rename(web, `${web}-prev`),
    }
    for (const [what, damage] of Object.entries(damages)) {
      await writeFile(web, text)
      await damage()
      for (const word of [web, dirname(web), testUuid(1)]) {
        const message =
          word === dirname(web) ? /holds no \.vbox file; .*rename ".*web\.vbox-prev" to it/ : older
        const code = 'machine_not_found'
        await t.rejects(resolve(word, { finishesSaves: {} }), { code, message }, `${what}: ${word}`)
      }
      await rm(`${web}-tmp`, { force: true })
    }
    await t.rejects(stat(join(folder, 'vms/web/web.vbox')), { code: 'ENOENT' })
  },
)

t.test('resolveMachine() skips machines that cannot be read unless asked for by UUID', async t => {
  const { folder, write, register, resolve } = await place(t)
  const broken = join(folder, 'broken.vbox')
  await writeFile(broken, '')
  const web = await write('vms/web/web.vbox', 2, 'web')
  await register([
    [1, broken],
    [2, web],
    [3, join(folder, 'missing.vbox')],
  ])
  t.equal((await resolve('web')).registeredId, testUuid(2))
  t.strictSame(await resolve(testUuid(1)), { settingsFile: broken, registeredId: testUuid(1) })
  await t.rejects(resolve(broken), { code: 'settings_corrupt' }, 'a path to it says what is wrong')
  const told = /\(the settings of a registered one cannot be read, nor those of 1 more: .*broken\.vbox.*\)/
  await t.rejects(
    resolve('wed'),
    { code: 'machine_not_found', message: told },
    'it may be the one that is meant',
  )
})

t.test('resolveMachine() does not go on with a registry that cannot be read', async t => {
  const { folder, write, resolve } = await place(t)
  await write('cwd/web/web.vbox', 1, 'web')
  await writeFile(join(folder, 'registry/VirtualBox.xml'), '')
  await t.rejects(resolve('web'), { code: 'settings_corrupt' })
})

t.test('resolveMachine() passes over copies of older settings versions', async t => {
  const { folder, write, resolve } = await place(t)
  const settingsFile = await write('cwd/web/web.vbox', 1, 'web')
  const old = await write('cwd/web/web-1.16-linux.vbox', 1, 'web')
  t.strictSame(await resolve('web'), { settingsFile })
  t.strictSame(await resolve('./web'), { settingsFile })
  t.same((await findMachines(realFiles, folder)).settingsFiles, [settingsFile])
  const message = /is the copy that VirtualBox made of its settings .*; name ".*\/web\/web\.vbox" instead/
  await t.rejects(resolve(old), { code: 'machine_ambiguous', message })

  const other = await write('cwd/web/web-1.16-windows.vbox', 2, 'another machine')
  t.strictSame(await resolve(other), { settingsFile: other })
  await t.rejects(resolve('./web'), { code: 'machine_ambiguous' }, 'another machine')
  await rm(other)
  await rm(settingsFile)
  t.strictSame(await resolve(old), { settingsFile: old }, 'all that is left')
})
