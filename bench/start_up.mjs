// node bench/start_up.mjs [--rounds N]: what vboxmerge takes when there is nothing to do. See README.md.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeDemoMachine } from '../scripts/demo/make_machine.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/cli.js')
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } })
if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vboxmerge-bench-')))
const home = join(folder, 'home')
const machine = join(folder, 'demo')
const onMachine = [machine, '--vbox-user-home', home]
const golden = [cli, 'golden', ...onMachine, '--free-space=keep', '--branches=discard', '--quiet']
/** It reads what lies on the disks, which is not nothing; it is measured, and nothing is claimed. */
const INFO = 'vboxmerge info'
const contestants = {
  'node -e 0': ['-e', '0'],
  'vboxmerge --version': [cli, '--version'],
  'vboxmerge golden, nothing to do': golden,
  [INFO]: [cli, 'info', ...onMachine],
}

/** Runs Node; returns milliseconds of processor time, as bash tells them. */
function measure(args) {
  const script = 'TIMEFORMAT="%U %S"; time "$@" 2>&1 >/dev/null'
  const command = ['-c', script, 'bash', process.execPath, ...args]
  const { status, stderr } = spawnSync('bash', command, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
  const [user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number)
  return 1000 * (user + system)
}

try {
  mkdirSync(home)
  await makeDemoMachine(root, folder, machine)
  measure(golden)
  const samples = Object.fromEntries(Object.keys(contestants).map(name => [name, []]))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, args] of Object.entries(contestants)) samples[name].push(measure(args))
  }
  const median = name => samples[name].sort((a, b) => a - b)[samples[name].length >> 1]
  const floor = median('node -e 0')
  for (const name of Object.keys(contestants)) {
    const ratio = median(name) / floor
    console.log(`${name.padEnd(34)}${median(name).toFixed(0).padStart(5)} ms  ${ratio.toFixed(1)} times`)
    if (ratio >= 3 && name !== INFO) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
