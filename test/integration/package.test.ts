import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { packPackage } from '../fixtures/packed_package.ts'
import { run, skipWithout } from '../fixtures/setup_programs.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** All that importers can name. A change here is a change of the contract, and a line in CHANGELOG.md. */
const PUBLIC_VALUES = [
  'EXIT_STATUS',
  'VboxmergeError',
  'ensureBaseSnapshot',
  'ensureCloned',
  'ensureCompacted',
  'ensureGoldenImage',
  'ensureMerged',
  'inspectMachine',
  'inspectMachines',
  'recoverMachine',
  'reportMachine',
  'undoRun',
]
const PUBLIC_TYPES = [
  'AllocationCell',
  'AllocationMap',
  'BaseSnapshotOptions',
  'CloneDisk',
  'CloneOptions',
  'CloneRef',
  'CloneStep',
  'CommonOptions',
  'CompactOptions',
  'CompactStep',
  'CompactSummary',
  'DiscardStep',
  'DiskDigest',
  'DiskMap',
  'EngineName',
  'EnsureResult',
  'ErrorCode',
  'ErrorDetails',
  'Estimate',
  'FoldSummary',
  'GoldenImageOptions',
  'HeldShare',
  'ImageInfo',
  'InspectOptions',
  'ListOptions',
  'MachineInfo',
  'MachineRef',
  'MachineReport',
  'MachineSummary',
  'MappedImage',
  'MediumType',
  'MergeOptions',
  'MergeStep',
  'OverallProgress',
  'PlanInfo',
  'PlannedOperation',
  'Problem',
  'Progress',
  'RecoverOptions',
  'RecoverStep',
  'ReportOptions',
  'RestoreStep',
  'RunTimes',
  'RunningInfo',
  'SnapshotInfo',
  'SnapshotRef',
  'SnapshotStep',
  'SpaceNeed',
  'Step',
  'StepForecast',
  'StepKind',
  'UndoOptions',
  'UndoStep',
  'UnfinishedInfo',
  'Uuid',
  'VolumeInfo',
  'Warning',
]

t.setTimeout(600_000)

/** Packed once for all that look at it. */
const packed = packPackage(await temporaryFolder(t))

t.test('importers find these names, and no others', async t => {
  const built = await import(pathToFileURL(join(root, 'dist/mod.js')).href)
  t.same(Object.keys(built).sort(), PUBLIC_VALUES, 'values')
  t.same(declaredNames(join(root, 'dist/mod.d.ts')), [...PUBLIC_VALUES, ...PUBLIC_TYPES].sort(), 'with types')
})

t.test('the archive holds what users need, and nothing else', async t => {
  const { files } = await packed
  const paths = files.map(({ path }) => path).sort()
  const collection =
    /^(galaxy\.yml|meta\/runtime\.yml|plugins\/modules\/vbox_\w+\.(mjs|yml)|roles\/\w+\/(defaults|meta|tasks)\/\w+\.yml)$/
  const known =
    /^(README\.md|CHANGELOG\.md|LICENSE|package\.json|docs\/[\w-]+\.md|docs\/screens\/[\w-]+\.txt|docs\/images\/\w+\.(svg|png)|playbooks\/\w+\.(mjs|ya?ml)|dist\/(cli|mod)\.js|dist\/\w+-[A-Z0-9]{8}\.js|dist\/shared-\d+\.js|dist\/mod\.d\.ts|dist\/lib\/.+\.d\.ts)$/
  t.same(
    paths.filter(path => !known.test(path) && !collection.test(path)),
    [],
  )
  for (const needed of ['dist/cli.js', 'dist/mod.js', 'dist/mod.d.ts', 'README.md', 'LICENSE']) {
    t.ok(paths.includes(needed), needed)
  }
  t.equal(files.find(({ path }) => path === 'dist/cli.js')?.mode, 0o755, 'the program can be run')
  const code = paths.filter(path => path.endsWith('.js'))
  for (const path of code) {
    const text = await readFile(join(root, path), 'utf8')
    const loaded = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName)
    for (const file of loaded.filter(name => name.startsWith('.')))
      t.ok(paths.includes(join(dirname(path), file)), file)
    t.notMatch(text, 'sourceMappingURL', `${path} names no source map that is not there`)
    t.equal(text.startsWith('#!/usr/bin/env node\n'), path === 'dist/cli.js', `first line of ${path}`)
    t.notMatch(text, '\r', `${path} has plain line ends, which a first line needs`)
  }
})

