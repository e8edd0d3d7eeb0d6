// Runs of the built programs that meet on one machine: of the command line, of modules, of other users, and dead ones.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { startServer } from '../fixtures/differential/virtualbox_server.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { skipWithoutPython, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { findProgram } from '../fixtures/setup_programs.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { thorough } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
const moduleFile = fileURLToPath(new URL('../../plugins/modules/vbox_merged.mjs', import.meta.url))
const posix = process.platform !== 'win32'
const skipOthers =
  process.getuid?.() !== 0
    ? 'needs root, to be two users'
    : findProgram('setpriv') === undefined && 'needs setpriv (Debian: package util-linux)'
/** Numbers that no user has, in one group. */
const [ANN, BOB, GROUP] = [54_331, 54_332, 54_333]

/** What takes long is tried where there is time for it. */
const tryThorough = thorough ? t.test.bind(t) : (): void => undefined

interface Outcome {
  readonly status: number | null
  readonly document: { readonly changed?: boolean; readonly code?: string; readonly msg?: string }
}

/** A program that runs. */
interface Running {
  readonly child: ChildProcess
  readonly outcome: Promise<Outcome>
}

interface Scene {
  readonly made: MadeMachine
  readonly lock: string
  readonly env: NodeJS.ProcessEnv
}

async function scene(t: Test): Promise<Scene> {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'home')
  await mkdir(home)
  const made = await makeMachine(realFiles, join(folder, 'web'), {
    disks: [{ capacity: 8 * MIB }],
    snapshots: ['one', 'two'],
  })
  const lock = `${made.settingsFile}.vboxmerge-lock`
  return { made, lock, env: { ...process.env, HOME: home, VBOX_USER_HOME: home } }
}

function start({ env }: Scene, args: readonly string[], user?: number): Running {
  const who = ['--reuid', String(user), '--regid', String(GROUP), '--clear-groups']
  const [file = '', ...words] = [
    ...(user === undefined ? [] : ['setpriv', ...who]),
    process.execPath,
    commandLine,
    ...args,
    '--json',
  ]
  return running(spawn(file, words, { env, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] }))
}

function startModule({ env }: Scene, input: object): Running {
  const child = spawn(process.execPath, [moduleFile], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(input))
  return running(child)
}

function running(child: ChildProcess): Running {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const outcome = once(child, 'close').then(([status]) => ({ status, document: JSON.parse(text || '{}') }))
  return { child, outcome }
}

/** Starts a run and stops it as soon as it has the lock: it lives, and holds it. */
async function startAndStop(scene: Scene, args: readonly string[], user?: number): Promise<Running> {
  const held = new Promise<void>(resolve => {
    const watcher = watch(scene.made.folder, () => {
      if (!existsSync(scene.lock)) return
      watcher.close()
      resolve()
    })
  })
  const run = start(scene, args, user)
  await held
  run.child.kill('SIGSTOP')
  return run
}

async function end({ child, outcome }: Running): Promise<void> {
  child.kill('SIGKILL')
  await outcome
}

async function expectDone(t: Test, { made }: Scene): Promise<void> {
  t.strictSame(await machineProblems(realFiles, made), [])
  const names = (await readdir(made.folder)).filter(name => name.includes('.vboxmerge-'))
  t.strictSame(names, [], 'nothing is left of locks and journals')
}

t.setTimeout(240_000)

t.test('of programs that run at once, one does the work and all agree', async t => {
  const one = await scene(t)
  const { folder } = one.made
  const outcomes = await Promise.all([
    start(one, ['merge', folder]).outcome,
    startModule(one, { machine: folder }).outcome,
    start(one, ['merge', folder]).outcome,
    startModule(one, { machine: folder }).outcome,
  ])
  t.strictSame(
    outcomes.map(({ status }) => status),
    [0, 0, 0, 0],
  )
  t.equal(outcomes.filter(({ document }) => document.changed === true).length, 1)
  await expectDone(t, one)
})

t.test(
  'a run that lives is waited for and named; one that was killed is finished',
  { skip: !posix },
  async t => {
    const one = await scene(t)
    const { folder } = one.made
    const stopped = await startAndStop(one, ['merge', folder])
    const found = await fingerprintsOf(folder)
    const named = new RegExp(`process ${stopped.child.pid} of user ".+" on host ".+" has held it`)
    const [cli, module] = await Promise.all([
      start(one, ['golden', '--lock-timeout=0', folder]).outcome,
      startModule(one, { machine: folder, lock_timeout: 0 }).outcome,
    ])
    t.match(cli, { status: 3, document: { code: 'machine_locked', changed: false, msg: named } })
    t.match(module, { status: 1, document: { code: 'machine_locked', changed: false, msg: named } })
    t.strictSame(await fingerprintsOf(folder), found, 'nothing has changed')
    const waiting = startModule(one, { machine: folder })
    await end(stopped)
    t.match(await waiting.outcome, { status: 0, document: { changed: true } })
    await expectDone(t, one)
  },
)

