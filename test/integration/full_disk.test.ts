// File systems with just enough room, with one block too little, and ones that fill up in the middle.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, type FSWatcher, readdirSync, rmSync, watch } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { lookAfterKill, lookWhenDone, viewsOf } from '../fixtures/kills/killed_machine.ts'
import { runAndKill } from '../fixtures/kills/killed_program.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { readMachine } from '../fixtures/machine_reader.ts'
import { CURRENT, type MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf, zeroBlock } from '../fixtures/observed_machine.ts'
import {
  fillUp,
  leaveFree,
  roomOf,
  type SmallDiskKind,
  smallDisk,
  whyNoSmallDisk,
} from '../fixtures/small_disk.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { thorough } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
const everyBlock = (pattern: number): Record<number, number> =>
  Object.fromEntries(Array.from({ length: 12 }, (_, block) => [block, pattern]))

/** A machine, what is wanted of it, and how much room that may take. */
interface SpaceCase {
  readonly name: string
  readonly machine: MachineSpec
  readonly args: readonly string[]
  readonly snapshots: readonly string[]
  /** In bytes. */
  readonly atLeast: number
  readonly atMost: number
  /** Blocks of the base that hold zeros, as holes. */
  readonly holes?: readonly number[]
}

const cases: readonly SpaceCase[] = [
  {
    name: 'a base that grows',
    machine: {
      disks: [{ capacity: 12 * MIB, content: { one: { 0: 1 }, [CURRENT]: everyBlock(7) } }],
      snapshots: ['one'],
    },
    args: ['merge'],
    snapshots: [],
    atLeast: 11 * MIB,
    atMost: 12 * MIB,
  },
  {
    name: 'a base that has a place for all blocks',
    machine: {
      disks: [
        { capacity: 12 * MIB, fixed: true, content: { base: everyBlock(5), [CURRENT]: everyBlock(7) } },
      ],
      snapshots: ['one'],
      layout: 'small',
    },
    args: ['merge'],
    snapshots: [],
    atLeast: 0,
    atMost: 512 * 1024,
  },
  {
    name: 'a base with holes that are filled',
    machine: {
      disks: [{ capacity: 12 * MIB, content: { one: everyBlock(5), [CURRENT]: everyBlock(7) } }],
      snapshots: ['one'],
      layout: 'small',
    },
    args: ['merge'],
    snapshots: [],
    holes: [2, 3, 4, 5, 6, 7],
    atLeast: 6 * MIB,
    atMost: 7 * MIB,
  },
  {
    name: 'a base snapshot of two disks',
    machine: { disks: [{ capacity: 12 * MIB }, { capacity: 12 * MIB }] },
    args: ['snapshot'],
    snapshots: ['Base'],
    atLeast: 4 * MIB,
    atMost: 5 * MIB,
  },
]

interface Outcome {
  readonly status: number | null
  readonly document: { readonly changed?: boolean; readonly code?: string; readonly msg?: string }
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): Outcome {
  const { status, stdout } = spawnSync(process.execPath, [commandLine, ...args, '--json'], {
    env,
    encoding: 'utf8',
  })
  return { status, document: JSON.parse(stdout || '{}') }
}

/** Makes a machine on a small file system. */
async function machineOn(t: Test, mount: string, { machine, holes = [] }: SpaceCase): Promise<MadeMachine> {
  const model = await temporaryFolder(t)
  const made = await makeMachine(realFiles, join(model, 'web'), machine)
  for (const block of holes) await zeroBlock(made.images[0]?.path ?? '', block)
  execFileSync('cp', ['--archive', '--sparse=always', '--', made.folder, mount])
  return await madeAt(made, mount)
}

async function madeAt(made: MadeMachine, mount: string): Promise<MadeMachine> {
  return { ...made, folder: join(mount, 'web'), settingsFile: join(mount, 'web', 'web.vbox') }
}

function numbersIn(text: string): readonly [number, number, number] {
  const found = /has (\d+) bytes free, and (\d+) are needed, (\d+) more/.exec(text)
  if (found === null) throw new Error(`no numbers in ${JSON.stringify(text)}`)
  return [Number(found[1]), Number(found[2]), Number(found[3])]
}

t.setTimeout(300_000)

for (const kind of ['tmpfs', 'ext4'] as const) {
  const skip = whyNoSmallDisk(kind)
  for (const [number, one] of cases.entries()) {
    if (!thorough && (number > 0 || kind !== 'tmpfs')) continue
    t.test(
      `${one.name}, on ${kind}: a block too little is refused, just enough will do`,
      { skip },
      async t => {
        await tryCase(t, kind, one)
      },
    )
  }
}

