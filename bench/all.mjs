// npm run bench: everything that is claimed about speed, measured side by side. See README.md.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statfsSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bytesClaims, floorClaims, golden, memoryClaim, speedClaim } from './claims.mjs'
import { cloning, goldening, goldeningGuest, merging } from './contestants.mjs'
import { mountFileSystem } from './file_system.mjs'
import { makeGuest } from './guest_disk.mjs'
import { makeMachine } from './make_machine.mjs'
import { cli, look, measure, NAME } from './measure_run.mjs'
import { makeRecipe, recipeOf } from './recipe.mjs'
import { printClaims, printHead, printMedians, printRatios, printRun } from './report.mjs'
import { FLOOR, measureStartUp, printStartUp } from './start_up.mjs'
import { findVBoxManage, isolatedVirtualBox } from './virtualbox.mjs'

const HELP = `Usage: npm run bench -- [OPTIONS]

  --quick         small machines, one round: some three minutes
  --only PARTS    of article, xfs, btrfs, hot, many, huge, disks, guest, start,
                  separated by commas (default: all)
  --scale N       size of the machines; 1 is a base of 2 GiB and 13 snapshots of
                  512 MiB each (default: 0.25); on xfs and btrfs 8 times that,
                  or 4 times on a disk that takes less than 1 GiB a second
  --rounds N      how often each is measured, in turn (default: 3)
  --seed N        what the machines are drawn from (default: 1)
  --folder PATH   where the machines are made (default: the folder for temporary
                  files)
  --warm          leave the images in the cache of the system
`
const MIB = 2 ** 20

const { values: wanted } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    scale: { type: 'string' },
    rounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: tmpdir() },
    warm: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const scale = Number(wanted.scale ?? (wanted.quick ? 0.03 : 0.25))
const rounds = Number(wanted.rounds ?? (wanted.quick ? 1 : 3))
const seed = Number(wanted.seed)

/**
 * How much larger machines are where blocks are shared, which takes the same time however large they are: by the MiB that
 * the disk takes a second, because making them takes its time.
 */
const sharingScale = speed => (speed > 1024 * MIB ? 8 : 4)

/** Below this scale starting the programs is what takes the time. */
const LEAST_JUDGED = 0.25
const judged = (aim, size = scale) => (size < LEAST_JUDGED ? undefined : aim)

/** Each returns what it claims. */
const PARTS = {
  article: async place => [
    ...(await merge(place, 'article', { aim: 10, contestants: 5, times: rounds })),
    ...(await goldenImage(place, 'article')),
    ...(await clone(place, 'article')),
  ],
  xfs: async place =>
    await onFileSystem(place, 'xfs', async inside => [
      ...(await merge(inside, 'article', { aim: 50 })),
      ...(await clone(inside, 'article')),
    ]),
  btrfs: async place =>
    await onFileSystem(place, 'btrfs', async inside => await merge(inside, 'article', { aim: 50 })),
  hot: async place => await merge(place, 'hot', { aim: 10 }),
  // Taking 240 snapshots, of 250 that VirtualBox bears, and deleting them takes it long, whatever is in them.
  many: async place =>
    await merge(place, 'many', { aim: 10, times: 1, snapshots: wanted.quick ? 20 : undefined }),
  huge: async place => await merge(place, 'huge', { aim: 2 }),
  disks: async place => await merge(place, 'disks', { aim: 10 }),
  guest: async place => await guestImage(place),
  start: async () => await startUp(),
}

