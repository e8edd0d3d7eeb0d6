// The options of the script of 2010, in the spellings that its --help showed, through the built command line.
import { execFile } from 'node:child_process'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { sameBlocks } from '../fixtures/disks.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems, readMachine } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf, zeroBlock } from '../fixtures/observed_machine.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { sample } from '../fixtures/test_run.ts'

const name = 'My Machine'
const threeSnapshots: MachineSpec = {
  name,
  disks: [{ blockSize: 2 ** 17, capacity: 2 ** 20 }],
  snapshots: ['one', 'two', 'three'],
}

interface Finished {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

interface Scene {
  readonly made: MadeMachine
  /** Runs `vboxmerge OPTIONS "My Machine"` in the folder above the machine's. */
  merge(...options: string[]): Promise<Finished>
  /** The names of the snapshots that are left, oldest first. */
  snapshots(): Promise<string[]>
  /** What is wrong with the machine or with any byte that one of its states shows. */
  problems(expected?: Readonly<Record<string, string>>): Promise<string[]>
}

async function scene(t: Tap, spec: MachineSpec = threeSnapshots): Promise<Scene> {
  const parent = await temporaryFolder(t)
  const folder = join(parent, name)
  await mkdir(folder)
  const made = await makeMachine(realFiles, folder, spec)
  const withoutPlace = (text: string): string => text.replace(/^snapshot "(.*)"$/, '$1')
  return {
    made,
    merge: (...options) => run(parent, [...options, name]),
    snapshots: async () => {
      const { states } = await readMachine(realFiles, made.settingsFile)
      return states.filter(state => state.id !== 'current').map(state => withoutPlace(state.name))
    },
    problems: expected => machineProblems(realFiles, made, expected),
  }
}

type Tap = Parameters<typeof temporaryFolder>[0]

function run(cwd: string, args: readonly string[]): Promise<Finished> {
  const { PATH: _, VBOXMANAGE: __, ...rest } = process.env
  // Neither a VirtualBox nor a registry of this host has a part in this.
  const env = { ...rest, PATH: cwd, HOME: cwd, VBOX_USER_HOME: join(cwd, 'registry') }
  return new Promise(resolve => {
    execFile(process.execPath, [commandLine, ...args], { cwd, env }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ status, stdout, stderr })
    })
  })
}

t.test('vboxmerge MACHINE merges all snapshots and the current state into the base', async t => {
  const { made, merge, snapshots, problems } = await scene(t)
  const { status, stderr } = await merge()
  t.equal(status, 0, stderr)
  t.strictSame(await snapshots(), [])
  t.strictSame(await problems(), [])
  const left = Object.keys(await fingerprintsOf(made.folder)).filter(path => path.endsWith('.vdi'))
  t.strictSame(left, ['disk0.vdi'], 'the base is the only image')
})

t.test('--skip=N leaves the N most recent snapshots', async t => {
  for (const options of sample([['--skip=1'], ['--skip', '1']], 2)) {
    const { merge, snapshots, problems } = await scene(t)
    const { status, stderr } = await merge(...options)
    t.equal(status, 0, stderr)
    t.strictSame(await snapshots(), ['three'])
    t.strictSame(await problems(), [])
  }
})

t.test('--count=N merges N snapshots, the most recent ones', async t => {
  for (const options of sample([['--count', '2'], ['--count=2']], 2)) {
    const { merge, snapshots, problems } = await scene(t)
    const { status, stderr } = await merge(...options)
    t.equal(status, 0, stderr)
    t.strictSame(await snapshots(), ['one'])
    t.strictSame(await problems(), [])
  }
})

t.test('--skip=N --count=M merges M snapshots below the N most recent ones', async t => {
  const { merge, snapshots, problems } = await scene(t)
  const { status, stderr } = await merge('--skip=1', '--count=1')
  t.equal(status, 0, stderr)
  t.strictSame(await snapshots(), ['one', 'three'])
  t.strictSame(await problems(), [])
})

