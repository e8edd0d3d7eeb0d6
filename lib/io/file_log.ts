import { forkNode, forkTree, type MemoryNode, type MemoryTree } from './memory_tree.ts'

/** A name in a folder. */
export interface EntryName {
  /** Inode of the folder. */
  readonly folder: number
  readonly name: string
}

/** A change of names in one or two folders; on the disk once each folder has been flushed. */
export type NameChange =
  | { readonly kind: 'create' | 'mkdir' | 'link'; readonly at: EntryName; readonly inode: number }
  | { readonly kind: 'unlink'; readonly at: EntryName; readonly inode: number }
  | { readonly kind: 'rename'; readonly from: EntryName; readonly to: EntryName; readonly inode: number }

/** A change of what a file holds; on the disk once the file has been flushed. */
export type ContentChange =
  | { readonly kind: 'write'; readonly inode: number; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly inode: number; readonly length: number }
  | {
      readonly kind: 'setowner'
      readonly inode: number
      readonly mode: number
      readonly owner: number
      readonly group: number
    }

/** A flush of a file, or of the names in a folder. */
export interface Flush {
  readonly kind: 'sync' | 'syncFolder'
  readonly inode: number
}

/** One changing operation, with the path it was asked for, the time it gave to the file, and who it was done to. */
export type LogEntry = (NameChange | ContentChange | Flush) & {
  readonly path: string
  readonly mtimeNs: bigint
}

/** All that happened since a state that was wholly on the disk. */
export interface Recording {
  /** The durable state at the start. Not to be changed. */
  readonly start: MemoryTree
  /** Inodes made since, as they were when they were made. Not to be changed. */
  readonly made: ReadonlyMap<number, MemoryNode>
  readonly entries: readonly LogEntry[]
  /** The inode number that the next new file gets. */
  readonly nextInode: number
}

/** True for a change of names. */
export function changesNames(entry: LogEntry): entry is LogEntry & NameChange {
  return ['create', 'mkdir', 'link', 'unlink', 'rename'].includes(entry.kind)
}

/** True for a change of a file's content, length, mode or owner. */
export function changesContent(entry: LogEntry): entry is LogEntry & ContentChange {
  return entry.kind === 'write' || entry.kind === 'truncate' || entry.kind === 'setowner'
}

/** Returns a tree that holds the start and every inode made since, still without names for them. */
export function startTree(recording: Recording): MemoryTree {
  const tree = forkTree(recording.start)
  for (const [inode, node] of recording.made) tree.set(inode, forkNode(node))
  return tree
}

/** Returns one line for people, such as `write /m/a.vdi 512+131072`. */
export function describeEntry(entry: LogEntry): string {
  switch (entry.kind) {
    case 'write':
      return `write ${entry.path} ${entry.position}+${entry.data.length}`
    case 'truncate':
      return `truncate ${entry.path} ${entry.length}`
    case 'rename':
      return `rename ${entry.path} to ${entry.to.name}`
    default:
      return `${entry.kind} ${entry.path}`
  }
}
