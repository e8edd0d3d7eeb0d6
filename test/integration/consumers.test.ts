import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import { installPackage } from '../fixtures/packed_package.ts'
import { findProgram, run, skipWithout } from '../fixtures/setup_programs.ts'
import { sample, some } from '../fixtures/test_run.ts'

// Programs as users write them, with the package as npm would publish it, each on a machine of its own.

const KIB = 1024
const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))

const above = await realpath(await mkdtemp(join(tmpdir(), 'vboxmerge-test-')))
t.teardown(() => rm(above, { recursive: true, force: true }))
const consumer = join(above, 'consumer')
const home = join(above, 'home')
await mkdir(home)
const skip = (await installPackage(consumer)) ?? false

function machine(name: string): Promise<MadeMachine> {
  return makeMachine(realFiles, join(above, name), {
    name,
    disks: [{ blockSize: 128 * KIB, capacity: 2048 * KIB }],
    snapshots: ['one', 'two'],
    layout: 'small',
  })
}

async function write(name: string, text: string): Promise<string> {
  const path = join(consumer, name)
  await writeFile(path, text)
  return path
}

const TYPED = `
import { ensureGoldenImage, inspectMachine, VboxmergeError } from 'vboxmerge'
import type { EnsureResult, GoldenImageOptions, Step } from 'vboxmerge'

const [folder = '', vboxUserHome = ''] = process.argv.slice(2)
// @ts-expect-error: there is no such way to treat branches
const wrong: GoldenImageOptions = { branches: 'maybe' }
const options: GoldenImageOptions = { vboxUserHome, freeSpace: 'keep', onProgress: ({ done, total }) => void (done / total) }
const result: EnsureResult = await ensureGoldenImage(folder, options)
const kinds: readonly Step['kind'][] = result.steps.map(({ kind }) => kind)
const { snapshots } = await inspectMachine(folder, { vboxUserHome })
let code: VboxmergeError['code'] | undefined
try {
  await ensureGoldenImage(folder + '/nothing.vbox', { vboxUserHome })
} catch (error) {
  if (error instanceof VboxmergeError) code = error.code
}
console.log(JSON.stringify({ kinds, names: snapshots.map(({ name }) => name), code, wrong }))
`

t.setTimeout(600_000)

t.test('a TypeScript program, checked strictly, compiled and run', { skip }, async t => {
  const file = await write('typed.ts', TYPED)
  await write('process.d.ts', 'declare const process: { readonly argv: string[] }')
  const strict = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noUncheckedIndexedAccess',
    '--target',
    'es2022',
  ]
  const common = [tsc, ...strict, '--lib', 'es2023,dom']
  const ways = [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const
  for (const [module, resolution] of some(ways, 1)) {
    const how = ['--module', module, '--moduleResolution', resolution]
    const outDir = ['--outDir', join(consumer, resolution)]
    const { status, stdout } = await run(
      process.execPath,
      [...common, ...how, ...outDir, file, 'process.d.ts'],
      { cwd: consumer },
    )
    t.equal(status, 0, `${resolution}: ${stdout}`)
  }
  const made = await machine('typed')
  const { stdout, stderr } = await run(process.execPath, [
    join(consumer, 'nodenext/typed.js'),
    made.folder,
    home,
  ])
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), {
    kinds: ['merge', 'snapshot'],
    names: ['Base'],
    code: 'machine_not_found',
    wrong: { branches: 'maybe' },
  })
  t.same(await machineProblems(realFiles, made), [])
})

for (const program of ['node', ...sample(['node22', 'node24'], 2)]) {
  const missing = program === 'node' ? false : skipWithout(program)
  t.test(`the installed command line and library in ${program}`, { skip: skip || missing }, async t => {
    const made = await machine(`installed-${program}`)
    const file = program === 'node' ? process.execPath : (findProgram(program) ?? program)
    const args = [
      join(consumer, 'node_modules/.bin/vboxmerge'),
      'golden',
      made.folder,
      '--vbox-user-home',
      home,
    ]
    const done = await run(file, [...args, '--free-space=keep', '--json'])
    t.match(JSON.parse(done.stdout), { changed: true, after: { snapshots: 1, images: 2 } })
    t.same(await machineProblems(realFiles, made), [])
    const script = await write(
      'script.mjs',
      `import { ensureMerged } from 'vboxmerge'
const [folder, vboxUserHome] = process.argv.slice(2)
const { changed, steps } = await ensureMerged(folder, { vboxUserHome, baseSnapshot: false })
console.log(JSON.stringify({ version: process.versions.node, changed, kinds: steps.map(({ kind }) => kind) }))
`,
    )
    const merged = JSON.parse((await run(file, [script, made.folder, home])).stdout)
    t.match(merged, { changed: true, kinds: ['merge'] })
    if (program !== 'node') t.ok(merged.version.startsWith(`${program.slice(4)}.`), merged.version)
    t.same(await machineProblems(realFiles, made), [])
  })
}

t.test('a Deno program', { skip: skip || skipWithout('deno') }, async t => {
  const made = await machine('deno')
  const file = await write(
    'program.ts',
    `import { ensureCompacted, ensureMerged, type EnsureResult } from 'vboxmerge'
const [folder = '', vboxUserHome = ''] = Deno.args
const merged: EnsureResult = await ensureMerged(folder, { vboxUserHome })
const compacted = await ensureCompacted(folder, { vboxUserHome, freeSpace: 'keep' })
console.log(JSON.stringify({ merged: merged.changed, images: compacted.after.images }))
`,
  )
  const config = ['--no-config', '--node-modules-dir=manual', '--check', '--no-prompt', '--quiet']
  const permissions = [
    `--allow-read=${made.folder},${home}`,
    `--allow-write=${made.folder}`,
    '--allow-sys=hostname,statfs',
  ]
  const done = await run('deno', ['run', ...config, ...permissions, file, made.folder, home], {
    cwd: consumer,
  })
  t.equal(done.status, 0, done.stderr)
  t.same(JSON.parse(done.stdout), { merged: true, images: 1 })
  t.same(await machineProblems(realFiles, made), [])
})

t.test('the installed package is the version of this checkout', { skip }, async t => {
  const versionIn = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8')).version
  t.equal(
    await versionIn(join(consumer, 'node_modules/vboxmerge/package.json')),
    await versionIn(fileURLToPath(new URL('../../package.json', import.meta.url))),
  )
})
