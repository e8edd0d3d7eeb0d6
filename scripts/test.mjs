// npm test [-- FILTER…] [--no-build] [--coverage] [--deno]
//
// Builds dist/, then runs each test file with a Node process of its own, one more at a time than there are
// processors. A FILTER is a part of a test file's path. The last line reads "N passed, N failed" or
// "N passed, N failed, N skipped"; the numbers count single assertions (a test that is skipped counts as
// one, and so does a file or a build step that breaks). With --deno, the files are run by the `deno` on PATH.
// Comments of a test are shown when it fails; those that begin with "table: " always.
//
//   CI=true               type check and Biome as well
//   VBOXMERGE_NO_SKIP=1   a skipped test is a failure
//   VBOXMERGE_JOBS=N      so many files at a time
//   VBOXMERGE_FILE_LIMIT  seconds after which a test file is ended by force (900)
//   TAP_TIMEOUT           seconds a test file may take (120) unless it calls t.setTimeout()
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { bundledTest, bundleTests } from './bundle_tests.mjs'
import { ensureInstalled } from './ensure_installed.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const filters = process.argv.slice(2).filter(argument => !argument.startsWith('-'))
const flags = process.argv.slice(2).filter(argument => argument.startsWith('-'))
const unknown = flags.find(flag => !['--no-build', '--coverage', '--deno'].includes(flag))
if (unknown) {
  console.error(`Cannot test: unknown option ${unknown}`)
  process.exit(2)
}
const isCI = process.env.CI === 'true'
// One more than there are processors: many tests wait for VirtualBox. Those with large budgets do not.
const jobs = Number(process.env.VBOXMERGE_JOBS) || availableParallelism() + (isCI ? 0 : 1)
const fileLimit = (Number(process.env.VBOXMERGE_FILE_LIMIT) || 900) * 1000
const noSkip = process.env.VBOXMERGE_NO_SKIP === '1'

/** What takes longest by default, the longest first: begun with, so that no processor idles at the end. */
const LONGEST = [
  'test/integration/virtualbox_engine.test.ts',
  'test/integration/virtualbox_kills.test.ts',
  'test/integration/machine_maker.test.ts',
  'test/integration/clone.test.ts',
  'test/integration/virtualbox_recovery.test.ts',
  'test/integration/ansible_virtualbox.test.ts',
  'test/integration/ansible_playbooks.test.ts',
  'test/integration/undo.test.ts',
  'test/integration/playbooks_zx.test.ts',
  'test/integration/deno.test.ts',
  'test/integration/ansible_collection.test.ts',
  'test/integration/consumers.test.ts',
  'test/integration/image.test.ts',
  'test/integration/hostile_names.test.ts',
  'test/guest/filesystems/ntfs/ntfs.test.ts',
  'test/guest/disks.test.ts',
  'test/docs/console.test.ts',
  'test/ensure/merge_options.test.ts',
  'test/ensure/free_space.test.ts',
  'test/engine/virtualbox/virtualbox_engine.test.ts',
]

/** How the comments begin that are lines of a test's own tables. */
const TABLE = '# table: '

const total = { passed: 0, failed: 0, skipped: 0 }
const skips = []
const running = new Set()

/** Where in the order a test file stands; others that need real tools come behind the longest. */
function turnOf(file) {
  const place = LONGEST.indexOf(file)
  if (place >= 0) return place
  return LONGEST.length + (file.startsWith('test/integration/') ? 0 : 1)
}