t.test('importers load no command line, and neither they nor a run without work load zx', async t => {
  const loaded = new Set<string>()
  const follow = async (file: string): Promise<void> => {
    if (loaded.has(file)) return
    loaded.add(file)
    const text = await readFile(join(root, 'dist', file), 'utf8')
    for (const [, name = ''] of text.matchAll(/^(?:import|export|\} from)[^;]*?"([^"]+)";$/gm)) {
      if (name.startsWith('./')) await follow(name.slice(2))
      else loaded.add(name)
    }
  }
  await follow('mod.js')
  t.notOk(loaded.has('cli.js') || loaded.has('commander'), [...loaded].join(' '))
  t.ok(loaded.has('valibot'))
  await follow('cli.js')
  t.ok(loaded.has('commander'))
  for (const file of [...loaded].filter(name => name.endsWith('.js'))) {
    const text = await readFile(join(root, 'dist', file), 'utf8')
    t.notMatch(text, 'This page is complete in itself', `${file} holds nothing that only reports need`)
  }
  t.notOk(loaded.has('zx') || loaded.has('zx/core'))
})

t.test('a run loads few files, and no source is in two of them', async t => {
  const dist = join(root, 'dist')
  const names = (await readdir(dist)).filter(name => name.endsWith('.js'))
  const texts = new Map<string, string>()
  for (const name of names) texts.set(name, await readFile(join(dist, name), 'utf8'))
  const loaded = new Set(['cli.js', ...names.filter(name => name.startsWith('real_operations-'))])
  for (const name of loaded) {
    for (const [, next = ''] of (texts.get(name) ?? '').matchAll(/^(?:import|\}) .*?"\.\/(.+?\.js)";$/gm))
      loaded.add(next)
  }
  t.ok(loaded.size > 2 && loaded.size <= 8, [...loaded].join(' '))
  const places = new Map<string, Set<string>>()
  for (const [name, text] of texts) {
    for (const [, source = ''] of text.matchAll(/^\/\/ (lib\/\S+\.ts)$/gm)) {
      places.set(source, (places.get(source) ?? new Set()).add(name))
    }
  }
  t.ok(places.size > 100)
  const twice = [...places].filter(([, { size }]) => size > 1)
  t.same(
    twice.map(([source, files]) => `${source}: ${[...files].join(' ')}`),
    [],
  )
})

t.test('publint and attw find nothing', { skip: skipWithout('publint', 'attw') }, async t => {
  const { archive } = await packed
  const publint = await run('publint', [archive, '--strict'])
  t.equal(publint.status, 0, publint.stdout + publint.stderr)
  t.match(publint.stdout, 'All good!')
  const attw = await run('attw', [archive, '--profile', 'esm-only', '--format', 'json'])
  t.equal(attw.status, 0, attw.stdout + attw.stderr)
  t.match(JSON.parse(attw.stdout), { analysis: { types: { kind: 'included' } } })
})

/** The names that a declaration file exports, values and types. */
function declaredNames(file: string): string[] {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
  const program = ts.createProgram([file], options)
  const source = program.getSourceFile(file)
  const symbol = source && program.getTypeChecker().getSymbolAtLocation(source)
  if (symbol === undefined) return []
  return program
    .getTypeChecker()
    .getExportsOfModule(symbol)
    .map(({ name }) => name)
    .sort()
}