async function tryCase(t: Test, kind: SmallDiskKind, one: SpaceCase): Promise<void> {
  const mount = await smallDisk(t, kind, 64)
  const env = { ...process.env, VBOX_USER_HOME: join(mount, 'none') }
  const { settingsFile, folder } = await machineOn(t, mount, one)
  const views = await viewsOf(await readMachine(realFiles, settingsFile))
  leaveFree(mount, 64 * 1024)
  const full = run([...one.args, '--check', folder], env)
  t.match(full, { status: 3, document: { changed: false, code: 'no_space' } })
  const [free, needed, more] = numbersIn(full.document.msg ?? '')
  t.equal(free, roomOf(mount).free)
  t.equal(free + more, needed)
  t.ok(needed >= one.atLeast && needed <= one.atMost, `${needed} bytes are needed`)

  const { block } = roomOf(mount)
  leaveFree(mount, needed - 1 - ((needed - 1) % block))
  const before = await fingerprintsOf(folder)
  for (const check of [['--check'], []]) {
    const refused = run([...one.args, ...check, folder], env)
    t.match(refused, { status: 3, document: { changed: false, code: 'no_space' } }, 'a block too little')
  }
  t.strictSame(await fingerprintsOf(folder), before, 'nothing has changed')

  leaveFree(mount, Math.ceil(needed / block) * block)
  const done = run([...one.args, folder], env)
  t.match(done, { status: 0, document: { changed: true } }, 'just enough')
  t.strictSame(await lookWhenDone(settingsFile, views, one.snapshots, undefined), [])
  t.equal(run([...one.args, folder], env).document.changed, false)
}

for (const kind of thorough ? (['tmpfs', 'ext4', 'btrfs'] as const) : []) {
  t.test(
    `a ${kind} that fills up in the middle is told, and the run finishes later`,
    {
      skip: whyNoSmallDisk(kind),
    },
    async t => {
      const mount = await smallDisk(t, kind, kind === 'btrfs' ? 200 : 64)
      const env = { ...process.env, VBOX_USER_HOME: join(mount, 'none') }
      const outcomes = new Map<string, number>()
      const occasions = ['web.vbox.vboxmerge-lock', 'web.vbox.vboxmerge-journal', 'web.vbox.vboxmerge-second']
      for (let round = 0; round < 9; round += 1) {
        const made = await machineOn(t, mount, cases[0] as SpaceCase)
        const views = await viewsOf(await readMachine(realFiles, made.settingsFile))
        const occasion = occasions[(round + 1) % occasions.length] ?? ''
        const watcher = fillWhenThere(mount, made.folder, occasion)
        const ended = await runAndKill({ args: ['merge', made.folder], env, folders: [] })
        watcher.close()
        const document = JSON.parse(ended.stdout)
        const outcome = `${ended.status} ${document.code ?? ''}`
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        const { problems } = await lookAfterKill(made.settingsFile, views, undefined)
        t.strictSame(problems, [], outcome)
        if (ended.status !== 0) {
          t.match(document.msg, /ENOSPC|no space|bytes free/, outcome)
          t.equal(ended.status === 3, document.code === 'no_space', outcome)
        }
        for (const name of readdirSync(mount)) if (name.startsWith('full-')) rmSync(join(mount, name))
        t.equal(run(['merge', made.folder], env).status, 0, 'finishes once there is room')
        t.strictSame(await lookWhenDone(made.settingsFile, views, [], undefined), [])
        rmSync(made.folder, { recursive: true })
      }
      t.comment([...outcomes].map(([outcome, count]) => `${count} times ${outcome}`).join(', '))
      t.ok(
        [...outcomes.keys()].some(outcome => !outcome.startsWith('0')),
        'it was in time at least once',
      )
    },
  )
}

/** Room that Btrfs gives back only when it has flushed what was deleted. */
if (thorough) {
  t.test(
    'what was deleted a moment ago counts as room',
    {
      skip: whyNoSmallDisk('btrfs') || (!hasKoffi() && 'needs the optional package koffi'),
    },
    async t => {
      const mount = await smallDisk(t, 'btrfs', 200)
      const env = { ...process.env, VBOX_USER_HOME: join(mount, 'none') }
      const made = await machineOn(t, mount, cases[0] as SpaceCase)
      execFileSync('sync', ['-f', mount])
      leaveFree(mount, MIB)
      execFileSync('sync', ['-f', mount])
      t.match(run(['merge', made.folder], env), { status: 3, document: { code: 'no_space' } })
      rmSync(join(mount, 'filler'))
      t.ok(roomOf(mount).free < 2 * MIB, 'it does not count yet')
      t.match(run(['merge', made.folder], env), { status: 0, document: { changed: true } })
    },
  )
}

function hasKoffi(): boolean {
  try {
    createRequire(import.meta.url).resolve('koffi')
    return true
  } catch {
    return false
  }
}

/** Takes all room as soon as a file is there. */
function fillWhenThere(mount: string, folder: string, name: string): FSWatcher {
  let filled = false
  return watch(folder, () => {
    if (filled || !existsSync(join(folder, name))) return
    filled = true
    fillUp(mount)
  })
}
