// node bench/free_space.mjs: what compaction gives back of a guest's deleted files, and how long it takes: vboxmerge,
// vbox-img --filesystemaware, and zeros written by the guest with modifymedium --compact. See README.md.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeMachine } from './make_machine.mjs'
import { writeBlocks } from './vdi_leaf.mjs'
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
const KINDS = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], mount: ['mount', '-t', 'ext4'] },
  ntfs: { make: ['mkntfs', '-q', '-f', '-F'], mount: ['ntfs-3g'] },
  xfs: { make: ['mkfs.xfs', '-q', '-f'], mount: ['mount', '-t', 'xfs', '-o', 'nouuid'] },
  btrfs: { make: ['mkfs.btrfs', '-q', '-f'], mount: ['mount', '-t', 'btrfs'] },
}
/** The one partition begins here, as partitioning programs have it. */
const START = MIB

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

function run(command, ...args) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  return execFileSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Mounts the partition of a raw disk and hands over the folder. */
function mounted(kind, raw, work) {
  const size = statSync(raw).size - START
  const loop = run('losetup', '-f', '--show', '-o', String(START), '--sizelimit', String(size), raw).trim()
  const folder = mkdtempSync(join(tmpdir(), 'vboxmerge-bench-mount-'))
  try {
    run(...KINDS[kind].mount, loop, folder)
    try {
      return work(folder)
    } finally {
      run('sync', '-f', folder)
      run('umount', folder)
    }
  } finally {
    run('losetup', '-d', loop)
    rmSync(folder, { recursive: true })
  }
}

/** A disk on which files were written, and two thirds of them removed. */
function makeDisk(kind, raw) {
  run('truncate', '-s', String(mib * MIB), raw)
  run('sh', '-c', 'printf "label: dos\\nstart=2048, type=83\\n" | sfdisk -q --no-tell-kernel "$1"', 'sh', raw)
  const loop = run('losetup', '-f', '--show', '-o', String(START), raw).trim()
  try {
    run(KINDS[kind].make[0], ...KINDS[kind].make.slice(1), loop)
  } finally {
    run('losetup', '-d', loop)
  }
  mounted(kind, raw, folder => {
    const files = Math.floor((mib * 0.6) / 4)
    for (let file = 0; file < files; file++) {
      run('sh', '-c', `head -c ${4 * MIB} /dev/urandom > "$1/file ${file}"`, 'sh', folder)
    }
    run('sync', '-f', folder)
    for (let file = 0; file < files; file++) if (file % 3 !== 0) rmSync(join(folder, `file ${file}`))
  })
}

function hashOf(kind, raw) {
  return mounted(kind, raw, folder =>
    run('sh', '-c', 'cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum', 'sh', folder).trim(),
  )
}

/** Numbers of the blocks of a raw disk that differ from another one, or from zeros. */
function changedBlocks(raw, below) {
  const files = [raw, below].map(path => (path === undefined ? undefined : openSync(path)))
  const buffers = [Buffer.alloc(MIB), Buffer.alloc(MIB)]
  const blocks = []
  for (let block = 0; block < mib; block++) {
    for (const [index, file] of files.entries()) {
      if (file !== undefined) readSync(file, buffers[index], 0, MIB, block * MIB)
    }
    if (!buffers[0].equals(buffers[1])) blocks.push(block)
  }
  return blocks
}

/** Returns what reads blocks of a raw disk. */
function blockReader(raw) {
  const file = openSync(raw)
  return (block, size) => {
    const bytes = Buffer.alloc(size)
    readSync(file, bytes, 0, size, block * size)
    return bytes
  }
}

function report(kind, name, before, disk, seconds, hash, note = '') {
  const raw = `${disk}.raw`
  run('qemu-img', 'convert', '-O', 'raw', disk, raw)
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
  makeDisk(kind, raw)
  const hash = hashOf(kind, raw)
  const recipe = { capacityMiB: mib, states: [changedBlocks(raw)], content: () => blockReader(raw) }
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
  const filled = `${raw}.filled`
  run('cp', '--sparse=always', raw, filled)
  const [filling] = timed(() =>
    mounted(kind, filled, inside => {
      spawnSync('dd', ['if=/dev/zero', `of=${join(inside, 'zeros')}`, 'bs=1M', 'status=none'])
      run('sync', '-f', inside)
      rmSync(join(inside, 'zeros'))
    }),
  )
  await writeBlocks(disk, changedBlocks(filled, raw), blockReader(filled))
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