tryThorough('a lock counts by its process, not by its number alone, and never on another host', async t => {
  const one = await scene(t)
  const { folder } = one.made
  const stopped = await startAndStop(one, ['merge', folder])
  const holder = JSON.parse(await readFile(one.lock, 'utf8'))
  await end(stopped)
  const refuse = async (changes: object, message: RegExp): Promise<void> => {
    await writeFile(one.lock, JSON.stringify({ ...holder, ...changes }))
    const found = await fingerprintsOf(folder)
    const { status, document } = await start(one, ['merge', '--lock-timeout=0', folder]).outcome
    t.match({ status, document }, { status: 3, document: { code: 'machine_locked', msg: message } })
    t.match(document.msg, `delete "${one.lock}"`, 'what to remove is said')
    t.strictSame(await fingerprintsOf(folder), found)
  }
  await refuse({ host: 'far', boot: 'another' }, /on host "far"/)
  await refuse({ pid: process.pid, processStart: undefined }, new RegExp(`process ${process.pid} `))
  // The number of the dead process is that of this one now.
  await writeFile(one.lock, JSON.stringify({ ...holder, pid: process.pid }))
  t.match(await start(one, ['merge', folder]).outcome, { status: 0, document: { changed: true } })
  await expectDone(t, one)
})

tryThorough(
  'users who share a folder see each other, and clear up after each other',
  { skip: skipOthers },
  async t => {
    const one = await scene(t)
    const { folder } = one.made
    execFileSync('chown', ['-R', `${ANN}:${GROUP}`, join(folder, '..')])
    execFileSync('chmod', ['-R', 'g+rwX', join(folder, '..')])
    const stopped = await startAndStop(one, ['merge', folder], ANN)
    t.equal((await realFiles.stat(one.lock))?.owner, ANN)
    const refused = await start(one, ['merge', '--lock-timeout=0', folder], BOB).outcome
    t.match(refused, { status: 3, document: { code: 'machine_locked', msg: /process \d+ of user/ } })
    await end(stopped)
    t.match(await start(one, ['merge', folder], BOB).outcome, { status: 0, document: { changed: true } })
    await expectDone(t, one)
    t.match(await start(one, ['golden', '--free-space=keep', folder], ANN).outcome, {
      status: 0,
      document: { changed: true },
    })
    await expectDone(t, one)
  },
)

tryThorough('a lock that a user may not take away is named', { skip: skipOthers }, async t => {
  const one = await scene(t)
  const { folder } = one.made
  execFileSync('chown', ['-R', `${ANN}:${GROUP}`, join(folder, '..')])
  execFileSync('chmod', ['-R', 'g+rwX', join(folder, '..')])
  const stopped = await startAndStop(one, ['merge', folder], ANN)
  await end(stopped)
  // As in /tmp: only owners take files away.
  await chown(folder, 0, GROUP)
  await chmod(folder, 0o1770)
  const found = (await readdir(folder)).sort()
  const { status, document } = await start(one, ['merge', '--lock-timeout=0', folder], BOB).outcome
  t.match({ status, document }, { status: 3, document: { code: 'machine_locked', changed: false } })
  t.match(document.msg, /process \d+ of user .* does not run any more/)
  t.match(document.msg, `delete "${one.lock}" as its owner`)
  t.strictSame((await readdir(folder)).sort(), found)
})

tryThorough(
  'a machine that a session of VirtualBox holds stays as it is',
  { skip: skipWithoutPython },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const server = startServer(virtualBox)
    try {
      const one = { ...(await scene(t)), env: virtualBox.env }
      const { settingsFile, folder, id } = one.made
      await server.call('register', { settingsFile })
      await server.call('hold', { machine: id })
      const found = await fingerprintsOf(folder)
      // VirtualBox itself shares a session with whoever deletes a snapshot.
      const { status, document } = await start(one, ['merge', '--engine=direct', '--lock-timeout=1', id])
        .outcome
      t.match({ status, document }, { status: 3, document: { code: 'machine_locked', changed: false } })
      t.strictSame(await fingerprintsOf(folder), found)
      t.ok(await server.call('is_registered', { machine: id }))
      await server.call('let_go', { machine: id })
      t.match(await start(one, ['merge', id]).outcome, { status: 0, document: { changed: true } })
      t.ok(await server.call('is_registered', { machine: id }))
      await expectDone(t, one)
    } finally {
      await server.stop()
    }
  },
)
