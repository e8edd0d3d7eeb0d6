import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { VERSION } from '../../../lib/version.ts'

const root = new URL('../../../', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const main = fileURLToPath(new URL('dist/cli.js', root))

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, VBOX_USER_HOME: t.testdirName }
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env })
  return { status, stdout, stderr }
}

t.test('the built program tells its version', async t => {
  t.strictSame(run('--version'), { status: 0, stdout: `vboxmerge ${version}\n`, stderr: '' })
  t.equal(VERSION, version, 'and so do the sources')
  t.equal(JSON.parse(readFileSync(new URL('deno.json', root), 'utf8')).version, version, 'and deno.json')
})

t.test('the built program prints its help', async t => {
  const { status, stdout, stderr } = run()
  t.strictSame([status, stderr], [0, ''])
  t.match(stdout, /^Usage: vboxmerge MACHINE \[OPTIONS\]\n/)
})

t.test('the built program refuses what it does not know', async t => {
  const { status, stdout, stderr } = run('merge', 'web', '--frobnicate')
  t.strictSame([status, stdout], [2, ''])
  t.match(stderr, /^error: Cannot read the command line: unknown option '--frobnicate'/)
})

t.test('the built program refuses a machine that is not there', async t => {
  const missing = run('merge', './nowhere/nothing.vbox', '--json')
  t.equal(missing.status, 3)
  t.match(JSON.parse(missing.stdout), { failed: true, code: 'machine_not_found', changed: false })
})
