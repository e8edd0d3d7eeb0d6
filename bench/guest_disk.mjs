// Disks with a guest's file system in which files were written and removed, made by mounts. Needs root.
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeBlocks } from './vdi_leaf.mjs'

const MIB = 2 ** 20
/** The one partition begins here, as partitioning programs have it. */
const START = MIB

export const KINDS = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], mount: ['mount', '-t', 'ext4'] },
  ntfs: { make: ['mkntfs', '-q', '-f', '-F'], mount: ['ntfs-3g'] },
  xfs: { make: ['mkfs.xfs', '-q', '-f'], mount: ['mount', '-t', 'xfs', '-o', 'nouuid'] },
  btrfs: { make: ['mkfs.btrfs', '-q', '-f'], mount: ['mount', '-t', 'btrfs'] },
}

/** Runs a program and returns what it prints. */
export function run(command, ...args) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  return execFileSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Mounts the partition of a raw disk and hands over the folder. */
export function mounted(kind, raw, work) {
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

/** Makes an empty disk with one partition. */
export function makeEmptyDisk(kind, raw, mib) {
  run('truncate', '-s', String(mib * MIB), raw)
  run('sh', '-c', 'printf "label: dos\\nstart=2048, type=83\\n" | sfdisk -q --no-tell-kernel "$1"', 'sh', raw)
  const loop = run('losetup', '-f', '--show', '-o', String(START), raw).trim()
  try {
    run(KINDS[kind].make[0], ...KINDS[kind].make.slice(1), loop)
  } finally {
    run('losetup', '-d', loop)
  }
}

/** Writes files into three fifths of a disk. */
export function writeFiles(kind, raw, mib) {
  mounted(kind, raw, folder => {
    for (let file = 0; file < filesOn(mib); file++) {
      run('sh', '-c', `head -c ${4 * MIB} /dev/urandom > "$1/file ${file}"`, 'sh', folder)
    }
    run('sync', '-f', folder)
  })
}

/** Removes each file of which `isUnwanted` says so. */
export function removeFiles(kind, raw, mib, isUnwanted) {
  mounted(kind, raw, folder => {
    for (let file = 0; file < filesOn(mib); file++) {
      if (isUnwanted(file)) rmSync(join(folder, `file ${file}`), { force: true })
    }
  })
}

const filesOn = mib => Math.floor((mib * 0.6) / 4)

/** One hash of all files on a disk. */
export function hashOf(kind, raw) {
  return mounted(kind, raw, folder =>
    run('sh', '-c', 'cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum', 'sh', folder).trim(),
  )
}

/** Numbers of the blocks of a raw disk that differ from another one, or from zeros. */
export function changedBlocks(raw, below) {
  const count = statSync(raw).size / MIB
  const files = [raw, below].map(path => (path === undefined ? undefined : openSync(path)))
  const buffers = [Buffer.alloc(MIB), Buffer.alloc(MIB)]
  const blocks = []
  for (let block = 0; block < count; block++) {
    for (const [index, file] of files.entries()) {
      if (file !== undefined) readSync(file, buffers[index], 0, MIB, block * MIB)
    }
    if (!buffers[0].equals(buffers[1])) blocks.push(block)
  }
  for (const file of files) if (file !== undefined) closeSync(file)
  return blocks
}

/** Returns what reads blocks of a raw disk. */
export function blockReader(raw) {
  return (block, size) => {
    const file = openSync(raw)
    const bytes = Buffer.alloc(size)
    readSync(file, bytes, 0, size, block * size)
    closeSync(file)
    return bytes
  }
}

/** Writes what an image shows into a raw file. */
export function writeRaw(image, raw) {
  run('qemu-img', 'convert', '-O', 'raw', image, raw)
}

/**
 * Fills the free space of the guest on a flat image with zeros, as a guest does.
 *
 * @param guest The kind of its file system, and the raw disk that the image shows.
 * @param clock Runs while the guest works, and not while its writes are brought into the image.
 */
export async function fillWithZeros({ kind, raw }, image, clock) {
  const filled = `${image}.filled`
  run('cp', '--sparse=always', raw, filled)
  mounted(kind, filled, folder => {
    clock.resume()
    spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'zeros')}`, 'bs=1M', 'status=none'])
    run('sync', '-f', folder)
    rmSync(join(folder, 'zeros'))
    clock.pause()
  })
  await writeBlocks(image, changedBlocks(filled, raw), blockReader(filled))
  rmSync(filled)
}

/**
 * Makes the states of a disk whose guest wrote files and then removed two of three, some of them before each snapshot.
 *
 * @returns The disk for a recipe, the raw disk that it ends with, and the hash of the files on that.
 */
export function makeGuest(kind, folder, mib) {
  const raws = ['full', 's1', 's2', 's3'].map(name => join(folder, `${name}.raw`))
  makeEmptyDisk(kind, raws[0], mib)
  writeFiles(kind, raws[0], mib)
  for (const at of [1, 2, 3]) {
    run('cp', '--sparse=always', raws[at - 1], raws[at])
    removeFiles(kind, raws[at], mib, file => file % 3 !== 0 && file % 9 < 3 * at)
  }
  const looked = join(folder, 'looked-at.raw')
  run('cp', '--sparse=always', raws[3], looked)
  const hash = hashOf(kind, looked)
  rmSync(looked)
  const states = raws.map((raw, at) => changedBlocks(raw, raws[at - 1]))
  const content = state => blockReader(raws[state])
  const disk = { name: 'disk0', capacityMiB: mib, states, content }
  return { disk, kind, raw: raws[3], hash, hashOf: raw => hashOf(kind, raw) }
}
