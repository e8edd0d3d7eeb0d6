import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { findVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { type Ended, findProgram, run, setupFolder, skipWithout } from '../fixtures/setup_programs.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { sample, thorough } from '../fixtures/test_run.ts'

const KIB = 1024
const root = fileURLToPath(new URL('../..', import.meta.url))
const mod = join(root, 'mod.ts')
const skip = skipWithout('deno')
const skipWithoutScript = findProgram('script') ? false : 'needs script (Debian: package bsdutils)'

const SPEC: MachineSpec = {
  seed: 21,
  disks: [
    { blockSize: 128 * KIB, capacity: 2048 * KIB },
    { blockSize: 128 * KIB, capacity: 1234 * KIB },
  ],
  snapshots: ['one', 'two', 'three'],
  layout: 'small',
  efi: true,
}

/** Runs mod.ts with Deno and only the permissions that are named. */
function deno(permissions: readonly string[], args: readonly string[], env = process.env): Promise<Ended> {
  return run('deno', ['run', '--no-prompt', '--quiet', ...permissions, mod, ...args], { env })
}

function node(args: readonly string[]): Promise<Ended> {
  return run(process.execPath, [join(root, 'dist/cli.js'), ...args])
}

/** A machine of which no VirtualBox knows, and a settings folder of VirtualBox without machines. */
async function plainMachine(t: Parameters<typeof temporaryFolder>[0]): Promise<{
  readonly folder: string
  readonly home: string
  readonly made: MadeMachine
}> {
  const above = await temporaryFolder(t)
  const home = join(above, 'home')
  await mkdir(home)
  const made = await makeMachine(realFiles, join(above, 'web'), SPEC)
  return { folder: made.folder, home, made }
}

t.setTimeout(600_000)

t.test(
  'the direct engine needs no permission beyond its files, the host name and free space',
  { skip },
  async t => {
    const { folder, home, made } = await plainMachine(t)
    const args = ['golden', folder, '--vbox-user-home', home, '--free-space', 'keep', '--json']
    const read = `--allow-read=${folder},${home}`
    const write = `--allow-write=${folder}`

    const tooFew = [
      [write, '--allow-sys=hostname,statfs'],
      [read, '--allow-sys=hostname,statfs'],
      [read, write, '--allow-sys=statfs'],
      [read, write, '--allow-sys=hostname'],
    ]
    for (const missing of sample(tooFew, 2)) {
      const before = await contentOf(folder)
      const { status, stdout } = await deno(missing, args)
      t.not(status, 0, missing.join(' '))
      t.match(JSON.parse(stdout), { failed: true, changed: false, msg: /Requires (read|write|sys) access/ })
      t.same(await contentOf(folder), before, 'nothing was written')
    }

    const check = await deno([read, '--allow-sys=statfs'], [...args, '--check'])
    t.match(JSON.parse(check.stdout), { changed: true, engine: 'direct' }, 'a check reads only')

    const done = await deno([read, write, '--allow-sys=hostname,statfs'], args)
    t.equal(done.status, 0, done.stderr)
    t.match(JSON.parse(done.stdout), { changed: true, engine: 'direct', after: { snapshots: 1, images: 4 } })
    t.same(await machineProblems(realFiles, made, { '*': 'current' }), [])

    const again = await deno([read], args)
    t.match(JSON.parse(again.stdout), { changed: false }, 'and with nothing to do it only reads')
    const info = await deno([read], ['info', folder, '--vbox-user-home', home, '--json'])
    t.match(JSON.parse(info.stdout), { failed: false, machines: [{ summary: { snapshots: 1 } }] })
  },
)

t.test(
  'on a terminal nothing is asked, and nothing more is needed',
  { skip: skip || skipWithoutScript },
  async t => {
    const { folder, home } = await plainMachine(t)
    const permissions = `--no-prompt --allow-read=${folder},${home} --allow-sys=statfs`
    const command = `deno run ${permissions} ${mod} golden ${folder} --check --vbox-user-home ${home}`
    const PATH = [process.env.PATH, setupFolder].join(delimiter)
    const { stdout } = await run('script', ['-qec', command, '/dev/null'], { env: { ...process.env, PATH } })
    t.match(stdout, '1. merge 3 snapshots')
    t.notMatch(stdout, /NotCapable|Requires/)
  },
)

t.test('what tells where VirtualBox keeps its settings is asked for by name', { skip }, async t => {
  const { folder } = await plainMachine(t)
  const { status, stdout } = await deno([`--allow-read=${folder}`], ['info', folder, '--json'])
  t.equal(status, 3)
  t.match(JSON.parse(stdout), { code: 'unsupported', msg: /access to "VBOX_USER_HOME".*with vboxUserHome/ })
})

t.test('Node and Deno do the same, and each finds nothing to do after the other', { skip }, async t => {
  const above = await temporaryFolder(t)
  const results: Record<string, unknown>[] = []
  const programs = { node, deno: (args: readonly string[]) => deno(['--allow-all'], args) }
  for (const [first, second] of [
    ['node', 'deno'],
    ['deno', 'node'],
  ] as const) {
    const made = await makeMachine(realFiles, join(above, first), SPEC)
    const args = [
      'golden',
      made.folder,
      '--vbox-user-home',
      join(above, 'home'),
      '--free-space=keep',
      '--json',
    ]
    const done = await programs[first]([...args, '--digest'])
    t.equal(done.status, 0, `${first} does it ${done.stderr}`)
    results.push(JSON.parse(done.stdout.replaceAll(made.folder, 'FOLDER')))
    const before = await contentOf(made.folder)
    const again = await programs[second](args)
    t.match(JSON.parse(again.stdout), { changed: false, steps: [] }, `${second} finds nothing to do`)
    const lines = await programs[second](args.filter(arg => arg !== '--json'))
    t.notMatch(
      lines.stderr,
      'scan',
      `${second} trusts what ${first} noted of the compaction, and reads no disk`,
    )
    t.same(await contentOf(made.folder), before, `${second} writes nothing`)
    for (const disk of [0, 1]) {
      const [digest] = [results.at(-1)?.digests].flat().slice(disk) as [{ sha256: string }]
      t.equal(digest.sha256, made.contentOf('current', disk)?.sha256(), `disk ${disk} reads as before`)
    }
  }
  t.same(withoutChance(results[0]), withoutChance(results[1]))
})

// To check the types of all takes as long as the rest of this file, and publishing does it, too.
t.test('Deno checks the types of the sources', { skip }, async t => {
  const sources = thorough ? ['mod.ts', 'lib'] : ['lib/io/real_files.ts']
  const { status, stderr } = await run('deno', ['check', ...sources], { cwd: root })
  t.equal(status, 0, stderr)
})

if (thorough) {
  t.test('deno test passes', { skip }, async t => {
    const { status, stdout, stderr } = await run('deno', ['task', 'test'], { cwd: root })
    t.equal(status, 0, stdout + stderr)
    t.match(stdout, /\b3 passed \| 0 failed\b/)
  })
}

t.test('JSR would take the package', { skip }, async t => {
  // Without the check of types, too, what is exported must have them written out.
  const args = ['publish', '--dry-run', '--allow-dirty', ...(thorough ? [] : ['--no-check'])]
  const { status, stderr } = await run('deno', args, { cwd: root })
  t.equal(status, 0, stderr)
  t.notMatch(stderr, /^ *(warning|error)\b|missing-explicit|unsupported-/im)
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.match(stderr, `Simulating publish of @vboxmerge/vboxmerge@${version} with files:`)
  const files = [...stderr.matchAll(/^ +file:\/\/(\S+) \(/gm)].map(([, path = '']) => path.slice(root.length))
  t.same(
    files.filter(
      file =>
        !/^(lib\/.+\.ts|docs\/[\w-]+\.md|(README|CHANGELOG)\.md|LICENSE|mod\.ts|deno\.json)$/.test(file),
    ),
    [],
  )
  t.ok(files.includes('mod.ts') && files.includes('lib/face/cli/main.ts') && files.includes('README.md'))
})

t.test(
  'mod.ts is a program only when it is run, and not in a program of somebody else',
  { skip },
  async t => {
    const folder = await temporaryFolder(t)
    const importer = join(folder, 'user.ts')
    await writeFile(
      importer,
      `import { EXIT_STATUS } from ${JSON.stringify(mod)}\nconsole.log(EXIT_STATUS.no_space)\n`,
    )
    const config = ['--config', join(root, 'deno.json')]
    t.match(await run('deno', ['run', '--no-prompt', ...config, importer, '--version']), {
      status: 0,
      stdout: '3\n',
    })
    const bundle = join(folder, 'bundle.js')
    const { build } = await import('esbuild')
    await build({
      entryPoints: [importer],
      bundle: true,
      format: 'esm',
      platform: 'node',
      outfile: bundle,
      external: ['zx/core'],
    })
    t.match(await run('deno', ['run', '--no-prompt', bundle, '--version']), { stdout: '3\n' })
    t.match(await deno([], ['--version']), { status: 0, stdout: /^vboxmerge \d/ })
    t.match(await deno([], ['--frobnicate']), { status: 2, stderr: /unknown option/ })
  },
)

t.test(
  'a registered machine needs leave to run VBoxManage, and no shell',
  { skip: skip || skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const made = await makeMachine(realFiles, join(virtualBox.machineFolder, 'web'), SPEC)
    await virtualBox.run('registervm', made.settingsFile)
    await virtualBox.settle()
    const program = findVirtualBox()?.vboxmanage ?? ''
    const permissions = [
      `--allow-read=${virtualBox.folder},${program}`,
      `--allow-write=${virtualBox.folder}`,
      `--allow-run=${program}`,
      '--allow-env',
      '--allow-sys=hostname,statfs',
    ]
    // Deno keeps its compiled files below $HOME.
    const env = {
      ...virtualBox.env,
      DENO_DIR: process.env.DENO_DIR ?? join(process.env.HOME ?? '/', '.cache/deno'),
    }
    const reading = [permissions[0] ?? '', '--allow-env=VBOX_USER_HOME,VBOXMANAGE']
    const list = await deno(reading, ['list', '--json'], env)
    t.match(JSON.parse(list.stdout), { machines: [{ machine: { name: 'web' }, summary: { snapshots: 3 } }] })
    const done = await deno(permissions, ['golden', 'web', '--free-space=keep', '--json'], env)
    t.match(JSON.parse(done.stdout), {
      failed: false,
      changed: true,
      engine: 'direct',
      machine: { registered: true },
    })
    const names = await virtualBox.run('snapshot', 'web', 'list', '--machinereadable')
    t.match(names, 'SnapshotName="Base"')
    await virtualBox.settle()
    const asked = [
      'golden',
      'web',
      '--free-space=keep',
      '--engine=virtualbox',
      '--snapshot-name=Other',
      '--json',
    ]
    const other = await deno(permissions, asked, env)
    t.match(JSON.parse(other.stdout), { failed: false, changed: true, engine: 'virtualbox' })
    t.match(await virtualBox.run('snapshot', 'web', 'list', '--machinereadable'), 'SnapshotName="Other"')
  },
)

/** Every file of a folder with its content, the times of access left out. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    files[path] = (await readFile(path)).toString('base64')
  }
  return files
}

/** What two runs have in common: UUIDs are numbered, and how long they took is left out. */
function withoutChance(result: unknown): unknown {
  const text = JSON.stringify(result, (key, value) => (key === 'times' ? null : value))
  const seen = new Map<string, string>()
  return JSON.parse(
    text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, id => {
      if (!seen.has(id)) seen.set(id, `id ${seen.size}`)
      return seen.get(id) ?? ''
    }),
  )
}
