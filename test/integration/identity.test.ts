// An administrator works on another user's machine: what was there stays that user's, and what is new becomes it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, readdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { readMachine } from '../fixtures/machine_reader.ts'
import { viewsOf } from '../fixtures/observed_machine.ts'
import { findVirtualBox } from '../fixtures/real_virtualbox.ts'
import { findProgram } from '../fixtures/setup_programs.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { thorough } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
/** Numbers that no user and no group has. */
const USER = 54_321
const GROUP = 54_322
/** user::rw-, user:54323:rw-, group::r--, mask::rw-, other::---, as acl(5) lies on the disk of Linux. */
const ACCESS_LIST =
  '0x0200000001000600ffffffff02000600' + '33d4000004000400ffffffff10000600ffffffff20000000ffffffff'
const VIRTUALBOX_ROOT = '/var/lib/vboxmerge/virtualbox'

const missing = ['setpriv', 'setfattr', 'getfattr'].filter(name => findProgram(name) === undefined)
const skip =
  process.getuid?.() !== 0
    ? 'needs root, to be two users'
    : missing.length > 0 && `needs ${missing.join(', ')} (scripts/setup/tools.sh installs them)`
const skipVirtualBox =
  skip || (!existsSync(VIRTUALBOX_ROOT) && 'needs the VirtualBox that scripts/setup/virtualbox.sh installs')

/** Owner, mode and attributes of a file. */
async function identityOf(path: string): Promise<string> {
  const { uid, gid, mode } = await stat(path)
  const dump = execFileSync('getfattr', ['-d', '-m', '-', '-e', 'hex', '--absolute-names', path], {
    encoding: 'utf8',
  })
  const attributes = dump.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return [uid, gid, (mode & 0o7777).toString(8), ...attributes].join(' ')
}

function setAttribute(path: string, name: string, value: string): void {
  execFileSync('setfattr', ['-n', name, '-v', value, path])
}

/** A folder of the other user with a machine in it. */
async function makeUsersMachine(
  t: Test,
): Promise<{ readonly made: MadeMachine; readonly home: string; readonly env: NodeJS.ProcessEnv }> {
  const home = await temporaryFolder(t)
  const spec = {
    disks: [{ capacity: 6 * MIB }, { capacity: 6 * MIB }],
    snapshots: ['one', 'two'],
    efi: true,
  }
  const made = await makeMachine(realFiles, join(home, 'machines', 'web'), spec)
  const registry = join(home, 'registry')
  await mkdir(registry)
  execFileSync('chown', ['-R', `${USER}:${GROUP}`, home])
  await chmod(made.folder, 0o750)
  return { made, home, env: { ...process.env, HOME: home, VBOX_USER_HOME: registry } }
}

/** Runs the built command line as the other user; returns its JSON document. */
function runAsUser(env: NodeJS.ProcessEnv, ...args: string[]): { readonly changed: boolean } {
  const who = ['--reuid', String(USER), '--regid', String(GROUP), '--clear-groups']
  const text = execFileSync('setpriv', [...who, process.execPath, commandLine, ...args, '--json'], {
    encoding: 'utf8',
    env,
    cwd: '/',
  })
  return JSON.parse(text)
}

function runAsRoot(env: NodeJS.ProcessEnv, ...args: string[]): { readonly changed: boolean } {
  return JSON.parse(
    execFileSync(process.execPath, [commandLine, ...args, '--json'], { encoding: 'utf8', env }),
  )
}

/** Runs VBoxManage as the other user; the wrapper on PATH can do that for root alone. */
function manageAsUser(env: NodeJS.ProcessEnv, ...args: string[]): string {
  const program = '/usr/lib/virtualbox/VBoxManage'
  return execFileSync(
    'chroot',
    [`--userspec=${USER}:${GROUP}`, '--groups=', VIRTUALBOX_ROOT, program, ...args],
    {
      encoding: 'utf8',
      env: { ...env, LC_ALL: 'C.UTF-8' },
    },
  )
}

async function namesOf(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).map(name => join(folder, name)).sort()
}

/** What belongs to someone else. */
async function foreign(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const path of await namesOf(folder)) {
    const { uid, gid } = await stat(path)
    if (uid !== USER || gid !== GROUP) found.push(`${path} belongs to ${uid}:${gid}`)
  }
  return found
}

t.setTimeout(300_000)

