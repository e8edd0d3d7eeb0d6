// node bench/merge_snapshots.mjs: how long merging 13 snapshots takes VirtualBox and takes vboxmerge. See README.md.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FILE_SYSTEMS, mountFileSystem } from './file_system.mjs'
import { dropFromCache, flush, makeMachine } from './make_machine.mjs'
import { makeRecipe } from './recipe.mjs'
import { printHead, printMedians, printRun, printVerdict } from './report.mjs'
import { findVBoxManage, isolatedVirtualBox, processorSeconds } from './virtualbox.mjs'

const HELP = `Usage: node bench/merge_snapshots.mjs [OPTIONS]

  --scale N      size of the machine; 1 is a base of 2 GiB and 13 snapshots of
                 512 MiB each (default: 0.25); takes twice that on the disk
  --rounds N     how often each is measured, in turn (default: 3)
  --only PART    merge or golden (default: both)
  --seed N       what the machine is drawn from (default: 1)
  --folder PATH  where the machine is made (default: the folder for temporary
                 files)
  --file-system KIND  ext4, xfs or btrfs: make one in a file in that folder, and
                 the machine there; needs root
  --warm         leave the images in the cache of the system
`

const NAME = 'bench'
const MIB = 2 ** 20

/** Room for the machine at scale 1, twice and with what VirtualBox needs while it works. */
const FILE_SYSTEM_BYTES = 30 * 2 ** 30
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const meter = new URL('measure_process.mjs', import.meta.url).href

const wanted = readArguments()
const scale = Number(wanted.scale)
const rounds = Number(wanted.rounds)
const seed = Number(wanted.seed)

/** The two things measured; the first contestant is what the others are compared with. */
const PARTS = {
  merge: {
    title: 'merge: 13 snapshots into the base',
    zeros: 0,
    command: ['merge'],
    outcome: { snapshots: 0, images: 1 },
    contestants: [
      { name: 'VirtualBox: snapshot delete x 13', registered: true, work: deleteAll },
      { name: 'vboxmerge merge', registered: false, work: callCli },
      { name: 'vboxmerge merge, registered', registered: true, work: callCli },
    ],
  },
  golden: {
    title: 'golden: merge, drop the blocks of zeros (one in eight), take the snapshot Base',
    zeros: 1 / 8,
    command: ['golden', '--free-space=keep'],
    outcome: { snapshots: 1, images: 2 },
    contestants: [
      { name: 'VirtualBox: delete x 13, compact, take', registered: true, work: deleteCompactTake },
      { name: 'vboxmerge golden', registered: false, work: callCli },
    ],
  },
}

