// npm run bench:ansible: what it costs to ask many hosts whether anything is to be done. See README.md.
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { realFiles } from '../lib/io/real_files.ts'
import { makeMachine } from '../test/fixtures/machine_maker.ts'
import { processorSeconds } from './virtualbox.mjs'

const HELP = `Usage: npm run bench:ansible -- [OPTIONS]

  --hosts N    hosts of the inventory, each with a machine of its own (default: 100)
  --rounds N   how often each is measured, in turn (default: 3)
  --forks N    hosts at a time (default: 2)
`
const GIB = 2 ** 30
const root = fileURLToPath(new URL('..', import.meta.url))
const options = readArguments()
const folder = mkdtempSync(join(tmpdir(), 'vboxmerge-bench-'))

/** What is measured, as the task of a playbook. */
const TASKS = {
  'ansible.builtin.ping': {},
  'vboxmerge.virtualbox.vbox_golden_image': {
    machine: '{{ folder }}',
    free_space: 'keep',
    vbox_user_home: join(folder, 'registry'),
  },
}

try {
  await makeMachines()
  const runs = []
  console.log(`${options.hosts} hosts, ${options.forks} forks; load ${loadavg()[0].toFixed(1)}`)
  for (let round = 1; round <= options.rounds; round++) {
    const names = Object.keys(TASKS)
    for (const name of round % 2 === 0 ? names.reverse() : names) {
      const run = { name, ...(await measure(name)) }
      runs.push(run)
      tell(`round ${round}`, run)
    }
  }
  const [ping, golden] = Object.keys(TASKS).map(name => median(runs.filter(run => run.name === name)))
  tell('median', ping)
  tell('median', golden)
  const more = ((golden.cpu - ping.cpu) / options.hosts) * 1000
  console.log(`vbox_golden_image takes ${more.toFixed(0)} ms more of a processor than ping, for each host`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function readArguments() {
  const number = value => ({ type: 'string', default: value })
  const { values } = parseArgs({
    options: { hosts: number('100'), rounds: number('3'), forks: number('2'), help: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    process.exit(0)
  }
  const [hosts, rounds, forks] = [values.hosts, values.rounds, values.forks].map(Number)
  if (![hosts, rounds, forks].every(count => Number.isSafeInteger(count) && count > 0)) {
    process.stderr.write(HELP)
    process.exit(2)
  }
  return { hosts, rounds, forks }
}

/** One machine with a disk of 40 GiB is brought into its golden state, and copied for every host. */
async function makeMachines() {
  const first = join(folder, 'machines', '1')
  mkdirSync(first, { recursive: true })
  const disks = [{ capacity: 40 * GIB, content: { base: { 0: 1, 1: 2 }, one: { 1: 3 }, current: { 2: 4 } } }]
  const { settingsFile } = await makeMachine(realFiles, first, { name: 'web', disks, snapshots: ['one'] })
  const module = join(root, 'plugins/modules/vbox_golden_image.mjs')
  const input = JSON.stringify({ ...TASKS['vboxmerge.virtualbox.vbox_golden_image'], machine: settingsFile })
  execFileSync(process.execPath, [module], { input })
  const hosts = {}
  for (let host = 1; host <= options.hosts; host++) {
    const own = join(folder, 'machines', String(host))
    if (host > 1) cpSync(first, own, { recursive: true })
    hosts[`host${host}`] = { folder: own }
  }
  const vars = { ansible_connection: 'local', ansible_python_interpreter: '{{ ansible_playbook_python }}' }
  writeFileSync(join(folder, 'inventory.json'), JSON.stringify({ all: { vars, hosts } }))
  for (const [name, task] of Object.entries(TASKS)) {
    const play = { name: 'Ask', hosts: 'all', gather_facts: false, tasks: [{ name: 'Ask', [name]: task }] }
    writeFileSync(join(folder, `${name}.yml`), JSON.stringify([play]))
  }
}

async function measure(name) {
  const args = [
    '-i',
    join(folder, 'inventory.json'),
    '--forks',
    String(options.forks),
    join(folder, `${name}.yml`),
  ]
  const env = { ...process.env, ANSIBLE_HOME: folder, ANSIBLE_NOCOLOR: '1' }
  const before = processorSeconds(process.pid).children
  const started = performance.now()
  const child = spawn('ansible-playbook', args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', piece => (text += piece))
  const status = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  const seconds = (performance.now() - started) / 1000
  const asWanted = text.match(/ok=1 +changed=0 +unreachable=0 +failed=0/g)?.length ?? 0
  if (status !== 0 || asWanted !== options.hosts)
    throw new Error(`Cannot measure ${name}: ${text.slice(-2000)}`)
  return { seconds, cpu: processorSeconds(process.pid).children - before }
}

function tell(label, { name, seconds, cpu }) {
  const perHost = ((seconds / options.hosts) * 1000).toFixed(0)
  console.log(
    `${label}: ${seconds.toFixed(1)} s (${perHost} ms a host), ${cpu.toFixed(1)} s of processors  ${name}`,
  )
}

function median(runs) {
  const middle = key => runs.map(run => run[key]).sort((a, b) => a - b)[Math.floor(runs.length / 2)]
  return { name: runs[0].name, seconds: middle('seconds'), cpu: middle('cpu') }
}
