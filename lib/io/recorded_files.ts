import { posix } from 'node:path'
import { errnoError } from './errno.ts'
import type { LogEntry, Recording } from './file_log.ts'
import type { FileAccess, FileStat, Files, OpenFile } from './files.ts'
import { digestOfTree } from './memory_digest.ts'
import {
  countNames,
  emptyTree,
  type FileNode,
  type FolderNode,
  findPlace,
  forkNode,
  forkTree,
  type LinkNode,
  type MemoryNode,
  type MemoryTree,
  newFile,
  newFolder,
  type Place,
} from './memory_tree.ts'
import { checkOffset } from './offsets.ts'

/** How a `RecordedFiles` starts. */
export interface RecordedFilesOptions {
  /** What `freeSpace` answers, in bytes. Default 1 TiB. */
  readonly freeBytes?: number
  /** Whether files can share their place on the disk. Default false. */
  readonly sharing?: boolean
}

/** An entry before the clock has stamped it. */
type Change = LogEntry extends infer E ? (E extends LogEntry ? Omit<E, 'mtimeNs'> : never) : never

const DEVICE = 42n
const DEFAULT_FREE_BYTES = 2 ** 40

/** 2026-01-01T00:00:00Z; each change is one millisecond later than the one before. */
const FIRST_MTIME_NS = 1_767_225_600_000_000_000n
const TICK_NS = 1_000_000n

/**
 * `Files` in memory, with the names and errors of a Linux file system, that records every change for
 * crash tests. Paths are POSIX paths; the root folder exists.
 */
export class RecordedFiles implements Files {
  /** What `freeSpace` answers, in bytes. */
  freeBytes: number
  readonly #sharing: boolean
  #tree: MemoryTree
  #start: MemoryTree
  #made = new Map<number, MemoryNode>()
  #entries: LogEntry[] = []
  #nextInode: number
  #clockNs: bigint

  constructor(options: RecordedFilesOptions = {}, state?: { tree: MemoryTree; nextInode: number }) {
    this.freeBytes = options.freeBytes ?? DEFAULT_FREE_BYTES
    this.#sharing = options.sharing ?? false
    this.#tree = state?.tree ?? emptyTree()
    this.#nextInode = state?.nextInode ?? 2
    this.#start = forkTree(this.#tree)
    this.#clockNs = latest(this.#tree)
  }

