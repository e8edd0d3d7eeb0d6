import { type BigIntStats, constants } from 'node:fs'
import {
  access,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rmdir,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises'
import { dirname } from 'node:path'
import { directReader } from './direct_reader.ts'
import { directWriter } from './direct_writer.ts'
import { errnoError, errorCode, onFile } from './errno.ts'
import { copyExtendedAttributes } from './extended_attributes.ts'
import { extentSharer } from './extent_sharer.ts'
import type { FileAccess, FileKind, FileStat, Files, OpenFile } from './files.ts'
import { checkOffset } from './offsets.ts'
import { reservePlace } from './place_reserver.ts'
import { systemCalls } from './system_calls.ts'
import { type SystemNumber, systemNumber } from './system_number.ts'

/** Missing on Windows, where opening a link opens its target and `stat` is the only guard. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/** A named pipe in the place of an image must not block the open. */
const NO_WAIT = constants.O_NONBLOCK ?? 0

const FLAGS: Readonly<Record<FileAccess, number>> = {
  read: constants.O_RDONLY | NO_FOLLOW | NO_WAIT,
  write: constants.O_RDWR | NO_FOLLOW | NO_WAIT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
}

/** Disk content is private until `copyOwner` says otherwise. */
const NEW_FILE_MODE = 0o600

/** The first piece that `readFile` reads of a file whose length is not known (as in /proc). */
const FIRST_PIECE = 64 * 1024

/** `Files` over the file system of this computer. Runs under Node and under Deno. */
export const realFiles: Files = {
  stat: path => orUndefined(async () => toFileStat(await lstat(path, { bigint: true }))),

  realPath: path => orUndefined(() => realpath(path)),

  list: async folder => {
    try {
      return (await readdir(folder)).sort()
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  },

  readFile: async (path, maxBytes) => {
    const file = await realFiles.open(path, 'read')
    try {
      return await readAll(file, path, maxBytes)
    } finally {
      await file.close()
    }
  },

  open: async (path, access) => {
    const handle = await open(path, FLAGS[access], NEW_FILE_MODE)
    try {
      const { kind } = toFileStat(await handle.stat({ bigint: true }))
      if (kind === 'folder') throw errnoError('EISDIR', 'open', path)
      if (kind !== 'file') throw errnoError('EINVAL', 'open', path)
      return openFile(handle, systemNumber(handle, path, access !== 'read'), path)
    } catch (error) {
      await handle.close()
      throw error
    }
  },

  rename: (from, to) => rename(from, to),
  link: (from, to) => link(from, to),

  unlink: async path => {
    // Deno's unlink takes empty folders too.
    if ((await lstat(path)).isDirectory()) throw errnoError('EISDIR', 'unlink', path)
    await unlink(path)
  },

  removeFolder: path => rmdir(path),

  makeFolder: async (path, like) => {
    const made = await makeWithParents(path)
    const [first] = made
    if (first === undefined) return
    if (like !== undefined) for (const folder of made) await giveFolder(folder, like)
    const above = dirname(first)
    for (let folder = dirname(path); folder.length >= above.length; folder = dirname(folder)) {
      await realFiles.syncFolder(folder)
      if (folder === dirname(folder)) break
    }
  },

  syncFolder: async path => {
    // Windows opens no folder for flushing; NTFS writes changes of names to its log in their order.
    if (process.platform === 'win32') return
    const handle = await open(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0))
    try {
      await onFile(path, () => handle.sync())
    } catch (error) {
      // Network and shared-folder file systems that cannot flush a folder say so in this way.
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error
    } finally {
      await handle.close()
    }
  },

  mayWrite: async path => {
    if (Reflect.has(globalThis, 'Deno')) return true
    try {
      await access(path, constants.W_OK)
      return true
    } catch (error) {
      if (FORBIDDEN.has(errorCode(error) ?? '')) return false
      throw error
    }
  },

  freeSpace: async folder => {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },

  flushFileSystem: async folder => {
    const calls = systemCalls()
    const file = calls?.open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK)
    if (calls === undefined || file === undefined) return
    try {
      await calls.flushFileSystem(file)
    } finally {
      calls.close(file)
    }
  },
}

/**
 * What it says of a path that there is nothing: also that it is longer than any, leads in a circle, or holds a NUL
 * (which Node does not even ask the system about).
 */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ERR_INVALID_ARG_VALUE'])

/** What it says of a path that this user may not write to: it is another's, fixed, or on a file system that is only read. */
const FORBIDDEN = new Set(['EACCES', 'EPERM', 'EROFS', 'ETXTBSY'])

async function orUndefined<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (ABSENT.has(errorCode(error) ?? '')) return undefined
    throw error
  }
}

async function readAll(file: OpenFile, path: string, maxBytes: number): Promise<Uint8Array> {
  const { size } = await file.stat()
  let buffer = new Uint8Array(Math.min(size === 0 ? FIRST_PIECE : size, maxBytes) + 1)
  let length = await file.read(buffer, 0)
  while (length === buffer.length && length <= maxBytes) {
    const longer = new Uint8Array(Math.min(2 * buffer.length, maxBytes + 1))
    longer.set(buffer)
    buffer = longer
    length += await file.read(buffer.subarray(length), length)
  }
  if (length > maxBytes) {
    throw new RangeError(`Cannot read ${JSON.stringify(path)}: it is longer than ${maxBytes} bytes`)
  }
  return buffer.subarray(0, length)
}

