// Names with control characters, escapes and marks that turn text around: a terminal shows them written out, one
// name never looks like two lines, and JSON keeps them exactly.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import type { Step } from '../../lib/ensure/result.ts'
import { VboxmergeError } from '../../lib/errors.ts'
import { realOperations } from '../../lib/face/cli/real_operations.ts'
import { runCli } from '../../lib/face/cli/run_cli.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { runFake } from '../face/cli/fixtures/fake_surroundings.ts'
import { FORECAST, SUMMARY, sampleInfo, sampleResult } from '../face/cli/fixtures/samples.ts'
import { runFakeModule } from '../face/module/fixtures/fake_module.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal may not be sent.
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/

/** Names that a `.vbox` or a folder can have, and some that only a library's caller can hand in. */
const NAMES = [
  'a\x1b[2J\x1b]0;title\x07',
  'a\x9b2J\x90x\x9c',
  'a\u202egpj.exe',
  'a\u2066b\u2069\u200f',
  'a\nerror: all is lost\nwarning: b',
  'a\r\x1b[Kb',
  'a\u2028b\u2029c',
  'a\u0085b\ttab\x08\x7f',
  '\ufeffa\ud800',
]

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids.
const IN_XML = NAMES.filter(name => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\ud800]/.test(name))