  /** The changes since the start (or since `settle`), oldest first. */
  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** What `crashStates` needs: the durable start, and the changes up to now. */
  recording(): Recording {
    return {
      start: this.#start,
      made: new Map(this.#made),
      entries: [...this.#entries],
      nextInode: this.#nextInode,
    }
  }

  /** Takes everything as safely on the disk and forgets the changes that led here. */
  settle(): void {
    this.#start = forkTree(this.#tree)
    this.#made = new Map()
    this.#entries = []
  }

  /** Returns an independent file system with the present state, settled. */
  fork(): RecordedFiles {
    const state = { tree: forkTree(this.#tree), nextInode: this.#nextInode }
    return new RecordedFiles({ freeBytes: this.freeBytes, sharing: this.#sharing }, state)
  }

  /** Equal to that of another one exactly when all that can be seen of both is equal, but for the numbers of inodes. */
  digest(): string {
    return digestOfTree(forkTree(this.#tree))
  }

  /** Makes a symbolic link, which the product itself never does. It belongs to the settled start. */
  addLink(path: string, target: string): void {
    const place = findPlace(this.#tree, path, 'symlink', false)
    if (place.node !== undefined) throw errnoError('EEXIST', 'symlink', path)
    const node: LinkNode = {
      ...newFile(this.#nextInode++, this.#tick()),
      kind: 'link',
      target,
      mode: 0o777,
    }
    this.#tree.set(node.inode, node)
    place.folder.entries.set(place.name, node.inode)
    this.settle()
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const node = this.#look(path, false)?.node
    return node === undefined ? undefined : this.#statOf(node)
  }

  async realPath(path: string): Promise<string | undefined> {
    const place = this.#look(path, true)
    return place?.node === undefined ? undefined : place.path
  }

  async list(folder: string): Promise<string[]> {
    const node = this.#place(folder, 'scandir', true, 'ENOENT')?.node
    if (node === undefined) return []
    if (node.kind !== 'folder') throw errnoError('ENOTDIR', 'scandir', folder)
    return [...node.entries.keys()].sort()
  }

  async readFile(path: string, maxBytes: number): Promise<Uint8Array> {
    const { content } = this.#file(path)
    if (content.length > maxBytes) {
      throw new RangeError(`Cannot read ${JSON.stringify(path)}: it is longer than ${maxBytes} bytes`)
    }
    return content.bytes()
  }

  async open(path: string, access: FileAccess): Promise<OpenFile> {
    const node = access === 'create' ? this.#create(path) : this.#file(path)
    return this.#openFile(node, path, access !== 'read')
  }

  async rename(from: string, to: string): Promise<void> {
    const source = findPlace(this.#tree, from, 'rename', false)
    const target = findPlace(this.#tree, to, 'rename', false)
    if (source.node === undefined) throw errnoError('ENOENT', 'rename', from)
    if (`${target.path}/`.startsWith(`${source.path}/`) && target.path !== source.path) {
      throw errnoError('EINVAL', 'rename', from)
    }
    if (`${source.path}/`.startsWith(`${target.path}/`) && target.path !== source.path) {
      throw errnoError('ENOTEMPTY', 'rename', from)
    }
    // POSIX: two names of one file stay as they are.
    if (source.node === target.node) return
    if (target.node !== undefined) checkReplace(source.node, target.node, from)
    source.folder.entries.delete(source.name)
    target.folder.entries.set(target.name, source.node.inode)
    const { inode } = source.node
    this.#note({ kind: 'rename', path: from, from: entry(source), to: entry(target), inode })
  }

  async link(from: string, to: string): Promise<void> {
    const source = findPlace(this.#tree, from, 'link', false)
    if (source.node === undefined) throw errnoError('ENOENT', 'link', from)
    const target = findPlace(this.#tree, to, 'link', false)
    if (target.node !== undefined) throw errnoError('EEXIST', 'link', from)
    if (source.node.kind === 'folder') throw errnoError('EPERM', 'link', from)
    target.folder.entries.set(target.name, source.node.inode)
    this.#note({ kind: 'link', path: to, at: entry(target), inode: source.node.inode })
  }

  async unlink(path: string): Promise<void> {
    const place = findPlace(this.#tree, path, 'unlink', false)
    if (place.node === undefined) throw errnoError('ENOENT', 'unlink', path)
    if (place.node.kind === 'folder') throw errnoError('EISDIR', 'unlink', path)
    place.folder.entries.delete(place.name)
    this.#note({ kind: 'unlink', path, at: entry(place), inode: place.node.inode })
  }

  async removeFolder(path: string): Promise<void> {
    const place = findPlace(this.#tree, path, 'rmdir', false)
    if (place.node === undefined) throw errnoError('ENOENT', 'rmdir', path)
    if (place.node.kind !== 'folder') throw errnoError('ENOTDIR', 'rmdir', path)
    if (place.node.entries.size > 0) throw errnoError('ENOTEMPTY', 'rmdir', path)
    place.folder.entries.delete(place.name)
    this.#note({ kind: 'unlink', path, at: entry(place), inode: place.node.inode })
  }

  async makeFolder(path: string, like?: FileStat): Promise<void> {
    const steps = posix.normalize(path).split('/').filter(Boolean)
    for (let depth = 1; depth <= steps.length; depth++) {
      const at = `/${steps.slice(0, depth).join('/')}`
      const { node } = findPlace(this.#tree, at, 'mkdir', true)
      if (node?.kind === 'folder') continue
      const place = findPlace(this.#tree, at, 'mkdir', false)
      if (place.node !== undefined) {
        const found = depth === steps.length ? 'EEXIST' : 'ENOTDIR'
        throw errnoError(node === undefined ? 'ENOENT' : found, 'mkdir', path)
      }
      const folder = newFolder(this.#nextInode++, this.#tick())
      if (like !== undefined) {
        Object.assign(folder, { mode: like.mode, owner: like.owner, group: like.group })
      }
      this.#add(place, folder, { kind: 'mkdir', path: at, at: entry(place), inode: folder.inode })
      this.#note({ kind: 'syncFolder', path: posix.dirname(at), inode: place.folder.inode })
    }
  }

  async syncFolder(path: string): Promise<void> {
    const { node } = findPlace(this.#tree, path, 'open', true)
    if (node === undefined) throw errnoError('ENOENT', 'open', path)
    if (node.kind !== 'folder') throw errnoError('ENOTDIR', 'open', path)
    this.#note({ kind: 'syncFolder', path, inode: node.inode })
  }

  async mayWrite(path: string): Promise<boolean> {
    const node = findPlace(this.#tree, path, 'access', true).node
    if (node === undefined) throw errnoError('ENOENT', 'access', path)
    return (node.mode & 0o222) !== 0
  }

  async freeSpace(folder: string): Promise<number> {
    if (findPlace(this.#tree, folder, 'statfs', true).node === undefined) {
      throw errnoError('ENOENT', 'statfs', folder)
    }
    return this.freeBytes
  }

  /** What power failures leave is told by `sync` and `syncFolder` alone. */
  async flushFileSystem(): Promise<void> {}

  #openFile(node: FileNode, path: string, writable: boolean): OpenFile {
    let closed = false
    const check = (syscall: string, code = 'EBADF', allowed = true): void => {
      if (closed || !allowed) throw errnoError(closed ? 'EBADF' : code, syscall)
    }
    const file: OpenFile = {
      stat: async () => {
        check('fstat')
        return this.#statOf(node)
      },
      read: async (buffer, position) => {
        checkOffset('a position', position)
        if (buffer.length > 0) check('read')
        return node.content.read(buffer, position)
      },
      write: async (buffer, position) => {
        checkOffset('a position', position)
        if (buffer.length === 0) return
        check('write', 'EBADF', writable)
        // Not slice(): a Buffer's shares its bytes.
        const data = new Uint8Array(buffer)
        node.content.write(data, position)
        node.mtimeNs = this.#note({ kind: 'write', path, inode: node.inode, position, data })
      },
      share: async (source, from, length, position) => {
        if (!this.#sharing) return false
        const data = new Uint8Array(length)
        if ((await source.read(data, from)) < length) return false
        await file.write(data, position)
        return true
      },
      truncate: async length => {
        checkOffset('a length', length)
        check('ftruncate', 'EINVAL', writable)
        node.content.truncate(length)
        node.mtimeNs = this.#note({ kind: 'truncate', path, inode: node.inode, length })
      },
      reserve: async length => {
        if (length > node.content.length) await file.truncate(length)
      },
      sync: async () => {
        check('fsync')
        this.#note({ kind: 'sync', path, inode: node.inode })
      },
      copyOwner: async like => {
        check('fchmod')
        const { mode, owner, group } = like
        if (node.mode === mode && node.owner === owner && node.group === group) return
        Object.assign(node, { mode, owner, group })
        this.#note({ kind: 'setowner', path, inode: node.inode, mode, owner, group })
      },
      // Attributes are nothing that a crash could mix up with content.
      copyAttributes: async () => check('fsetxattr'),
      close: async () => {
        closed = true
      },
    }
    return file
  }

  #create(path: string): FileNode {
    const place = findPlace(this.#tree, path, 'open', false)
    if (place.node !== undefined) throw errnoError('EEXIST', 'open', path)
    const node = newFile(this.#nextInode++, this.#tick())
    this.#add(place, node, { kind: 'create', path, at: entry(place), inode: node.inode })
    return node
  }

  #add(place: Place, node: FileNode | FolderNode, change: Change): void {
    this.#tree.set(node.inode, node)
    this.#made.set(node.inode, forkNode(node))
    place.folder.entries.set(place.name, node.inode)
    this.#note(change)
  }

  #file(path: string): FileNode {
    const { node } = findPlace(this.#tree, path, 'open', false)
    if (node === undefined) throw errnoError('ENOENT', 'open', path)
    if (node.kind === 'link') throw errnoError('ELOOP', 'open', path)
    if (node.kind === 'folder') throw errnoError('EISDIR', 'open', path)
    return node
  }

  #look(path: string, followLast: boolean): Place | undefined {
    return this.#place(path, 'lstat', followLast, 'ENOENT', 'ENOTDIR', 'ELOOP')
  }

  #place(path: string, syscall: string, followLast: boolean, ...absent: string[]): Place | undefined {
    try {
      return findPlace(this.#tree, path, syscall, followLast)
    } catch (error) {
      if (error instanceof Error && 'code' in error && absent.some(code => code === error.code)) {
        return undefined
      }
      throw error
    }
  }

  #statOf(node: MemoryNode): FileStat {
    const { kind, mtimeNs, mode, owner, group } = node
    const size = node.kind === 'file' ? node.content.length : 0
    const allocatedBytes = node.kind === 'file' ? node.content.allocatedBytes : 0
    const links = node.kind === 'folder' ? 1 : countNames(this.#tree, node.inode)
    const inode = BigInt(node.inode)
    return { kind, size, allocatedBytes, mtimeNs, device: DEVICE, inode, links, mode, owner, group }
  }

  #note(change: Change): bigint {
    const mtimeNs = this.#tick()
    this.#entries.push({ ...change, mtimeNs })
    return mtimeNs
  }

  #tick(): bigint {
    this.#clockNs += TICK_NS
    return this.#clockNs
  }
}

function entry(place: Place): { folder: number; name: string } {
  return { folder: place.folder.inode, name: place.name }
}

function checkReplace(source: MemoryNode, target: MemoryNode, path: string): void {
  if (source.kind === 'folder' && target.kind !== 'folder') throw errnoError('ENOTDIR', 'rename', path)
  if (source.kind !== 'folder' && target.kind === 'folder') throw errnoError('EISDIR', 'rename', path)
  if (target.kind === 'folder' && target.entries.size > 0) throw errnoError('ENOTEMPTY', 'rename', path)
}

function latest(tree: MemoryTree): bigint {
  let newest = FIRST_MTIME_NS
  for (const { mtimeNs } of tree.values()) if (mtimeNs > newest) newest = mtimeNs
  return newest
}