t.test('files that are replaced keep owner, mode, access list and attributes', { skip }, async t => {
  const { made, env } = await makeUsersMachine(t)
  const [inPlace = '', fresh = ''] = made.images
    .filter(({ parent }) => parent === undefined)
    .map(({ path }) => path)
  // With a second name it is never written in place.
  await link(fresh, `${fresh}.second-name`)
  const { settingsFile } = made
  const kept = [settingsFile, inPlace, fresh, settingsFile.replace(/vbox$/, 'nvram')]
  for (const path of kept) {
    await chmod(path, 0o640)
    setAttribute(path, 'user.note', 'kept')
    setAttribute(path, 'trusted.note', 'kept')
  }
  for (const path of [settingsFile, inPlace, fresh])
    setAttribute(path, 'system.posix_acl_access', ACCESS_LIST)
  const inode = (await stat(fresh)).ino
  const identities = await Promise.all(kept.map(identityOf))
  t.match(identities[0], /system\.posix_acl_access.* trusted\.note.* user\.note/)

  t.equal(runAsRoot(env, 'golden', '--free-space=keep', made.folder).changed, true)
  t.not((await stat(fresh)).ino, inode, 'one base was made anew')
  t.strictSame(await Promise.all(kept.map(identityOf)), identities)
  t.equal(await identityOf(`${settingsFile}-prev`), identities[0])
  await unlink(`${fresh}.second-name`)
  t.strictSame(await foreign(made.folder), [])
  const news = (await namesOf(join(made.folder, 'Snapshots'))).filter(path => path.endsWith('.vdi'))
  t.equal(news.length, 2)
  for (const path of news) t.match(await identityOf(path), `${USER} ${GROUP} 6`, 'as private as its base')
  const nvram = (await namesOf(join(made.folder, 'Snapshots'))).filter(path => path.endsWith('.nvram'))
  t.equal(nvram.length, 1)
})

t.test('a list of its folder gives no one more rights to a file that is replaced', { skip }, async t => {
  const { made, env } = await makeUsersMachine(t)
  const { settingsFile, folder } = made
  await chmod(settingsFile, 0o600)
  setAttribute(folder, 'system.posix_acl_default', ACCESS_LIST)
  const before = await identityOf(settingsFile)
  t.equal(runAsRoot(env, 'merge', folder).changed, true)
  t.equal(await identityOf(settingsFile), before)
})

const withVirtualBox = thorough ? t.test.bind(t) : (): void => undefined

withVirtualBox(
  'the owner goes on with the machine that root has worked on',
  { skip: skipVirtualBox },
  async t => {
    const { made, env, home } = await makeUsersMachine(t)
    const views = await viewsOf(made.settingsFile)
    const isOwn = { ...env, VBOX_IPC_SOCKETID: home.split('/').at(-1) }
    t.teardown(() => endServices(home))
    runAsRoot(env, 'merge', made.folder)
    await rm(join(made.folder, 'Snapshots'), { recursive: true })
    runAsRoot(env, 'golden', '--free-space=keep', made.folder)
    runAsRoot(env, 'clone', '--free-space=keep', made.folder)
    t.strictSame(await foreign(join(home, 'machines')), [], 'the new folders and the clone too')

    manageAsUser(isOwn, 'registervm', made.settingsFile)
    manageAsUser(isOwn, 'snapshot', made.id, 'take', 'by VirtualBox')
    manageAsUser(isOwn, 'unregistervm', made.id)
    t.equal(runAsUser(env, 'merge', '--no-base-snapshot', made.folder).changed, true)
    t.equal(runAsUser(env, 'merge', '--no-base-snapshot', made.folder).changed, false)
    t.equal((await viewsOf(made.settingsFile)).get('current 0'), views.get('current 0'))
    t.equal((await readMachine(realFiles, made.settingsFile)).images.size, 2)
  },
)

withVirtualBox("root leaves the owner's VirtualBox as it was", { skip: skipVirtualBox }, async t => {
  const { made, env, home } = await makeUsersMachine(t)
  const isOwn = { ...env, VBOX_IPC_SOCKETID: home.split('/').at(-1) }
  t.teardown(() => endServices(home))
  manageAsUser(isOwn, 'registervm', made.settingsFile)
  await endServices(home)
  const settings = [made.settingsFile, join(home, 'registry', 'VirtualBox.xml')]
  const before = await Promise.all(settings.map(identityOf))
  const manage = findVirtualBox()?.vboxmanage ?? ''
  const { VBOX_USER_HOME = '' } = env
  const place = [`--vboxmanage=${manage}`, `--vbox-user-home=${VBOX_USER_HOME}`]
  // Its own socket, so that it is not the VirtualBox of whoever runs the tests.
  const asRoot = { ...process.env, VBOX_IPC_SOCKETID: `${isOwn.VBOX_IPC_SOCKETID}-root` }
  t.equal(runAsRoot(asRoot, 'golden', '--free-space=keep', ...place, made.id).changed, true)
  t.strictSame(await Promise.all(settings.map(identityOf)), before)
  t.strictSame(await foreign(join(home, 'machines')), [])
  await endServices(home)
  t.match(manageAsUser(isOwn, 'list', 'vms'), made.id)
  manageAsUser(isOwn, 'snapshot', made.id, 'take', 'later')
})

/** Ends every VBoxSVC of a test's home and waits until it is gone. */
async function endServices(home: string): Promise<void> {
  const mark = `VBOX_USER_HOME=${join(home, 'registry')}`
  for (;;) {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
    let left = 0
    for (const pid of pids) {
      const text = async (name: string): Promise<string> =>
        new TextDecoder().decode(
          await realFiles.readFile(`/proc/${pid}/${name}`, MIB).catch(() => new Uint8Array()),
        )
      if (!(await text('comm')).startsWith('VBox') || !(await text('environ')).split('\0').includes(mark))
        continue
      left += 1
      try {
        process.kill(Number(pid), 'SIGTERM')
      } catch {
        // It has ended meanwhile.
      }
    }
    if (left === 0) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