/** What is wrong with a text for a terminal of so many lines at most. */
function troubles(text: string): string[] {
  // What the command line itself sends to a terminal: colours, and the wiping of a line of progress.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what it is about.
  const own = text.replace(/\x1b\[(?:\d+(?:;\d+)*)?m|\r\x1b\[K/g, '')
  const found = UNSAFE.exec(own)
  const forged = /^(?:error: all is lost|warning: b)/m.exec(own)
  return [...(found === null ? [] : [JSON.stringify(own)]), ...(forged === null ? [] : [`forged: ${own}`])]
}

/** A text as the name of a test, where other characters would confuse what reads it. */
function plain(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const ID = '11111111-2222-4333-8444-555555555555'

function stepsWith(name: string): Step[] {
  const forecast = FORECAST
  const snapshot = { id: ID, name }
  const path = `/vms/${name}/${name}.vdi`
  const disk = { controller: name, port: 0, device: 0, path, bytes: 1 }
  return [
    { kind: 'recover', reason: name, forecast } as unknown as Step,
    { kind: 'restore', snapshot, forecast },
    { kind: 'discard', what: 'branches', snapshots: [snapshot, snapshot], forecast },
    { kind: 'merge', snapshots: [snapshot], disks: [], forecast },
    { kind: 'compact', images: [{ image: ID, path, reclaimBytes: 1 }], forecast },
    { kind: 'snapshot', name, description: name, forecast },
    { kind: 'clone', action: 'create', name, settingsFile: path, snapshot, disks: [disk], forecast },
  ]
}

function resultWith(name: string): ReturnType<typeof sampleResult> {
  return sampleResult({
    machine: { name, id: ID, settingsFile: `/vms/${name}/x.vbox`, registered: true },
    engineReason: name,
    steps: stepsWith(name),
    before: { ...SUMMARY, currentSnapshot: { id: ID, name } },
    warnings: [{ code: 'free_space_kept', message: `The disk ${JSON.stringify(name)} is kept` }],
    digests: [{ controller: name, port: 0, device: 0, image: ID, sha256: 'x' }],
  })
}

function infoWith(name: string): ReturnType<typeof sampleInfo> {
  const [image] = sampleInfo().images
  if (image === undefined) throw new Error('the sample has no image')
  const refusal = { code: 'unsupported', message: `Cannot work on ${JSON.stringify(name)}: no` } as const
  const volume = { controller: name, port: 0, device: 0, where: name, kind: name, label: name }
  const figures = { size: 1, used: 1, free: 1, reclaimable: 1, kept: { code: 'x', reason: name } }
  return sampleInfo({
    machine: { name, id: ID, settingsFile: `/vms/${name}/x.vbox`, registered: false },
    state: name,
    snapshots: [{ id: ID, name, parent: null, timeStamp: name, current: true }],
    images: [{ ...image, path: `/vms/${name}.vdi`, format: name, attachedTo: [name] }],
    volumes: [{ ...volume, ...figures }] as unknown as ReturnType<typeof sampleInfo>['volumes'],
    plans: {
      ...sampleInfo().plans,
      merged: { changed: true, steps: stepsWith(name), savedBytes: 1, estimate: null },
      compacted: { changed: 'unknown', steps: [], savedBytes: null, estimate: null, refusal },
    },
    warnings: [refusal],
  })
}

for (const name of NAMES) {
  t.test(`the name ${plain(name)} is written out wherever it is shown`, async t => {
    const operations = {
      merge: async (_machine: string, { onProgress }: { onProgress?: (progress: never) => void }) => {
        onProgress?.({ phase: 'fold', subject: name, done: 1, total: 2, unit: 'bytes' } as never)
        return resultWith(name)
      },
      info: async () => infoWith(name),
      list: async () => [infoWith(name), infoWith(name)],
    } as never
    for (const terminal of [false, true]) {
      for (const args of [['merge', 'web'], ['merge', '-n', 'web'], ['info', 'web'], ['list']]) {
        const { status, stdout, stderr } = await runFake(args, { operations, terminal, columns: 60 })
        t.equal(status, 0, plain(stderr))
        t.strictSame([...troubles(stdout), ...troubles(stderr)], [], args.join(' '))
      }
    }
    for (const args of [['merge', 'web'], ['info', 'web'], ['list']]) {
      const { stdout } = await runFake([...args, '--json'], { operations })
      const document = JSON.parse(stdout)
      const told = document.machine ?? document.machines[0].machine
      t.equal(told.name, name, `JSON of ${args[0]} keeps it`)
    }
    const failing = {
      merge: async () => {
        throw new VboxmergeError('unsupported', `Cannot merge ${JSON.stringify(name)}: no; ask`)
      },
    } as never
    const { status, stderr } = await runFake(['merge', 'web'], { operations: failing })
    t.equal(status, 3)
    t.strictSame(troubles(stderr), [])
    t.equal(stderr.split('\n').length, 2, 'one line')
    const skipped = {
      merge: async () => sampleResult({ skipped: `Cannot lock ${JSON.stringify(name)}` }),
    } as never
    t.strictSame(troubles((await runFake(['merge', 'web'], { operations: skipped })).stdout), [])
  })

  t.test(`the name ${plain(name)} does no harm as an argument`, async t => {
    for (const args of [
      [name],
      ['merge', name, '--no-such'],
      [`--${name}`],
      ['merge', 'web', '--engine', name],
    ]) {
      const { stdout, stderr } = await runFake(args)
      t.strictSame([...troubles(stdout), ...troubles(stderr)], [], plain(String(args)))
    }
  })

  t.test(`modules write the name ${plain(name)} out in what people read`, async t => {
    const merge = { kind: 'ensure', operation: 'merge', perform: async () => resultWith(name) } as const
    const one = async () => infoWith(name)
    const info = { kind: 'info', operation: 'info', one, all: async () => [infoWith(name)] } as const
    for (const task of [merge, info]) {
      const { document } = await runFakeModule(task, { machine: 'web' })
      const { msg, warnings } = document as { msg: string; warnings: string[] }
      t.strictSame([msg, ...warnings].flatMap(troubles), [])
      t.ok(JSON.stringify(document).includes(JSON.stringify(name).slice(1, -1)), 'the data keep it')
    }
  })
}

t.test('a machine on disk with such names is told as it is, and its failures in one line', async t => {
  const folder = await quickFolder(t)
  const home = join(folder, 'home')
  await mkdir(home)
  const show = async (...args: string[]): Promise<{ stdout: string; stderr: string; status: number }> => {
    const written = { stdout: '', stderr: '' }
    const status = await runCli([...args, '--vbox-user-home', home], {
      operations: realOperations,
      version: '0.0.0',
      stdout: { write: text => (written.stdout += text) },
      stderr: { write: text => (written.stderr += text) },
      env: {},
      onStopSignal: () => () => {},
      exitNow: () => {},
      now: () => 0,
    })
    return { ...written, status }
  }
  for (const [index, name] of IN_XML.entries()) {
    const at = join(folder, `m${index}\n\u202e\x1b[2J`)
    await mkdir(at)
    const disks = [{ capacity: 2 ** 17, blockSize: 2 ** 17, name: `d${name}`.replaceAll('/', '_') }]
    const machine = {
      name: 'web',
      seed: index + 1,
      disks,
      snapshots: [{ name, description: name }],
      layout: 'small',
    }
    const made = await makeMachine(realFiles, at, machine as never)
    for (const args of [
      ['info', made.settingsFile],
      ['merge', '-n', made.settingsFile],
      ['merge', made.settingsFile],
    ]) {
      const { stdout, stderr, status } = await show(...args)
      t.equal(status, 0, plain(stderr))
      t.strictSame([...troubles(stdout), ...troubles(stderr)], [], plain(String(args)))
    }
    const base = made.images[0]?.path ?? ''
    await rename(base, join(dirname(base), `gone${basename(base)}`))
    for (const args of [
      ['compact', made.settingsFile],
      ['clone', made.settingsFile],
    ]) {
      const { stderr, status } = await show(...args)
      t.equal(status, 3)
      t.strictSame(troubles(stderr), [])
      t.equal(stderr.split('\n').length, 2, 'one line')
    }
    await writeFile(made.settingsFile, 'x')
    const broken = await show('info', made.settingsFile)
    t.strictSame(troubles(broken.stderr), [])
    t.equal(broken.stderr.split('\n').length, 2, 'one line')
  }
})
