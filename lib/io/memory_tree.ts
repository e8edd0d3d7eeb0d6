import { posix } from 'node:path'
import { errnoError } from './errno.ts'
import { MemoryContent } from './memory_content.ts'

/** What every inode has. */
interface NodeFacts {
  readonly inode: number
  mode: number
  owner: number
  group: number
  mtimeNs: bigint
}

/** A file without a name. */
export interface FileNode extends NodeFacts {
  readonly kind: 'file'
  content: MemoryContent
}

/** A folder: names and the inodes they stand for. */
export interface FolderNode extends NodeFacts {
  readonly kind: 'folder'
  readonly entries: Map<string, number>
}

/** A symbolic link. */
export interface LinkNode extends NodeFacts {
  readonly kind: 'link'
  readonly target: string
}

/** Anything a name can stand for. */
export type MemoryNode = FileNode | FolderNode | LinkNode

/** A file system in memory: inodes by number. */
export type MemoryTree = Map<number, MemoryNode>

/** Where a path leads: the folder that holds its last step, and what is there now. */
export interface Place {
  readonly folder: FolderNode
  /** Empty for the root itself. */
  readonly name: string
  readonly node: MemoryNode | undefined
  /** The path with all links of its folders resolved. */
  readonly path: string
}

/** Inode of the root folder. */
export const ROOT_INODE = 1

const MAX_LINKS = 40

/** Returns a tree that holds an empty root folder. */
export function emptyTree(): MemoryTree {
  return new Map([[ROOT_INODE, newFolder(ROOT_INODE, 0n)]])
}

/** Returns an empty folder. */
export function newFolder(inode: number, mtimeNs: bigint): FolderNode {
  return { kind: 'folder', inode, entries: new Map(), mode: 0o755, owner: 0, group: 0, mtimeNs }
}

/** Returns an empty file. */
export function newFile(inode: number, mtimeNs: bigint): FileNode {
  return { kind: 'file', inode, content: new MemoryContent(), mode: 0o600, owner: 0, group: 0, mtimeNs }
}

/** Returns an independent copy; the bytes of files are shared until one side writes. */
export function forkNode(node: MemoryNode): MemoryNode {
  if (node.kind === 'file') return { ...node, content: node.content.fork() }
  return node.kind === 'folder' ? { ...node, entries: new Map(node.entries) } : { ...node }
}

/** Returns an independent copy of all that has a name. */
export function forkTree(tree: MemoryTree): MemoryTree {
  const copy: MemoryTree = new Map()
  const waiting = [ROOT_INODE]
  for (let inode = waiting.pop(); inode !== undefined; inode = waiting.pop()) {
    const node = tree.get(inode)
    if (node === undefined || copy.has(inode)) continue
    copy.set(inode, forkNode(node))
    if (node.kind === 'folder') waiting.push(...node.entries.values())
  }
  return copy
}

/** Counts the names of an inode. */
export function countNames(tree: MemoryTree, inode: number): number {
  let names = 0
  for (const node of tree.values()) {
    if (node.kind !== 'folder') continue
    for (const entry of node.entries.values()) if (entry === inode) names++
  }
  return names
}

/**
 * Finds the place of an absolute path, following links in its folders, and at its last step when
 * `followLast` is set. Throws ENOENT, ENOTDIR or ELOOP as the system call of that name would.
 */
export function findPlace(tree: MemoryTree, path: string, syscall: string, followLast: boolean): Place {
  if (!posix.isAbsolute(path)) throw errnoError('ENOENT', syscall, path)
  let steps = posix.normalize(path).split('/').filter(Boolean)
  let links = 0
  let trail: FolderNode[] = [folderOf(tree, ROOT_INODE)]
  let names: string[] = []
  for (let i = 0; i < steps.length; i++) {
    const name = steps[i] ?? ''
    const folder = trail[trail.length - 1] ?? folderOf(tree, ROOT_INODE)
    const inode = folder.entries.get(name)
    const node = inode === undefined ? undefined : tree.get(inode)
    const last = i === steps.length - 1
    if (node?.kind === 'link' && (!last || followLast)) {
      if (++links > MAX_LINKS) throw errnoError('ELOOP', syscall, path)
      const target = posix.resolve(`/${names.join('/')}`, node.target)
      steps = [...target.split('/').filter(Boolean), ...steps.slice(i + 1)]
      trail = [folderOf(tree, ROOT_INODE)]
      names = []
      i = -1
      continue
    }
    if (last) return { folder, name, node, path: `/${[...names, name].join('/')}` }
    if (node === undefined) throw errnoError('ENOENT', syscall, path)
    if (node.kind !== 'folder') throw errnoError('ENOTDIR', syscall, path)
    trail.push(node)
    names.push(name)
  }
  const root = folderOf(tree, ROOT_INODE)
  return { folder: root, name: '', node: root, path: '/' }
}

function folderOf(tree: MemoryTree, inode: number): FolderNode {
  const node = tree.get(inode)
  if (node?.kind !== 'folder') throw errnoError('EIO', 'lookup')
  return node
}
