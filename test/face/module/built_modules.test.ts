// The built files, run by plain Node.js as Ansible or any other program would.
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { MODULES } from '../../../lib/face/module/modules.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import { commandLine } from '../../fixtures/differential/command_line.ts'
import { type MadeMachine, makeMachine } from '../../fixtures/machine_maker.ts'
import { machineProblems } from '../../fixtures/machine_reader.ts'
import { fingerprintsOf } from '../../fixtures/observed_machine.ts'
import { quickFolder } from '../../fixtures/quick_folder.ts'
import { sample, seed } from '../../fixtures/test_run.ts'
import { moduleNames, modulesFolder, runBuilt } from './fixtures/built_module.ts'

const SIZE_LIMIT = 450_000

t.setTimeout(300_000)
t.comment(`VBOXMERGE_SEED=${seed}`)

async function webIn(home: string, snapshots: readonly string[] = ['one', 'two']): Promise<MadeMachine> {
  const folder = join(home, 'web')
  await mkdir(folder)
  const disks = [{ blockSize: 2 ** 17, capacity: 2 ** 20 }]
  return await makeMachine(realFiles, folder, { name: 'web', disks, snapshots })
}

t.test('there is one file for each module, its documentation, and nothing else', async t => {
  const files = (await readdir(modulesFolder)).sort()
  const expected = MODULES.flatMap(({ name }) => [`${name}.mjs`, `${name}.yml`]).sort()
  t.strictSame(files, expected, 'Ansible would run a file with another ending in place of the module')
  for (const { name } of MODULES) {
    const path = join(modulesFolder, `${name}.mjs`)
    const { size, mode } = await stat(path)
    t.ok(size < SIZE_LIMIT, `${name} has ${size} bytes`)
    t.equal(mode & 0o111, 0, `${name} is called by way of its interpreter`)
    const text = await readFile(path, 'latin1')
    t.match(text, /^#!node\n\/\/ WANT_JSON/)
    t.ok(/^[\t\n\x20-\x7e]*$/.test(text.slice(0, 1024)), 'Ansible does not take it for a binary')
    t.notMatch(
      text,
      /\b(from ?|import ?|import\()"(?!node:)/,
      'it imports nothing that is not part of Node.js',
    )
    t.notMatch(text, /\bCommander|ZX_[A-Z]/, 'neither the command line nor zx is in it')
  }
})

/** Every option with a value that is not its default: as YAML has it, and as `key=value` does. */
const TYPED: Readonly<Record<string, unknown>> = {
  skip: 1,
  count: 1,
  discard_current_state: true,
  branches: 'stop',
  from: 'two',
  base_snapshot: false,
  clone_name: '17',
  clone_folder: '~/clones/web',
  replace: true,
  free_space: 'keep',
  min_reclaim: 4096,
  snapshot_name: '42',
  snapshot_description: '7',
  engine: 'direct',
  registration: 'keep',
  lock_timeout: 1.5,
  when_busy: 'skip',
  discard_saved_state: true,
  verify: 'full',
  backup: '~/backups',
  digest: true,
  scan: true,
}
const STRINGS: Readonly<Record<string, unknown>> = {
  ...TYPED,
  skip: '1',
  count: ' 1 ',
  discard_current_state: 'Yes',
  base_snapshot: 'no',
  clone_name: 17,
  replace: 'true',
  min_reclaim: '4096',
  snapshot_name: 42,
  snapshot_description: 7,
  lock_timeout: '1.5',
  discard_saved_state: 'on',
  digest: '1',
  scan: 1,
}
const PLACES = ['vboxmanage', 'vbox_user_home', 'report']

async function optionsOf(name: string): Promise<string[]> {
  const text = await readFile(join(modulesFolder, `${name}.yml`), 'utf8')
  const options = /^ {2}options:\n((?: {4}.*\n)+)/m.exec(text)?.[1] ?? ''
  return [...options.matchAll(/^ {4}(\w+):$/gm)].map(([, option = '']) => option)
}

function pick(values: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.flatMap(key => (key in values ? [[key, values[key]]] : [])))
}

t.test('every option of the documentation is tried', async t => {
  for (const name of moduleNames) {
    const options = await optionsOf(name)
    const covered = options.filter(
      option => option in TYPED || PLACES.includes(option) || option === 'machine',
    )
    t.strictSame(covered, options, name)
  }
})

for (const name of sample(moduleNames, 3)) {
  t.test(`${name} takes every option as it is and as a string, and refuses every wrong one`, async t => {
    const home = await quickFolder(t)
    const made = await webIn(home)
    const options = await optionsOf(name)
    const common = { machine: made.folder, vbox_user_home: join(home, 'registry'), _ansible_check_mode: true }
    const typed = await runBuilt(name, { input: { ...common, ...pick(TYPED, options) } })
    t.strictSame(
      [typed.status, typed.stderr, typed.document.failed],
      [0, '', false],
      String(typed.document.msg),
    )
    const strings = await runBuilt(name, { input: { ...common, ...pick(STRINGS, options) } })
    t.strictSame(strings.document, typed.document)
    const none = Object.fromEntries(options.map(option => [option, null]))
    const nulls = await runBuilt(name, { input: { ...none, ...common } })
    const defaults = await runBuilt(name, { input: common })
    t.strictSame(nulls.document, defaults.document, 'null is "not given"')

    const wrong = Object.fromEntries(options.map(option => [option, [option]]))
    const { status, document } = await runBuilt(name, { input: wrong })
    t.equal(status, 1)
    t.match(document, {
      failed: true,
      code: 'invalid_options',
      changed: false,
      steps_done: 0,
      steps_left: null,
    })
    const named = [...String(document.msg).matchAll(/^Option "(\w+)" is an array; give \S/gm)].map(
      ([, option]) => option,
    )
    t.strictSame(named.sort(), options.sort(), 'every problem is told at once')
  })
}

t.test('an answer is what the command line says with --json, and a message', async t => {
  const home = await quickFolder(t)
  const made = await webIn(home)
  const env = { VBOX_USER_HOME: join(home, 'registry'), PATH: home }
  const cli = async (...args: string[]): Promise<Record<string, unknown>> => {
    const run = promisify(execFile)(process.execPath, [commandLine, ...args, '--json'], { env })
    return JSON.parse((await run).stdout)
  }
  const ways = [
    ['vbox_merged', 'merge'],
    ['vbox_compacted', 'compact'],
    ['vbox_base_snapshot', 'snapshot'],
    ['vbox_golden_image', 'golden'],
  ] as const
  for (const [name, command] of sample(ways, 2)) {
    const expected = await cli(command, made.folder, '--check', '--digest')
    const input = { machine: made.folder, digest: true, _ansible_check_mode: true, _ansible_diff: true }
    const { document } = await runBuilt(name, { input, env })
    const { msg, diff, warnings, ...rest } = document
    t.strictSame({ ...rest, warnings: [] }, { ...expected, warnings: [] }, name)
    t.strictSame(diff, { before: expected.before, after: expected.after })
    t.match(msg, /^web: /)
    t.strictSame(
      warnings,
      (expected.warnings as { message: string }[]).map(({ message }) =>
        message.replace(/freeSpace/g, 'free_space'),
      ),
    )
    const plain = await runBuilt(name, { input: { ...input, _ansible_diff: false }, env })
    t.strictSame(
      Object.keys(plain.document),
      Object.keys(document).filter(key => key !== 'diff'),
    )
  }
  const info = await runBuilt('vbox_machine_info', { input: { machine: made.folder }, env })
  const { msg, warnings, ...rest } = info.document
  t.strictSame(rest, await cli('info', made.folder))
  t.match(msg, /^web: 2 snapshots, 3 images, /)
  t.strictSame(warnings, [])
})

t.test('a module does its work once, and has the same keys whatever it did', async t => {
  const home = await quickFolder(t)
  const made = await webIn(home)
  const before = await fingerprintsOf(made.folder)
  const input = { machine: made.folder, vbox_user_home: join(home, 'registry'), free_space: 'keep' }
  const file = join(home, 'args')
  await writeFile(file, JSON.stringify({ ...input, _ansible_check_mode: true }))
  const check = await runBuilt('vbox_golden_image', { args: [file] })
  t.match(check.document, {
    changed: true,
    msg: 'web: would merge 2 snapshots into disk0.vdi; would take the snapshot "Base"',
  })
  t.strictSame(await fingerprintsOf(made.folder), before, 'check mode writes nothing')
  const first = await runBuilt('vbox_golden_image', { input })
  t.match(first.document, { changed: true, msg: /^web: merged 2 snapshots into disk0.vdi/ })
  t.strictSame(await machineProblems(realFiles, made), [])
  const after = await fingerprintsOf(made.folder)
  const second = await runBuilt('vbox_golden_image', { input })
  t.match(second.document, { changed: false, steps: [], msg: /^web: nothing to do \(1 snapshot, 2 images, / })
  t.strictSame(await fingerprintsOf(made.folder), after)
  const keys = [check, first, second].map(({ document }) => Object.keys(document).sort())
  t.strictSame(keys[1], keys[0])
  t.strictSame(keys[2], keys[0])
})

t.test('what is no JSON object is refused in words', async t => {
  const cases: [input: unknown, message: RegExp][] = [
    ['', /^Cannot read the arguments as JSON: there is no text$/],
    ['{"machine": "web"', /^Cannot read the arguments as JSON: /],
    ['[]', /they are an array; give a JSON object such as/],
    ['null', /they are null/],
    ['7', /they are a number/],
    ['"machine"', /they are a string/],
    [`${'['.repeat(200_000)}${']'.repeat(200_000)}`, /an array|as JSON/],
    [
      `{"machine":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
      /Option "machine" is a value of type object/,
    ],
    [Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), /^Cannot read the arguments: standard input: .*not valid/],
    [' '.repeat(17 * 2 ** 20), /it has more than 16777216 bytes/],
  ]
  for (const [input, message] of cases) {
    const { status, document, stderr } = await runBuilt('vbox_merged', { input })
    t.strictSame([status, stderr], [1, ''])
    t.match(document, { failed: true, code: 'invalid_options', msg: message, changed: false })
  }
})

t.test('keys that mean something to JavaScript are unknown options', async t => {
  const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']
  const input = `{${keys.map(key => `"${key}": {"check": false}`).join(',')}, "machine": "./nowhere"}`
  const { document } = await runBuilt('vbox_merged', { input })
  const named = [...String(document.msg).matchAll(/^Unknown option "(\w+)"/gm)].map(([, key]) => key)
  t.strictSame(named, keys)
  const hidden = await runBuilt('vbox_merged', {
    input: '{"machine": {"__proto__": "web"}, "skip": {"valueOf": 1}}',
  })
  t.match(
    hidden.document.msg,
    /^Option "machine" is a value of type object; .*\nOption "skip" is an object; /,
  )
})

t.test('arguments come from one file or from standard input', async t => {
  const home = await quickFolder(t)
  const missing = await runBuilt('vbox_merged', { args: [join(home, 'nothing')] })
  t.match(missing.document, {
    code: 'invalid_options',
    msg: /^Cannot read the arguments: the file ".*": ENOENT/,
  })
  const folder = await runBuilt('vbox_merged', { args: [home] })
  t.match(folder.document, { code: 'invalid_options', msg: /EISDIR/ })
  const two = await runBuilt('vbox_merged', { args: ['one', 'two'] })
  t.match(two.document.msg, '2 arguments were given; give the name of one JSON file, or none')
})

t.test('~ stands for the home folder where a clone is to be, too', async t => {
  const home = await quickFolder(t)
  const made = await webIn(home)
  const { document } = await runBuilt('vbox_clone', {
    input: { machine: made.folder, vbox_user_home: '~/registry', clone_folder: '~/copy' },
    env: { HOME: home },
  })
  t.match(document, {
    failed: false,
    changed: true,
    clone: { settings_file: join(home, 'copy', 'web Clone.vbox') },
  })
})

t.test('a report is written where ~ says, also in check mode', async t => {
  const home = await quickFolder(t)
  const made = await webIn(home)
  const { document } = await runBuilt('vbox_merged', {
    input: {
      machine: made.folder,
      vbox_user_home: '~/registry',
      report: '~/report.html',
      _ansible_check_mode: true,
    },
    env: { HOME: home },
  })
  t.match(document, { failed: false, changed: true, times: null, warnings: [] })
  t.match(await readFile(join(home, 'report.html'), 'utf8'), 'A plan: nothing has been changed')
})

t.test('a machine is found by a number that is its name, and by ~', async t => {
  const home = await quickFolder(t)
  await webIn(home)
  const env = { HOME: home }
  const near = await runBuilt('vbox_machine_info', {
    input: { machine: '~/web', vbox_user_home: '~/registry' },
    env,
  })
  t.match(near.document, { machines: [{ machine: { name: 'web' } }] })
  const number = await runBuilt('vbox_merged', {
    input: { machine: 42, vbox_user_home: join(home, 'registry') },
  })
  t.match(number.document, { code: 'machine_not_found', msg: /^Cannot find machine "42": / })
  t.equal(number.status, 1, 'every failure has the status 1')
})

t.test('without a machine all are read, even if there is none', async t => {
  const home = await quickFolder(t)
  const input = { vbox_user_home: join(home, 'registry') }
  const { status, document } = await runBuilt('vbox_machine_info', { input })
  t.equal(status, 0)
  t.strictSame(document, { failed: false, changed: false, machines: [], msg: '0 machines', warnings: [] })
})

t.test('a long answer comes whole', async t => {
  const home = await quickFolder(t)
  const made = await webIn(home, ['x'.repeat(300_000)])
  const { document } = await runBuilt('vbox_machine_info', { input: { machine: made.folder } })
  t.equal((document.machines as [{ snapshots: [{ name: string }] }])[0].snapshots[0].name.length, 300_000)
})
