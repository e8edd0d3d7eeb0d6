// A file system of another kind in a file, so that hosts with it can be measured too. Needs root.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Where scripts/setup/virtualbox.sh gives VirtualBox a root directory of its own. */
const SETUP_ROOT = '/var/lib/vboxmerge/virtualbox'

const MAKE = { xfs: ['mkfs.xfs', '-q'], btrfs: ['mkfs.btrfs', '-q'], ext4: ['mkfs.ext4', '-q'] }

export const FILE_SYSTEMS = Object.keys(MAKE)

/**
 * Makes a file system in a file in `folder` and mounts it, for VirtualBox too.
 *
 * @param bytes Its size.
 * @returns The folder where it is mounted, and what takes it away again.
 */
export function mountFileSystem(kind, folder, bytes) {
  const image = join(folder, 'file-system')
  const mount = join(folder, 'mount')
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  const run = (command, ...args) =>
    execFileSync(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const mounts = []
  const add = (target, ...args) => {
    mkdirSync(target, { recursive: true })
    run('mount', ...args, target)
    mounts.unshift(target)
  }
  const remove = () => {
    for (const target of mounts.splice(0)) run('umount', target)
    rmSync(image, { force: true })
  }
  try {
    run('truncate', '--size', String(bytes), image)
    run(MAKE[kind][0], ...MAKE[kind].slice(1), image)
    add(mount, '-o', 'loop', image)
    if (existsSync(SETUP_ROOT)) add(join(SETUP_ROOT, mount), '--bind', mount)
  } catch (error) {
    remove()
    throw error
  }
  return { folder: mount, remove }
}