async function main() {
  if (wanted.help) return process.stdout.write(HELP)
  const parts = wanted.only === undefined ? Object.keys(PARTS) : wanted.only.split(',')
  const isSane = scale > 0 && rounds >= 1 && Number.isInteger(seed) && parts.every(part => part in PARTS)
  if (!isSane) {
    process.stderr.write(HELP)
    process.exitCode = 2
    return
  }
  const vboxmanage = findVBoxManage()
  if (vboxmanage === undefined || process.platform !== 'linux') {
    const help = 'on Debian 12, as root, scripts/setup/virtualbox.sh installs one for tests'
    throw new Error(`Cannot compare: this needs Linux and a VBoxManage that works, and found none; ${help}`)
  }
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const top = realpathSync(mkdtempSync(join(wanted.folder, 'vboxmerge-bench-')))
  const home = mkdtempSync(join(realpathSync(tmpdir()), 'vboxmerge-bench-home-'))
  const virtualBox = isolatedVirtualBox(vboxmanage, home)
  const undo = []
  let isStopping = false
  const cleanUp = async () => {
    await virtualBox.stop()
    for (const step of undo.splice(0)) step()
    rmSync(top, { recursive: true, force: true, maxRetries: 3 })
  }
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    // npm hands on what a terminal sends to both: the second one does not end the cleaning up.
    process.on(signal, () => {
      if (isStopping) return
      isStopping = true
      cleanUp().finally(() => process.exit(status))
    })
  }
  const vboxImg = image => {
    const program = vboxmanage.replace(/VBoxManage$/, 'vbox-img')
    return spawnSync(program, ['compact', '--filename', image, '--filesystemaware']).status
  }
  const kind = execFileSync('stat', ['-f', '-c', '%T', top], { encoding: 'utf8' }).trim()
  const fileSystem = kind === 'ext2/ext3' ? 'ext4' : kind
  const place = { virtualBox, vboxImg, folder: top, fileSystem, scale, warm: wanted.warm, undo }
  const claims = []
  try {
    console.log(
      `VirtualBox ${virtualBox.version}, Node.js ${process.version}, scale ${scale}, seed ${seed}, load ${loadavg()[0].toFixed(1)}`,
    )
    const speed = diskSpeed(top)
    console.log(`${fileSystem} at ${top}: ${(speed / MIB).toFixed(0)} MiB/s written past the cache`)
    for (const part of parts) claims.push(...(await PARTS[part]({ ...place, speed })))
  } finally {
    await cleanUp()
  }
  if (!printClaims(claims)) process.exitCode = 1
}

/** Only where it is said all contestants take part: those that go by VirtualBox take long. */
async function merge(place, shape, { aim, contestants: count = 3, times = Math.min(rounds, 2), snapshots }) {
  const recipe = makeRecipe({ shape, scale: place.scale, seed, snapshots })
  const contestants = merging(recipe).slice(0, count)
  const title = `merge, ${shape}, ${place.fileSystem}: ${recipe.snapshots} snapshots into the base`
  const outcome = { snapshots: 0, images: recipe.disks.length }
  const results = await compare(place, { title, recipe, contestants, outcome, times })
  const [theirs, plain, registered] = contestants.map(({ name }) => name)
  const label = `${shape} on ${place.fileSystem}`
  return [
    speedClaim(`merge, ${label}`, results, theirs, plain, judged(aim, place.scale)),
    speedClaim(
      `merge of a registered machine, ${label}`,
      results,
      theirs,
      registered,
      judged(aim, place.scale),
    ),
    ...bytesClaims(`merge, ${label}`, results, plain, recipe.mergedMiB * MIB),
    ...floorClaims(`merge, ${label}`, results, plain, recipe.mergedMiB * MIB, place.speed),
    memoryClaim(`merge, ${label}`, results),
  ]
}

async function goldenImage(place, shape) {
  const recipe = makeRecipe({ shape, scale: place.scale, seed, zeros: 1 / 8 })
  const title = `golden, ${shape}, ${place.fileSystem}: merge, drop the blocks of zeros (one in eight), take Base`
  const outcome = { snapshots: 1, images: 2 * recipe.disks.length }
  const contestants = goldening(recipe)
  const results = await compare(place, { title, recipe, contestants, outcome })
  const label = `golden image, ${shape} on ${place.fileSystem}`
  return [
    ...golden(label, results, judged(10, place.scale)),
    ...bytesClaims(label, results, contestants[1].name, recipe.compactedMiB * MIB),
    memoryClaim(label, results),
  ]
}

async function clone(place, shape) {
  const recipe = makeRecipe({ shape, scale: place.scale, seed, zeros: 1 / 8 })
  const title = `clone, ${shape}, ${place.fileSystem}: a flat machine beside the first`
  const outcome = { snapshots: 0, images: recipe.disks.length }
  const contestants = cloning()
  const results = await compare(place, { title, recipe, contestants, outcome })
  const label = `clone, ${shape} on ${place.fileSystem}`
  return [
    ...golden(label, results, judged(2, place.scale)),
    ...bytesClaims(label, results, contestants[1].name, recipe.flatMiB * MIB),
    memoryClaim(label, results),
  ]
}