function testFiles() {
  const files = readdirSync('test', { recursive: true })
    .map(file => `test/${file}`.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.test.ts'))
    .filter(
      file => filters.length === 0 || filters.some(filter => file.includes(filter.replace(/^\.\//, ''))),
    )
  return files.sort((a, b) => turnOf(a) - turnOf(b) || (a < b ? -1 : 1))
}

function step(name, file, ...args) {
  const started = Date.now()
  const result = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  const ok = result.status === 0
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds(started)})`)
  if (ok) return
  total.failed++
  console.log(indent(`${result.stdout}${result.stderr}${result.error ?? ''}`.trimEnd()))
}

/** The command that runs a test file. */
function commandFor(file) {
  if (flags.includes('--deno')) {
    const options = ['--allow-all', '--no-check', '--quiet', '--preload=scripts/tap_in_deno.mjs']
    return ['deno', 'run', ...options, file]
  }
  return [process.execPath, '--enable-source-maps', bundledTest(file)]
}

/** Runs one test file; resolves with what its line and its counts need. */
function run(file, Parser) {
  const started = Date.now()
  const outcome = { file, passed: 0, skips: [], failures: [], comments: [], noise: '' }
  const [command, ...args] = commandFor(file)
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { TAP_TIMEOUT: '120', ...process.env, TAP: '1' },
  })
  running.add(child)
  const limit = setTimeout(() => {
    outcome.failures.push({ name: `was ended after ${fileLimit / 1000} s` })
    child.kill('SIGKILL')
  }, fileLimit)

  const parser = new Parser()
  follow(parser, [], outcome)
  child.stdout.setEncoding('utf8').on('data', text => parser.write(text))
  child.stderr.setEncoding('utf8').on('data', text => {
    outcome.noise += text
  })
  return new Promise(resolve => {
    child.on('error', error => outcome.failures.push({ name: `did not start: ${error.message}` }))
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      running.delete(child)
      parser.end()
      if ((code !== 0 || signal) && outcome.failures.length === 0) {
        outcome.failures.push({ name: `ended with ${signal ?? `exit status ${code}`}` })
      }
      if (outcome.isEmpty && outcome.failures.length === 0) outcome.failures.push({ name: 'holds no test' })
      resolve({ ...outcome, time: seconds(started) })
    })
  })
}

/** Collects the assertions of a TAP stream and of the subtests in it. */
function follow(parser, path, outcome) {
  let nested = 0
  parser.on('child', child => {
    nested++
    follow(child, [...path, child.name], outcome)
  })
  parser.on('assert', result => {
    const closesSubtest = nested > 0
    nested = 0
    const name = [...path, result.name.replace(/ # time=.*/, '')].join(' › ')
    if (result.skip || result.todo) {
      outcome.skips.push({ name, reason: reason(result.skip) ?? reason(result.todo) ?? 'no reason given' })
    } else if (!result.ok) {
      // A subtest fails because something in it did, which has been noted already, or because of itself.
      const known = closesSubtest && outcome.failures.some(failure => failure.name.startsWith(`${name} › `))
      if (!known) outcome.failures.push({ name, diag: result.diag })
    } else if (!closesSubtest) {
      outcome.passed++
    }
  })
  parser.on('bailout', why => outcome.failures.push({ name: [...path, `bailed out: ${why}`].join(' › ') }))
  parser.on('comment', text => {
    // The test's own words, such as the seed it ran with; not those that tap adds.
    if (!/^\s*# (Subtest: |time=|\{ total: )/.test(text)) outcome.comments.push(text.trim())
  })
  parser.on('extra', text => {
    if (!/^\s*#|^TAP version/.test(text)) outcome.noise += text
  })
  parser.on('complete', ({ plan, failures }) => {
    const isEmpty = plan.skipAll && plan.skipReason === 'no tests found'
    if (isEmpty && path.length === 0) {
      outcome.isEmpty = true
    } else if (plan.skipAll && path.length === 0) {
      outcome.skips.push({ name: 'the whole file', reason: plan.skipReason || 'no reason given' })
    }
    // What breaks TAP itself: a missing plan, a wrong count.
    for (const failure of failures) {
      if (failure.tapError && !(failure.tapError === 'no plan' && outcome.failures.length > 0)) {
        outcome.failures.push({ name: [...path, failure.tapError].join(' › ') })
      }
    }
  })
}

function reason(value) {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function report(outcome) {
  total.passed += outcome.passed
  total.failed += outcome.failures.length
  total.skipped += outcome.skips.length
  skips.push(...outcome.skips.map(skip => ({ ...skip, file: outcome.file })))
  const counts = [`${outcome.passed} passed`]
  if (outcome.failures.length > 0) counts.push(`${outcome.failures.length} failed`)
  if (outcome.skips.length > 0) counts.push(`${outcome.skips.length} skipped`)
  const bad = outcome.failures.length > 0
  console.log(`${bad ? 'FAIL' : 'ok  '} ${outcome.file} (${counts.join(', ')}, ${outcome.time})`)
  for (const { name, diag } of outcome.failures) {
    console.log(`\n  not ok: ${name}`)
    if (diag) console.log(indent(readable(diag), 4))
  }
  const isTable = text => text.startsWith(TABLE)
  const table = outcome.comments.filter(isTable).map(text => text.slice(TABLE.length))
  if (table.length > 0) console.log(indent(table.join('\n')))
  const words = [...new Set(outcome.comments.filter(text => !isTable(text)))]
  if (bad && words.length > 0) console.log(`\n${indent(words.join('\n'))}`)
  if (outcome.noise && (bad || filters.length > 0)) {
    console.log(`\n  its other output:\n${indent(outcome.noise.trimEnd(), 4)}`)
  }
  if (bad) console.log()
}

function readable(diag) {
  return Object.entries(diag)
    .map(([key, value]) => {
      if (key === 'at' && value?.fileName)
        return `at: ${value.fileName}:${value.lineNumber}:${value.columnNumber}`
      if (typeof value !== 'string') return `${key}: ${inspect(value, { depth: 6 })}`
      return value.includes('\n') ? `${key}:\n${indent(value.trimEnd())}` : `${key}: ${value}`
    })
    .join('\n')
}

function indent(text, by = 2) {
  return text.replace(/^(?=.)/gm, ' '.repeat(by))
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}

async function bundle(files) {
  try {
    await bundleTests(files)
    return true
  } catch (error) {
    total.failed++
    console.log(`FAIL tests that are no TypeScript\n${indent(error.message)}`)
    return false
  }
}

async function runAll(files) {
  const { Parser } = await import('tap-parser')
  const waiting = [...files]
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) report(await run(file, Parser))
  }
  await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, worker))
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal)
    process.exit(130)
  })
}

ensureInstalled()
if (flags.includes('--coverage')) {
  const args = ['--coverage-report=text', '--allow-incomplete-coverage', `--jobs=${jobs}`, '--timeout=300']
  const tap = spawnSync('npx', ['tap', ...args, ...testFiles()], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exit(tap.status ?? 1)
}

const started = Date.now()
if (!flags.includes('--no-build')) step('build', 'scripts/build.mjs')
if (isCI) {
  step('type check', 'node_modules/typescript/bin/tsc', '--noEmit')
  step('format and lint', 'node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off')
}
const files = testFiles()
if (files.length === 0) {
  total.failed++
  console.log(`FAIL no test file fits ${filters.join(' ')}`)
}
const isBundled = flags.includes('--deno') || (await bundle(files))
if (isBundled) await runAll(files)

if (skips.length > 0) console.log(`\nskipped${noSkip ? ', which VBOXMERGE_NO_SKIP=1 makes failures' : ''}:`)
for (const { file, name, reason } of skips) console.log(`  ${file}: ${name}: ${reason}`)
if (noSkip) {
  total.failed += total.skipped
  total.skipped = 0
}
console.log(`\n${files.length} files in ${seconds(started)}`)
const { passed, failed, skipped } = total
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 ? 1 : 0
