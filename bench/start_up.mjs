// node bench/start_up.mjs [--rounds N]: what vboxmerge takes when there is nothing to do. See README.md.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { makeDemoMachine } from '../scripts/demo/make_machine.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = join(root, 'dist/cli.js')
const module = join(root, 'plugins/modules/vbox_golden_image.mjs')

/** What others are compared with. */
export const FLOOR = 'node -e 0'

/** Runs Node; returns milliseconds of processor time, as bash tells them. */
function measure(args) {
  const script = 'TIMEFORMAT="%U %S"; time "$@" 2>&1 >/dev/null'
  const command = ['-c', script, 'bash', process.execPath, ...args]
  const env = { ...process.env, LC_ALL: 'C' }
  const { status, stderr } = spawnSync('bash', command, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
  const [user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number)
  return 1000 * (user + system)
}

/** Makes a machine with a disk of 2 TiB that is in its golden state, and returns its folder. */
function makeLargeMachine(folder) {
  const machine = join(folder, 'large')
  const script = join(folder, 'large.mjs')
  writeFileSync(
    script,
    `import { mkdirSync } from 'node:fs'
     import { realFiles } from ${JSON.stringify(join(root, 'lib/io/real_files.ts'))}
     import { makeMachine } from ${JSON.stringify(join(root, 'test/fixtures/machine_maker.ts'))}
     mkdirSync(${JSON.stringify(machine)})
     const content = { base: { 0: 1, 1: 2 }, one: { 1: 3 }, current: { 2: 4 } }
     const disks = [{ capacity: 2 ** 41, content }]
     await makeMachine(realFiles, ${JSON.stringify(machine)}, { name: 'large', disks, snapshots: ['one'] })`,
  )
  execFileSync(process.execPath, ['--import', join(root, 'scripts/typescript.mjs'), script])
  return machine
}

/** Measures in turns and returns the medians, in milliseconds, by what was run. */
export async function measureStartUp(rounds) {
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vboxmerge-bench-')))
  const home = join(folder, 'home')
  try {
    mkdirSync(home)
    const demo = join(folder, 'demo')
    await makeDemoMachine(root, folder, demo)
    const large = makeLargeMachine(folder)
    const options = ['--vbox-user-home', home]
    const golden = machine => [
      cli,
      'golden',
      machine,
      ...options,
      '--free-space=keep',
      '--branches=discard',
      '-q',
    ]
    const asked = join(folder, 'arguments.json')
    writeFileSync(asked, JSON.stringify({ machine: large, vbox_user_home: home, free_space: 'keep' }))
    for (const machine of [demo, large]) measure(golden(machine))
    const contestants = {
      [FLOOR]: ['-e', '0'],
      'vboxmerge --version': [cli, '--version'],
      'vboxmerge golden, nothing to do': golden(demo),
      'vboxmerge golden, nothing to do, 2 TiB': golden(large),
      'module golden_image, nothing to do, 2 TiB': [module, asked],
      'vboxmerge info': [cli, 'info', demo, ...options],
    }
    const samples = Object.fromEntries(Object.keys(contestants).map(name => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, args] of Object.entries(contestants)) samples[name].push(measure(args))
    }
    return Object.fromEntries(
      Object.entries(samples).map(([name, times]) => [name, times.sort((a, b) => a - b)[times.length >> 1]]),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Prints what was measured; tells whether all take less than three times as long as Node.js alone. */
export function printStartUp(medians) {
  let holds = true
  for (const [name, median] of Object.entries(medians)) {
    const ratio = median / medians[FLOOR]
    console.log(`${name.padEnd(44)}${median.toFixed(0).padStart(5)} ms  ${ratio.toFixed(1)} times`)
    holds &&= ratio < 3
  }
  return holds
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } })
  if (!printStartUp(await measureStartUp(Number(values.rounds)))) process.exitCode = 1
}