const numbers = new WeakMap<OpenFile, SystemNumber>()

function openFile(handle: FileHandle, number: SystemNumber, path: string): OpenFile {
  let failedSync: unknown
  const reader = directReader(handle)
  const direct = directWriter(handle)
  const sharer = extentSharer(number, path)
  const file: OpenFile = {
    stat: () => onFile(path, async () => toFileStat(await handle.stat({ bigint: true }))),

    read: async (buffer, position) => {
      checkOffset('a position', position)
      return await onFile(path, async () => {
        const done = await reader.read(buffer, position)
        const started = performance.now()
        const cached = await readFully(handle, buffer.subarray(done), position + done)
        reader.took(cached, performance.now() - started)
        return done + cached
      })
    },

    write: async (buffer, position) => {
      checkOffset('a position', position)
      await onFile(path, async () => {
        const done = await direct.write(buffer, position)
        await writeFully(handle, buffer.subarray(done), position + done)
      })
    },

    share: async (source, from, length, position) => {
      const other = numbers.get(source)
      return other !== undefined && (await sharer.share(other, from, length, position))
    },

    truncate: async length => {
      checkOffset('a length', length)
      await onFile(path, () => handle.truncate(length))
    },

    reserve: async length => {
      checkOffset('a length', length)
      const { size } = await file.stat()
      await reservePlace(number, path, size, length)
    },

    // Not fdatasync: POSIX lets that leave behind whatever reading the data back does not need, and a
    // shorter length, the mode and the owner are just that.
    sync: async () => {
      // The kernel reports a lost write once and calls the pages clean; asking again would lie.
      if (failedSync !== undefined) throw failedSync
      try {
        await onFile(path, () => handle.sync())
      } catch (error) {
        failedSync = error
        throw error
      }
    },

    copyOwner: like => onFile(path, () => copyOwnerAndMode(handle, like)),

    copyAttributes: async like => {
      const other = numbers.get(like)
      if (other !== undefined) await copyExtendedAttributes(other, number)
    },

    close: () =>
      onFile(path, async () => {
        await number.close()
        await reader.close()
        await direct.close()
        await handle.close()
      }),
  }
  numbers.set(file, number)
  return file
}

async function readFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

async function writeFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < buffer.length) {
    const { bytesWritten } = await handle.write(buffer, done, buffer.length - done, position + done)
    if (bytesWritten === 0) throw errnoError('ENOSPC', 'write')
    done += bytesWritten
  }
}

/**
 * Makes a folder and its missing parents, and returns what it made, parents first. Node's own way to do that never ends
 * where a folder is there in which none can be made (`/proc`).
 */
async function makeWithParents(path: string): Promise<string[]> {
  let missing: unknown
  try {
    await mkdir(path)
    return [path]
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return []
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    missing = error
  }
  const made = await makeWithParents(dirname(path))
  if (made.length === 0) throw missing
  await mkdir(path)
  return [...made, path]
}

async function giveFolder(path: string, like: FileStat): Promise<void> {
  // Windows opens no folder, and knows no owner in numbers.
  if (process.platform === 'win32') return
  const handle = await open(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | NO_FOLLOW)
  try {
    await copyOwnerAndMode(handle, like)
  } finally {
    await handle.close()
  }
}

async function copyOwnerAndMode(handle: FileHandle, like: FileStat): Promise<void> {
  const own = toFileStat(await handle.stat({ bigint: true }))
  // The owner first, because a change of owner clears bits of the mode.
  if (own.owner !== like.owner || own.group !== like.group) await copyOwnerOf(handle, own, like)
  if (toFileStat(await handle.stat({ bigint: true })).mode !== like.mode) await handle.chmod(like.mode)
}

async function copyOwnerOf(handle: FileHandle, own: FileStat, like: FileStat): Promise<void> {
  if (await tryOwner(handle, like.owner, like.group)) return
  // Whoever may not give a file away may still put it into a group of their own.
  if (own.group !== like.group) await tryOwner(handle, own.owner, like.group)
}

async function tryOwner(handle: FileHandle, owner: number, group: number): Promise<boolean> {
  try {
    await handle.chown(owner, group)
    return true
  } catch (error) {
    if (errorCode(error) === 'EPERM') return false
    throw error
  }
}

function toFileStat(stats: BigIntStats): FileStat {
  return {
    kind: kindOf(stats),
    size: Number(stats.size),
    allocatedBytes: Number(stats.blocks) * 512,
    mtimeNs: stats.mtimeNs,
    device: stats.dev,
    inode: stats.ino,
    links: Number(stats.nlink),
    mode: Number(stats.mode) & 0o7777,
    owner: Number(stats.uid),
    group: Number(stats.gid),
  }
}

function kindOf(stats: BigIntStats): FileKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}
