// Asks the built command line and a built module to stop in the middle of their work, as ^C and Ansible do.
import { spawn } from 'node:child_process'
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import { CURRENT } from '../fixtures/machine_spec.ts'
import { skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { thorough } from '../fixtures/test_run.ts'

const moduleFile = fileURLToPath(new URL('../../plugins/modules/vbox_merged.mjs', import.meta.url))

const skip = process.platform === 'win32' && 'Windows has no such signals'

/** On a busy computer a run may come to its end before the signal reaches it. */
const MOST_TRIES = 5

t.setTimeout(300_000)

interface Program {
  readonly args: readonly string[]
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
}

interface Ended {
  readonly status: number | null
  readonly document: Readonly<Record<string, unknown>>
}

/** Runs a program on a machine and sends it a signal once `isTime` says so of the settings on disk. */
async function runAndStop(
  { args, input, env }: Program,
  settingsFile: string,
  signal: NodeJS.Signals,
  isTime: (settings: string) => boolean,
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let sent = false
  const watcher = watch(dirname(settingsFile), () => {
    readFile(settingsFile, 'utf8').then(
      settings => {
        if (!sent && isTime(settings)) sent = child.kill(signal)
      },
      () => undefined,
    )
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  child.stdin.end(input)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  watcher.close()
  return { status, document: JSON.parse(text) }
}

/** How many disks of how many blocks take a while to fold: many are not done soon after the first, large or not. */
const LARGE = thorough ? { disks: 2, blocks: 64 } : { disks: 5, blocks: 8 }

async function makeLarge(folder: string): Promise<MadeMachine> {
  const blocks = Object.fromEntries(Array.from({ length: LARGE.blocks }, (_, block) => [block, 1 + block]))
  const disk = {
    capacity: LARGE.blocks * 2 ** 20,
    content: { base: blocks, one: blocks, [CURRENT]: blocks },
  }
  const disks = Array.from({ length: LARGE.disks }, () => disk)
  return await makeMachine(realFiles, folder, { disks, snapshots: ['one'] })
}

/** Stops a program once its first commit is there; checks what it says, and that doing the same again finishes. */
async function checkStop(
  t: Test,
  signal: NodeJS.Signals,
  programFor: (folder: string) => Program,
): Promise<Ended> {
  for (let tries = 1; ; tries++) {
    const folder = join(await temporaryFolder(t), 'web')
    const made = await makeLarge(folder)
    const before = await readFile(made.settingsFile, 'utf8')
    const program = programFor(folder)
    const ended = await runAndStop(program, made.settingsFile, signal, now => now !== before)
    if (ended.document.failed !== true && tries < MOST_TRIES) continue
    t.not(await readFile(made.settingsFile, 'utf8'), before, 'the first commit is there')
    t.match(ended.document, {
      failed: true,
      code: 'interrupted',
      changed: true,
      msg: new RegExp(
        `^Cannot finish: interrupted by ${signal}; a part of the work is done, and every state of the machine that ` +
          'its settings name is whole; run the same command again to finish$',
      ),
    })
    t.strictSame(await machineProblems(realFiles, made), [], 'every view reads right')
    const again = await runAndStop(program, made.settingsFile, signal, () => false)
    t.equal(again.status, 0)
    t.match(again.document, { failed: false, changed: true, steps: [{ kind: 'recover' }] })
    t.strictSame(await machineProblems(realFiles, made), [])
    const last = await runAndStop(program, made.settingsFile, signal, () => false)
    t.match(last.document, { failed: false, changed: false })
    return ended
  }
}

t.test('the command line says that a part is done, and finishes when run again', { skip }, async t => {
  const { status } = await checkStop(t, 'SIGINT', folder => ({
    args: [commandLine, 'merge', folder, '--json'],
    env: { VBOX_USER_HOME: join(dirname(folder), 'no-virtualbox') },
  }))
  t.equal(status, 130)
})

t.test('a module says that a part is done, and finishes when run again', { skip }, async t => {
  const { status } = await checkStop(t, 'SIGTERM', folder => ({
    args: [moduleFile],
    input: JSON.stringify({ machine: folder, vbox_user_home: join(dirname(folder), 'no-virtualbox') }),
  }))
  t.equal(status, 1)
})

t.test('a run that is stopped early says whether anything was changed', { skip }, async t => {
  const folder = join(await temporaryFolder(t), 'web')
  const made = await makeLarge(folder)
  const before = await readFile(made.settingsFile, 'utf8')
  const listed = await realFiles.list(folder)
  const program = {
    args: [commandLine, 'merge', folder, '--json'],
    env: { VBOX_USER_HOME: join(dirname(folder), 'no-virtualbox') },
  }
  // The lock is the first thing that a run writes.
  const { document } = await runAndStop(program, made.settingsFile, 'SIGTERM', () => true)
  t.equal(document.changed, (await readFile(made.settingsFile, 'utf8')) !== before)
  if (document.changed === false) {
    t.match(
      document.msg,
      /^Cannot finish: interrupted by SIGTERM; (nothing was changed|the machine is as it was)$/,
    )
    t.strictSame(await realFiles.list(folder), listed)
  }
  t.strictSame(await machineProblems(realFiles, made), [])
})

t.test(
  'between two calls of VBoxManage, too, a run says what is done',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const made = await makeMachine(realFiles, join(virtualBox.machineFolder, 'web'), {
      disks: [{ capacity: 8 * 2 ** 20 }],
      snapshots: ['one', 'two', 'three', 'four'],
    })
    t.equal((await virtualBox.manage('registervm', made.settingsFile)).exitCode, 0)
    const program = {
      args: [commandLine, 'merge', 'web', '--engine=virtualbox', '--json'],
      env: virtualBox.env,
    }
    const count = (settings: string): number => settings.match(/<Snapshot /g)?.length ?? 0
    const { status, document } = await runAndStop(program, made.settingsFile, 'SIGTERM', now => {
      return now.endsWith('</VirtualBox>\n') && count(now) < 4
    })
    t.equal(status, 130)
    t.match(document, {
      failed: true,
      code: 'interrupted',
      changed: true,
      msg: /^Cannot finish: interrupted by SIGTERM; a part of the work is done \(0 of 1 steps\), .*run the same command again/,
      steps_left: 1,
    })
    t.strictSame(await machineProblems(realFiles, made), [], 'every view reads right')
    const again = await runAndStop(program, made.settingsFile, 'SIGTERM', () => false)
    t.match(again, { status: 0, document: { failed: false, changed: true } })
    t.equal(count(await readFile(made.settingsFile, 'utf8')), 0)
  },
)