t.test('--discard-currentstate goes back to the current snapshot before merging', async t => {
  const { made, merge, snapshots, problems } = await scene(t)
  t.notSame(made.imageOf('current', 0), made.imageOf('three', 0), 'there is a current state to discard')
  const { status, stderr } = await merge('--discard-currentstate')
  t.equal(status, 0, stderr)
  t.strictSame(await snapshots(), [])
  t.strictSame(await problems({ current: 'three' }), [], 'the disk reads as in the snapshot')
  t.notSame(await problems(), [], 'and not as in the current state')
})

t.test('--snapshot creates a base snapshot after the merge', async t => {
  const { made, merge, snapshots, problems } = await scene(t)
  const { status, stderr } = await merge('--snapshot')
  t.equal(status, 0, stderr)
  t.strictSame(await snapshots(), ['Base'])
  t.strictSame(await problems(), [])
  t.match(await readFile(made.settingsFile, 'utf8'), '<Description>Created by vboxmerge</Description>')
})

t.test('--compact drops blocks of zeros from the base image', async t => {
  const sizes: number[] = []
  for (const options of [[], ['--compact']]) {
    const full = sameBlocks(8, 7)
    const { made, merge } = await scene(t, {
      name,
      disks: [{ ...threeSnapshots.disks[0], content: { base: full } }],
    })
    const base = made.imageOf('current', 0)?.path ?? ''
    for (const block of [0, 3, 4]) await zeroBlock(base, block)
    const { status, stderr } = await merge(...options)
    t.equal(status, 0, stderr)
    sizes.push((await stat(base)).size)
    const { problems } = await readMachine(realFiles, made.settingsFile)
    t.strictSame(problems, [])
  }
  const [plain = 0, compacted = 0] = sizes
  t.equal(plain - compacted, 3 * 2 ** 17, 'three blocks are gone')
})

t.test('-n and --dryrun say what would be done, and do nothing', async t => {
  for (const option of sample(['-n', '--dryrun'], 2)) {
    const { made, merge, snapshots } = await scene(t)
    const before = await fingerprintsOf(made.folder)
    const { status, stdout, stderr } = await merge(option, '--snapshot')
    t.equal(status, 0, stderr)
    for (const word of ['one', 'two', 'three', 'Base']) t.match(stdout + stderr, word)
    t.strictSame(await fingerprintsOf(made.folder), before)
    t.strictSame(await snapshots(), ['one', 'two', 'three'])
  }
})

t.test('-q and --quiet display nothing but errors', async t => {
  const loud = await (await scene(t)).merge()
  t.not(loud.stdout + loud.stderr, '', 'without them there is something to read')
  for (const option of sample(['--quiet', '-q'], 2)) {
    const { merge, snapshots } = await scene(t)
    t.strictSame(await merge(option), { status: 0, stdout: '', stderr: '' })
    t.strictSame(await snapshots(), [], 'it was merged all the same')
    const cwd = await temporaryFolder(t)
    const failed = await run(cwd, [option, 'no such machine'])
    t.equal(failed.status, 3)
    t.equal(failed.stdout, '')
    t.match(failed.stderr, 'no such machine')
  }
})

t.test('--version prints the version', async t => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  t.strictSame(await run(await temporaryFolder(t), ['--version']), {
    status: 0,
    stdout: `vboxmerge ${version}\n`,
    stderr: '',
  })
})

t.test('--help and no arguments at all list every option and exit with status 0', async t => {
  const options = ['--skip', '--count', '-q', '--quiet', '-n', '--dryrun', '--compact', '--snapshot']
  for (const args of [['--help'], ['-h'], []]) {
    const { status, stdout } = await run(await temporaryFolder(t), args)
    t.equal(status, 0)
    for (const option of [...options, '--discard-currentstate', '--version', '--help']) {
      t.match(stdout, new RegExp(`(^|[\\s,])${option}\\b`, 'm'), `${option} after ${JSON.stringify(args)}`)
    }
  }
})
