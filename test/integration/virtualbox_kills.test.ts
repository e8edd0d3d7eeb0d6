// Kills VBoxManage and VBoxSVC while the virtualbox engine has them work.
//
//   VIRTUALBOX_KILLS  how many times (1)
//   VBOXMERGE_SEED    repeats the machines and moments
import { copyFile, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { startServer, type VirtualBoxServer } from '../fixtures/differential/virtualbox_server.ts'
import { lookWhenDone, type Views, viewsOf } from '../fixtures/kills/killed_machine.ts'
import { runAndKill } from '../fixtures/kills/killed_program.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { readMachine } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { zeroBlock } from '../fixtures/observed_machine.ts'
import { type Random, randomFrom } from '../fixtures/random.ts'
import { type RealVirtualBox, skipWithoutPython, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { seed } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
const kills = Number(process.env.VIRTUALBOX_KILLS ?? 1)
const engine = '--engine=virtualbox'
const keep = '--free-space=keep'

type KilledCommand = Parameters<typeof runAndKill>[0]

/** What VirtualBox is to do. */
interface Work {
  readonly name: string
  readonly machine: MachineSpec
  readonly args: readonly string[]
  readonly snapshots: readonly string[]
}

const blocks = Object.fromEntries(Array.from({ length: 32 }, (_, block) => [block, 500 + block]))
const disks = [{ capacity: 32 * MIB, content: { base: blocks } }, { capacity: 8 * MIB }]
const works: readonly Work[] = [
  { name: 'delete', machine: { disks, snapshots: ['one', 'two', 'three'] }, args: ['merge'], snapshots: [] },
  { name: 'compact', machine: { disks }, args: ['compact', keep], snapshots: [] },
  { name: 'take', machine: { disks }, args: ['snapshot'], snapshots: ['Base'] },
  { name: 'all', machine: { disks, snapshots: ['one', 'two'] }, args: ['golden', keep], snapshots: ['Base'] },
]

t.setTimeout(1_200_000)

t.test(
  'a machine is whole after VBoxManage or VBoxSVC was killed and the command was run again',
  {
    skip: skipWithoutPython,
  },
  async t => {
    const random = randomFrom(seed)
    const rounds = new Map<string, number>()
    const virtualBox = await startVirtualBox(t)
    const started = Date.now()
    let done = 0
    for (let round = 0; done < kills && round < 3 * kills; round += 1) {
      const work = works[(seed + round) % works.length] as Work
      const victim = random.chance(50) ? 'VBoxSVC' : 'VBoxManage'
      const ended = await killOnce(t, virtualBox, work, victim, random)
      if (ended === undefined) continue
      done += 1
      const row = `${work.name.padEnd(8)} ${victim.padEnd(10)} ${ended}`
      rounds.set(row, (rounds.get(row) ?? 0) + 1)
    }
    const table = [...rounds].sort().map(([row, count]) => `${String(count).padStart(4)} ${row}`)
    t.ok(done >= kills, `${done} kills`)
    const took = Math.round((Date.now() - started) / 1000)
    t.comment(`table: VBOXMERGE_SEED=${seed} VIRTUALBOX_KILLS=${kills}: ${done} kills, ${took} s`)
    for (const row of table) t.comment(`table: ${row}`)
  },
)

t.test(
  'a machine is whole after VirtualBox died between the two renames by which it saves',
  { skip: skipWithoutPython },
  async t => {
    const virtualBox = await startVirtualBox(t)
    for (const file of ['settings', 'registry']) {
      const [work] = works as readonly [Work]
      const { made, views } = await makeKnown(virtualBox, work)
      const path = file === 'settings' ? made.settingsFile : join(virtualBox.userHome, 'VirtualBox.xml')
      await copyFile(path, `${path}-tmp`)
      await rename(path, `${path}-prev`)
      try {
        const done = await checkFinished(t, virtualBox, { work, made, views, what: file })
        t.match(done.steps[0], { kind: 'recover', reason: /died while it saved its settings/ })
      } finally {
        await takeAway(virtualBox, made)
      }
    }
  },
)

/** Returns how the run ended whose helper was killed; undefined when it had ended before. */
async function killOnce(
  t: Test,
  virtualBox: RealVirtualBox,
  work: Work,
  victim: string,
  random: Random,
): Promise<string | undefined> {
  const { made, views } = await makeKnown(virtualBox, work)
  const running = runAndKill(commandOf(virtualBox, work, made))
  let isOver = false
  void running.finally(() => {
    isOver = true
  })
  // VirtualBox starts with the run; from its first process on the moments are spread.
  while (!isOver && (await processesOf(virtualBox, victim)).length === 0) await delay(5)
  await delay(random.between(0, 1500))
  let killed = 0
  // Between two calls there is no VBoxManage.
  while (!isOver && killed === 0) {
    killed = await endAll(virtualBox, victim)
    if (killed === 0) await delay(2)
  }
  // A client may wait for its server for ever.
  const patience = setTimeout(() => void endAll(virtualBox, 'VBoxManage'), 15_000)
  const first = await running
  clearTimeout(patience)
  try {
    await checkFinished(t, virtualBox, { work, made, views, what: `${work.name}, ${victim}` })
  } finally {
    await takeAway(virtualBox, made)
  }
  if (killed === 0) return undefined
  return first.status === 0 ? 'done all the same' : `failed: ${JSON.parse(first.stdout).code}`
}

/** Makes a machine that VirtualBox knows. */
async function makeKnown(
  virtualBox: RealVirtualBox,
  { machine }: Work,
): Promise<{ readonly made: MadeMachine; readonly views: Views }> {
  const { machineFolder } = virtualBox
  await mkdir(machineFolder, { recursive: true })
  const made = await makeMachine(realFiles, join(machineFolder, 'web'), machine)
  await zeroBlock(made.images[0]?.path ?? '', 3)
  const { settingsFile } = made
  const views = await viewsOf(await readMachine(realFiles, settingsFile))
  await withServer(virtualBox, server => server.call('register', { settingsFile }))
  await virtualBox.settle()
  return { made, views }
}

function commandOf({ env }: RealVirtualBox, { args }: Work, { folder }: MadeMachine): KilledCommand {
  return { args: [...args, engine, folder], env, folders: [] }
}

/** Checks that the next run finishes, and the machine is whole and VirtualBox’s; returns what that run tells. */
async function checkFinished(
  t: Test,
  virtualBox: RealVirtualBox,
  {
    work,
    made,
    views,
    what,
  }: { readonly work: Work; readonly made: MadeMachine; readonly views: Views; readonly what: string },
): Promise<{ readonly steps: readonly unknown[] }> {
  const command = commandOf(virtualBox, work, made)
  const again = await finish(virtualBox, command)
  if (again.status !== 0) t.comment(`${again.stdout}${again.stderr}`)
  t.equal(again.status, 0, what)
  await virtualBox.settle()
  t.strictSame(await problemsOf(made, views, work), [], what)
  const further = await runAndKill(command)
  t.match(JSON.parse(further.stdout), { changed: false }, `${what}: at rest`)
  await withServer(virtualBox, async server => {
    t.ok(await server.call('is_registered', { machine: made.id }))
    const media = await server.call('show_media', { machine: made.id })
    t.strictSame(
      media.filter(({ accessible }) => !accessible),
      [],
    )
  })
  return JSON.parse(again.stdout)
}

async function takeAway(virtualBox: RealVirtualBox, { folder }: MadeMachine): Promise<void> {
  await withServer(virtualBox, server => server.call('tidy', {}))
  await virtualBox.settle()
  await rm(folder, { recursive: true, force: true })
}

/** A VirtualBox whose process was killed may be in the way of the next run for a moment. */
async function finish(
  virtualBox: RealVirtualBox,
  command: KilledCommand,
): Promise<Awaited<ReturnType<typeof runAndKill>>> {
  await virtualBox.settle()
  return await runAndKill(command)
}

/** What is wrong with a machine that is done. Images that VirtualBox left behind were told of, and lie in no one's way. */
async function problemsOf(
  { settingsFile }: MadeMachine,
  views: Views,
  { snapshots }: Work,
): Promise<string[]> {
  const problems = await lookWhenDone(settingsFile, views, snapshots, undefined)
  return problems.filter(problem => !/\/\{[^/]*\}\.vdi is an orphan$/.test(problem))
}

async function withServer<T>(
  virtualBox: RealVirtualBox,
  work: (server: VirtualBoxServer) => Promise<T>,
): Promise<T> {
  const server = startServer(virtualBox)
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

async function processesOf({ userHome }: RealVirtualBox, name: string): Promise<number[]> {
  const read = async (path: string): Promise<string> => await readFile(path, 'utf8').catch(() => '')
  const found: number[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || (await read(`/proc/${pid}/comm`)) !== `${name}\n`) continue
    if ((await read(`/proc/${pid}/environ`)).split('\0').includes(`VBOX_USER_HOME=${userHome}`))
      found.push(Number(pid))
  }
  return found
}

/** Ends the programs of one name that belong to a test's VirtualBox, by force; returns their number. */
async function endAll(virtualBox: RealVirtualBox, name: string): Promise<number> {
  const pids = await processesOf(virtualBox, name)
  let ended = 0
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
      ended += 1
    } catch {
      // It has ended meanwhile.
    }
  }
  return ended
}
