import { delimiter } from 'node:path'
import t from 'tap'
import { run, setupFolder, skipWithout } from '../fixtures/setup_programs.ts'
import { sample, thorough } from '../fixtures/test_run.ts'

// The same test files that Node runs, run by Deno: every second of the core in each run, all of it in CI.

const CORE = [
  'test/blocks/owner_map',
  'test/engine/direct/fold_image',
  'test/engine/direct/fold_range',
  'test/ensure/plan_tree',
  'test/image/vdi',
  'test/io/extent_sharer',
  'test/io/real_files',
  'test/io/system_number',
  'test/machine/edit_media',
  'test/machine/xml',
]

const ALL = [
  ...['test/blocks', 'test/engine/direct', 'test/image', 'test/options', 'test/machine'],
  ...['test/ensure/crash', 'test/ensure/merge_options', 'test/ensure/order', 'test/ensure/plan_tree'],
  ...[
    'test/io/counting',
    'test/io/crash',
    'test/io/extent_sharer',
    'test/io/faulty',
    'test/io/memory',
    'test/io/pending',
    'test/io/real',
    'test/io/system_number',
  ],
  ...['test/face/cli/argument', 'test/face/cli/command', 'test/face/cli/json', 'test/face/cli/run_cli'],
]
// Not the others: they start helpers with the program that runs them, which must be Node, and the model of
// test/io/recorded_files has the errors of Node.

const isCI = process.env.CI === 'true'

t.setTimeout(600_000)

t.test('Deno passes the tests that Node passes', { skip: skipWithout('deno') }, async t => {
  const PATH = [process.env.PATH, setupFolder].join(delimiter)
  // What takes long is tried at length under Node.
  const short = {
    VBOXMERGE_BUDGET: isCI ? '5' : '0.3',
    ...(isCI ? {} : { VBOXMERGE_RANDOM_SECONDS: '0.3' }),
    CRASH_SECONDS: '10',
    PLAN_EXHAUSTIVE: '',
  }
  const env = { ...process.env, PATH, VBOXMERGE_JOBS: '1', ...short }
  const filters = isCI ? ALL : sample(CORE, 2)
  const args = ['scripts/test.mjs', '--no-build', '--deno', ...filters]
  const { status, stdout, stderr } = await run(process.execPath, args, { env })
  t.comment(stdout.trimEnd().split('\n').slice(-2).join('; '))
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(stdout) ?? []
  t.equal(failed, '0', stdout + stderr)
  // Random suites get less done in their seconds on a busy computer.
  const least = isCI ? 5000 : thorough ? 600 : 100
  t.ok(Number(passed) > least, `${passed} assertions`)
  t.equal(status, 0)
})