async function guestImage(place) {
  const mib = Math.max(512, Math.round(4096 * scale))
  const own = join(place.folder, 'guest')
  mkdirSync(own)
  const guest = makeGuest('ext4', own, mib)
  const recipe = recipeOf([guest.disk])
  const title = `golden with free space, ext4 in the guest: ${mib} MiB, two files of three removed`
  const contestants = goldeningGuest(recipe, { guest, vboxImg: place.vboxImg })
  const outcome = { snapshots: 1, images: 2 }
  const results = await compare(place, { title, recipe, contestants, outcome, digest: guest.hash })
  rmSync(own, { recursive: true })
  return [...golden('golden image with free space', results, judged(10)), memoryClaim('free space', results)]
}

async function startUp() {
  console.log('\nnothing to do, processor time')
  const medians = await measureStartUp(wanted.quick ? 7 : 21)
  printStartUp(medians)
  return Object.keys(medians)
    .filter(name => name !== FLOOR)
    .map(name => {
      const ratio = medians[name] / medians[FLOOR]
      return {
        claim: name,
        holds: ratio < 3,
        found: `${ratio.toFixed(1)} times node -e 0`,
        wanted: 'under 3',
      }
    })
}

/** Measures all contestants in turns and prints what came of it. */
async function compare(place, { title, recipe, contestants, outcome, times = rounds, digest }) {
  checkSpace(place.folder, recipe)
  const original = join(place.folder, 'original')
  const disks = recipe.disks.map(({ capacityMiB }) => `${capacityMiB} MiB`).join(' and ')
  console.log(`\n${title}\nmaking ${disks} with ${recipe.dataMiB} MiB in ${recipe.snapshots + 1} states …`)
  await makeMachine(place.virtualBox, original, NAME, recipe)
  const wantedDigest = digest ?? (await look(place.virtualBox, join(original, NAME, `${NAME}.vbox`))).digest
  const results = []
  printHead()
  for (let round = 1; round <= times; round++) {
    // Who comes first may find the disk busy with what was before, so they change places.
    for (const contestant of round % 2 === 1 ? contestants : [...contestants].reverse()) {
      const measured = await measure(place, original, contestant)
      const isWanted = Object.entries(outcome).every(([key, value]) => measured[key] === value)
      const sound = measured.digest === wantedDigest && isWanted
      results.push({ round, contestant: contestant.name, isOurs: contestant.isOurs, ...measured, sound })
      printRun(results.at(-1))
    }
  }
  rmSync(original, { recursive: true })
  printMedians(results)
  printRatios(results)
  return results
}

async function onFileSystem(place, kind, work) {
  const larger = sharingScale(place.speed) * scale
  const bytes = Math.ceil(Math.max(2 * 2 ** 30, 30 * 2 ** 30 * larger))
  // The file that holds it grows by what is written, on a disk that has to have room for that.
  checkSpace(place.folder, makeRecipe({ shape: 'article', scale: larger, seed }))
  const mounted = mountFileSystem(kind, place.folder, bytes)
  place.undo.push(mounted.remove)
  try {
    return await work({ ...place, folder: mounted.folder, fileSystem: kind, scale: larger, shares: true })
  } finally {
    await place.virtualBox.settle()
    place.undo.splice(place.undo.indexOf(mounted.remove), 1)
    mounted.remove()
  }
}

/** Bytes a second that the disk takes when nothing else is done. */
function diskSpeed(folder) {
  const path = join(folder, 'speed')
  const mib = wanted.quick ? 256 : 1024
  const started = performance.now()
  const options = ['if=/dev/zero', `of=${path}`, 'bs=4M', `count=${mib / 4}`, 'oflag=direct', 'conv=fsync']
  execFileSync('dd', [...options, 'status=none'])
  const seconds = (performance.now() - started) / 1000
  rmSync(path)
  return (mib * MIB) / seconds
}

function checkSpace(folder, { dataMiB }) {
  const { bavail, bsize } = statfsSync(folder)
  const needed = 2.5 * dataMiB * MIB
  if (bavail * bsize >= needed) return
  const free = `${Math.floor((bavail * bsize) / MIB)} MiB are free`
  throw new Error(
    `Cannot make the machine: it needs ${Math.ceil(needed / MIB)} MiB, and ${free}; lower --scale`,
  )
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