function readArguments() {
  const text = value => ({ type: 'string', default: value })
  const flag = { type: 'boolean', default: false }
  const options = {
    scale: text('0.25'),
    rounds: text('3'),
    seed: text('1'),
    only: text('both'),
    folder: text(tmpdir()),
    'file-system': { type: 'string' },
    warm: flag,
    help: flag,
  }
  try {
    return parseArgs({ options }).values
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${HELP}`)
    process.exit(2)
  }
}

async function main() {
  if (wanted.help) return process.stdout.write(HELP)
  const parts = wanted.only === 'both' ? Object.keys(PARTS) : [wanted.only]
  const kind = wanted['file-system']
  const isKnown = kind === undefined || FILE_SYSTEMS.includes(kind)
  if (
    !(scale > 0 && rounds >= 1 && Number.isInteger(seed) && parts.every(part => part in PARTS) && isKnown)
  ) {
    process.stderr.write(HELP)
    process.exitCode = 2
    return
  }
  const vboxmanage = findVBoxManage()
  if (vboxmanage === undefined || process.platform !== 'linux') {
    const help = 'on Debian 12, as root, scripts/setup/virtualbox.sh installs one for tests'
    console.error(`Cannot compare: this needs Linux and a VBoxManage that works, and found none; ${help}`)
    process.exitCode = 1
    return
  }
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const top = realpathSync(mkdtempSync(join(wanted.folder, 'vboxmerge-bench-')))
  const mounted =
    kind === undefined ? undefined : mountFileSystem(kind, top, FILE_SYSTEM_BYTES * Math.max(scale, 0.1))
  const folder = mounted?.folder ?? top
  const home = mkdtempSync(join(realpathSync(tmpdir()), 'vboxmerge-bench-home-'))
  const virtualBox = isolatedVirtualBox(vboxmanage, home)
  const cleanUp = async () => {
    await virtualBox.stop()
    mounted?.remove()
    rmSync(top, { recursive: true, force: true, maxRetries: 3 })
  }
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.once(signal, () => cleanUp().finally(() => process.exit(status)))
  }
  try {
    const where = kind === undefined ? '' : `, ${kind}`
    console.log(
      `VirtualBox ${virtualBox.version}, Node.js ${process.version}, scale ${scale}, seed ${seed}${where}`,
    )
    for (const part of parts) await measurePart(virtualBox, folder, PARTS[part])
  } finally {
    await cleanUp()
  }
}

async function measurePart(virtualBox, folder, part) {
  const recipe = makeRecipe({ scale, seed, zeros: part.zeros })
  checkSpace(folder, recipe)
  const original = join(folder, 'original')
  console.log(`\n${part.title}`)
  console.log(`making a disk of ${recipe.capacityMiB} MiB with ${recipe.dataMiB} MiB in 14 images …`)
  await makeMachine(virtualBox, original, NAME, recipe)
  const digest = (await look(virtualBox, original)).digest
  const results = []
  printHead()
  for (let round = 1; round <= rounds; round++) {
    // Who comes first may find the disk busy with what was before, so they change places.
    const { contestants } = part
    const order = round % 2 === 1 ? contestants : [...contestants].reverse()
    for (const contestant of order) {
      const measured = await measureUndisturbed(virtualBox, folder, original, part, contestant)
      const sound = measured.digest === digest && isWanted(measured, part.outcome)
      results.push({ round, contestant: contestant.name, ...measured, sound })
      printRun(results.at(-1))
    }
  }
  rmSync(original, { recursive: true })
  const names = part.contestants.map(({ name }) => name)
  printMedians(names, results)
  if (!printVerdict(names, results, { isFullSize: scale >= 0.25 })) process.exitCode = 1
}

function checkSpace(folder, { dataMiB }) {
  const { bavail, bsize } = statfsSync(folder)
  const needed = 2.2 * dataMiB * MIB
  if (bavail * bsize >= needed) return
  const free = `${Math.floor((bavail * bsize) / MIB)} MiB are free`
  throw new Error(
    `Cannot make the machine: it needs ${Math.ceil(needed / MIB)} MiB, and ${free}; lower --scale`,
  )
}

/**
 * Measures a run, again where VirtualBox's server was not the same all the time: a client that meets one that
 * comes or goes hangs for ten seconds, which has nothing to do with the work.
 */
async function measureUndisturbed(...args) {
  for (let attempt = 0; attempt < 5; attempt++) {
    const measured = await measureRun(...args)
    if (!measured.disturbed) return measured
    console.log('VBoxSVC came or went in the middle of a run; measuring that one again')
  }
  throw new Error('Cannot measure: VBoxSVC came or went in the middle of five runs')
}

async function measureRun(virtualBox, folder, original, part, contestant) {
  const copy = join(folder, 'copy')
  const settingsFile = join(copy, NAME, `${NAME}.vbox`)
  execFileSync('cp', ['--archive', '--sparse=auto', '--reflink=never', original, copy])
  flush(copy)
  if (!wanted.warm) dropFromCache(copy)
  if (contestant.registered) {
    await virtualBox.wake()
    await virtualBox.manage('registervm', settingsFile)
  } else {
    await virtualBox.settle()
  }
  const isVirtualBox = contestant.work !== callCli
  const run = { virtualBox, settingsFile, disk: join(copy, NAME, 'disk.vdi'), command: part.command }
  const servers = virtualBox.servers().join()
  const before = taken(virtualBox)
  const started = performance.now()
  const measured = await contestant.work(run)
  const seconds = (performance.now() - started) / 1000
  const after = taken(virtualBox)
  const disturbed = isVirtualBox && virtualBox.servers().join() !== servers
  flush(copy)
  const secondsToDisk = (performance.now() - started) / 1000
  const taking = Object.fromEntries(Object.keys(after).map(key => [key, after[key] - before[key]]))
  if (contestant.registered) await virtualBox.manage('unregistervm', NAME)
  await virtualBox.settle()
  const found = await look(virtualBox, copy)
  rmSync(copy, { recursive: true })
  return { seconds, secondsToDisk, ...taking, ...measured, ...found, disturbed }
}

/** What VirtualBox's servers and all programs started here have taken so far. */
function taken(virtualBox) {
  const servers = virtualBox.taken()
  return { ...servers, cpuSeconds: servers.cpuSeconds + processorSeconds('self').children }
}

async function deleteAll({ virtualBox }) {
  for (let state = 13; state >= 1; state--) await virtualBox.manage('snapshot', NAME, 'delete', `s${state}`)
}

async function deleteCompactTake(run) {
  await deleteAll(run)
  await run.virtualBox.manage('modifymedium', 'disk', run.disk, '--compact')
  await run.virtualBox.manage('snapshot', NAME, 'take', 'Base')
}

/** Runs our command line and returns what it took. */
async function callCli({ virtualBox, settingsFile, command }) {
  const report = `${settingsFile}-measured.json`
  const [name, ...options] = command
  const args = ['--import', meter, cli, name, settingsFile, '--engine=direct', '--quiet', ...options]
  await runNode(args, { ...virtualBox.env, VBOXMERGE_BENCH_REPORT: report })
  return JSON.parse(readFileSync(report, 'utf8'))
}

/** Returns the digest of what the guest sees, and what the machine consists of. */
async function look(virtualBox, folder) {
  const settingsFile = join(folder, NAME, `${NAME}.vbox`)
  const info = JSON.parse(await runNode([cli, 'info', settingsFile, '--digest', '--json'], virtualBox.env))
  const { summary, digests } = info.machines?.[0] ?? info
  return {
    digest: digests[0].sha256,
    snapshots: summary.snapshots,
    images: summary.images,
    bytes: summary.bytes,
  }
}

function isWanted(found, outcome) {
  return Object.entries(outcome).every(([key, value]) => found[key] === value)
}

function runNode(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', part => {
      text += part
    })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (status === 0) resolve(text)
      else reject(new Error(`node ${args.join(' ')} ended with ${signal ?? status}`))
    })
  })
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
