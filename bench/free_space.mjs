// node bench/free_space.mjs: what compaction gives back of a guest's deleted files, and how long it takes: vboxmerge,
// vbox-img --filesystemaware, and zeros written by the guest with modifymedium --compact. See README.md.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  blockReader,
  changedBlocks,
  fillWithZeros,
  hashOf,
  KINDS,
  makeEmptyDisk,
  removeFiles,
  run,
  writeFiles,
  writeRaw,
} from './guest_disk.mjs'
import { makeMachine } from './make_machine.mjs'
import { stopwatch } from './measure_run.mjs'
import { recipeOf } from './recipe.mjs'
import { findVBoxManage, isolatedVirtualBox } from './virtualbox.mjs'

const HELP = `Usage: node bench/free_space.mjs [OPTIONS]

  --mib N        size of the disks in MiB, from 256 on (default: 1024)
  --only KIND    ext4, ntfs, xfs or btrfs (default: all)
  --folder PATH  where the disks are made (default: the folder for temporary
                 files)

Needs Linux, root (disks are mounted), VirtualBox, qemu-img and the programs
that make the file systems.
`
const MIB = 2 ** 20
const NAME = 'bench'
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const { values: wanted } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    only: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
})
const mib = Number(wanted.mib)
const kinds = wanted.only === undefined ? Object.keys(KINDS) : [wanted.only]

function report(kind, name, before, disk, seconds, hash, note = '') {
  const raw = `${disk}.raw`
  writeRaw(disk, raw)
  let files = 'all files whole'
  try {
    if (hashOf(kind, raw) !== hash) files = 'FILES DESTROYED'
  } catch {
    files = 'DOES NOT MOUNT'
  }
  rmSync(raw)
  const gained = ((before - statSync(disk).size) / MIB).toFixed(0)
  console.log(
    [
      kind.padEnd(6),
      `${gained} MiB`.padStart(9),
      `${seconds.toFixed(2)} s`.padStart(9),
      ` ${name}: ${files}${note}`,
    ].join(' '),
  )
}

function timed(work) {
  const started = performance.now()
  const note = work()
  return [(performance.now() - started) / 1000, note]
}

async function measure(virtualBox, vboxImg, kind, folder) {
  const raw = join(folder, 'disk.raw')
  makeEmptyDisk(kind, raw, mib)
  writeFiles(kind, raw, mib)
  removeFiles(kind, raw, mib, file => file % 3 !== 0)
  const hash = hashOf(kind, raw)
  const [states, content] = [[changedBlocks(raw)], () => blockReader(raw)]
  const recipe = recipeOf([{ name: 'disk', capacityMiB: mib, states, content }])
  await makeMachine(virtualBox, join(folder, 'machine'), NAME, recipe)
  const disk = join(folder, 'machine', NAME, 'disk.vdi')
  const before = statSync(disk).size
  const restore = () => {
    copyFileSync(`${disk}.original`, disk)
    run('sync', disk)
  }
  copyFileSync(disk, `${disk}.original`)

  const [ours] = timed(() =>
    run(
      process.execPath,
      cli,
      'compact',
      join(folder, 'machine', NAME, `${NAME}.vbox`),
      '--engine=direct',
      '-q',
    ),
  )
  report(kind, 'vboxmerge compact', before, disk, ours, hash)

  restore()
  const [theirs, status] = timed(
    () => spawnSync(vboxImg, ['compact', '--filename', disk, '--filesystemaware']).status,
  )
  report(
    kind,
    'vbox-img --filesystemaware',
    before,
    disk,
    theirs,
    hash,
    status === 0 ? '' : ` (status ${status})`,
  )

  restore()
  const clock = stopwatch()
  await fillWithZeros({ kind, raw }, disk, clock)
  const filling = clock.seconds()
  await virtualBox.wake()
  const started = performance.now()
  await virtualBox.manage('modifymedium', 'disk', disk, '--compact')
  const compacting = (performance.now() - started) / 1000
  await virtualBox.settle()
  const note = `, ${filling.toFixed(2)} s of it in the guest`
  report(kind, 'zeros, modifymedium --compact', before, disk, filling + compacting, hash, note)
}

async function main() {
  if (wanted.help) return process.stdout.write(HELP)
  if (!(mib >= 256 && kinds.every(kind => kind in KINDS))) throw new Error(HELP)
  const vboxmanage = findVBoxManage()
  if (vboxmanage === undefined) throw new Error('Cannot compare: found no VBoxManage that works')
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const vboxImg = vboxmanage.replace(/VBoxManage$/, 'vbox-img')
  const top = realpathSync(mkdtempSync(join(wanted.folder, 'vboxmerge-bench-')))
  const home = mkdtempSync(join(realpathSync(tmpdir()), 'vboxmerge-bench-home-'))
  const virtualBox = isolatedVirtualBox(vboxmanage, home)
  console.log(`VirtualBox ${virtualBox.version}, Node.js ${process.version}, disks of ${mib} MiB`)
  console.log('KIND    GIVEN BACK      TIME  WHAT')
  try {
    for (const kind of kinds) {
      const folder = join(top, kind)
      mkdirSync(folder)
      await measure(virtualBox, vboxImg, kind, folder)
      rmSync(folder, { recursive: true })
    }
  } finally {
    await virtualBox.stop()
    rmSync(top, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
