// npm run bench:growth: time and memory against what grows: the disk, its data, snapshots, disks. See README.md.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openChain } from '../lib/image/chain_view.ts'
import { realFiles } from '../lib/io/real_files.ts'
import { makeMachine } from '../test/fixtures/machine_maker.ts'

const HELP = `Usage: npm run bench:growth -- [OPTIONS]

  --only NAME    size, data, snapshots or disks (default: all)
  --quick        the smallest and the middle of each only
  --folder PATH  where the machines are made (default: the folder for temporary
                 files); needs 4 GiB there, 1 GiB with --quick
`
const MIB = 2 ** 20
const GIB = 2 ** 30
const MOST_MEMORY = 150_000_000
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const meter = new URL('measure_process.mjs', import.meta.url).href

/** What grows, and the machines on the way: what is not said is one disk of 16 GiB, 13 snapshots, 64 MiB of data. */
const PARTS = {
  size: {
    title: 'size of the disk, GiB',
    rows: [16, 256, 2048].map(value => ({ value, capacity: value * GIB })),
  },
  data: {
    title: 'data in the images, MiB',
    rows: [128, 512, 2048].map(value => ({ value, data: value })),
  },
  snapshots: {
    title: 'snapshots',
    rows: [15, 60, 240, 500].map(value => ({ value, snapshots: value, data: 2 * value })),
  },
  disks: { title: 'disks', rows: [1, 2, 4, 8].map(value => ({ value, disks: value })) },
}

const { values: wanted } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
})

/** A machine whose states write everywhere on its disks, and over what the ones before wrote. */
function specOf({ capacity = 16 * GIB, data = 64, snapshots = 13, disks = 1 }) {
  const names = Array.from({ length: snapshots }, (_, at) => `s${at + 1}`)
  const states = ['base', ...names.slice(1), 'current']
  const blocks = Math.floor(capacity / MIB)
  const each = Math.max(1, Math.round(data / states.length))
  const contentOf = at => {
    const content = {}
    for (let count = 0; count < each; count++) {
      // Every other block lies in one region that all states write to.
      const hot = count % 2 === 0
      const block = hot ? count : Math.floor(((at * each + count) * 7919 * (blocks / 65536)) % blocks)
      content[block] = at + 1
    }
    return content
  }
  const content = Object.fromEntries(states.map((state, at) => [state, contentOf(at)]))
  return {
    name: 'growth',
    snapshots: names,
    moved: true,
    disks: Array.from({ length: disks }, () => ({ capacity, content })),
  }
}

function run(args, folder) {
  const report = join(folder, 'report.json')
  const env = { ...process.env, VBOXMERGE_BENCH_REPORT: report }
  const started = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['--import', meter, cli, ...args], {
    env,
    encoding: 'utf8',
  })
  const seconds = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
  const { peakBytes, ownCpuSeconds } = JSON.parse(readFileSync(report, 'utf8'))
  return { seconds, cpuSeconds: ownCpuSeconds, peakBytes }
}

/** Compares each block that a state wrote, and the one behind it, with what the machine was made to hold. */
async function check(made, { disks }) {
  for (const [disk, { content }] of disks.entries()) {
    const image = made.imageOf('s1', disk)
    const wantedBytes = made.contentOf('current', disk)
    const view = await openChain(realFiles, [image.path])
    const buffer = new Uint8Array(4096)
    const touched = new Set(Object.values(content).flatMap(blocks => Object.keys(blocks).map(Number)))
    for (const block of touched) {
      for (const position of [block * MIB, Math.min((block + 1) * MIB, view.capacity - 4096)]) {
        await view.read(buffer, position)
        if (!wantedBytes.bytes(position, 4096).equals(buffer))
          throw new Error(`Cannot go on: byte ${position} of disk ${disk} reads otherwise than before`)
      }
    }
    await view.close()
  }
}

async function measure(folder, row) {
  const spec = specOf(row)
  mkdirSync(folder)
  const made = await makeMachine(realFiles, folder, spec)
  execFileSync('sync', ['--file-system', folder])
  const machine = [made.settingsFile, '--vbox-user-home', join(folder, 'registry'), '--quiet']
  const merge = run(['merge', ...machine, '--engine=direct'], folder)
  await check(made, spec)
  const golden = run(['golden', ...machine, '--engine=direct'], folder)
  const nothing = run(['golden', ...machine], folder)
  const info = run(['info', ...machine], folder)
  rmSync(folder, { recursive: true })
  return { value: row.value, merge, golden, nothing, info }
}

const COLUMNS = ['merge', 'golden', 'nothing', 'info']

function print({ value, ...runs }) {
  const cells = COLUMNS.map(name => {
    const { seconds, cpuSeconds, peakBytes } = runs[name]
    const text = `${seconds.toFixed(2)} ${cpuSeconds.toFixed(2)} ${(peakBytes / 1e6).toFixed(0).padStart(3)}`
    return text.padStart(18)
  })
  console.log([String(value).padStart(8), ...cells].join(' '))
}

/** Prints whether processor time grows no faster than what grows, and whether memory stays small. */
function judge(rows) {
  let holds = true
  const [first, last] = [rows[0], rows.at(-1)]
  for (const name of COLUMNS) {
    const grown = last[name].cpuSeconds / first[name].cpuSeconds
    const peak = Math.max(...rows.map(row => row[name].peakBytes))
    const isFine = grown <= last.value / first.value && peak < MOST_MEMORY
    holds &&= isFine
    const text = `${grown.toFixed(1)} times the processor time, at most ${(peak / 1e6).toFixed(0)} MB`
    console.log(`${isFine ? 'holds:' : 'DOES NOT HOLD:'} ${name}: ${text}`)
  }
  return holds
}

async function main() {
  if (wanted.help) return console.log(HELP)
  const parts = wanted.only === undefined ? Object.keys(PARTS) : [wanted.only]
  if (!parts.every(part => part in PARTS)) throw new Error(HELP)
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const top = realpathSync(mkdtempSync(join(wanted.folder, 'vboxmerge-bench-')))
  console.log('seconds, processor seconds and megabytes of memory; after merge, golden (a base snapshot and')
  console.log('compaction), golden with nothing to do, and info')
  try {
    for (const part of parts) {
      const { title, rows } = PARTS[part]
      console.log(`\n${title}\n${[' '.repeat(8), ...COLUMNS.map(name => name.padStart(18))].join(' ')}`)
      const found = []
      for (const row of wanted.quick ? rows.slice(0, 2) : rows) {
        found.push(await measure(join(top, part), row))
        print(found.at(-1))
      }
      if (!judge(found)) process.exitCode = 1
    }
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
