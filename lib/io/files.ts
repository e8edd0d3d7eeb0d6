/** What kind of thing a path names. Links are not followed. */
export type FileKind = 'file' | 'folder' | 'link' | 'other'

/** What is known of a file without reading it. */
export interface FileStat {
  readonly kind: FileKind
  /** Length in bytes. */
  readonly size: number
  /** Bytes that the host file system holds for it; less than `size` where it has holes. */
  readonly allocatedBytes: number
  /** Time of the last change of content, nanoseconds since 1970. */
  readonly mtimeNs: bigint
  readonly device: bigint
  readonly inode: bigint
  /** Number of names of this file. */
  readonly links: number
  /** Permission bits (0o777 and the three special ones). */
  readonly mode: number
  readonly owner: number
  readonly group: number
}

/** A time in nanoseconds as whole milliseconds, which is all that every runtime tells of a file. */
export function wholeMilliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n)
}

/** How a file is opened. `create` fails when the path exists (also when it is a link). */
export type FileAccess = 'read' | 'write' | 'create'

/** An open file. The opener closes it. */
export interface OpenFile {
  stat(): Promise<FileStat>
  /** Reads into `buffer` from byte `position` on; returns the bytes read, fewer only at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Writes all of `buffer` at byte `position`. */
  write(buffer: Uint8Array, position: number): Promise<void>
  /**
   * Makes `length` bytes from `position` on the same as those of `source` from `from` on, without copying
   * them: both files then share their place on the disk, until one of them is written there. Like a write,
   * it lasts once `sync` has returned.
   *
   * @returns False where that cannot be done; what stands there is not defined then, so it has to be written.
   */
  share(source: OpenFile, from: number, length: number, position: number): Promise<boolean>
  /** Sets the length in bytes; a longer file reads as zeros behind its old end. */
  truncate(length: number): Promise<void>
  /**
   * Has place set aside for a file that will be written up to byte `length`, where that makes writing faster; otherwise
   * nothing happens. The file may be that long afterwards, with zeros behind its old end, and is never made shorter.
   */
  reserve(length: number): Promise<void>
  /** Returns once content and length are on stable storage. A failure is final: it is never retried. */
  sync(): Promise<void>
  /** Gives the file the permission bits, owner and group of `like`; an owner that may not be set is left. */
  copyOwner(like: FileStat): Promise<void>
  /**
   * Gives the file the extended attributes of `like` (access lists, labels, what users noted), as far as this system and
   * this user can do that.
   */
  copyAttributes(like: OpenFile): Promise<void>
  close(): Promise<void>
}

/**
 * All that the direct engine may do to files. The crash tests replace it, so nothing in the engine
 * reaches a file by another way. Paths are absolute. `write` and `read` access never follow a link at
 * the last step of the path.
 */
export interface Files {
  /** Returns undefined when nothing has this name. */
  stat(path: string): Promise<FileStat | undefined>
  /** The path with every link of its folders resolved; undefined when nothing has this name. */
  realPath(path: string): Promise<string | undefined>
  /** Names in a folder, sorted; empty when the folder does not exist. */
  list(folder: string): Promise<string[]>
  /** Reads a whole small file; throws a RangeError when it is longer than `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>
  open(path: string, access: FileAccess): Promise<OpenFile>
  /** Puts `from` in the place of `to`, which may exist, in one step. */
  rename(from: string, to: string): Promise<void>
  /** Gives the file a second name; fails when `to` exists. */
  link(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Removes a folder with nothing in it; fails when there is something. */
  removeFolder(path: string): Promise<void>
  /** Makes a folder and its missing parents; what it makes belongs to whom `like` belongs, as with `copyOwner`. */
  makeFolder(path: string, like?: FileStat): Promise<void>
  /** Returns once the names in this folder are on stable storage. */
  syncFolder(path: string): Promise<void>
  /**
   * Whether this user may write into a file, or make and remove files in a folder, as far as the system tells without trying.
   * Deno does not tell without a further permission, so there everything may be written.
   */
  mayWrite(path: string): Promise<boolean>
  /** Bytes that this user can still write to the file system of `folder`. */
  freeSpace(folder: string): Promise<number>
  /**
   * Returns once the file system of `folder` has on stable storage all that was done to it, where that can be asked for:
   * Btrfs counts the place of deleted files as free only then.
   */
  flushFileSystem(folder: string): Promise<void>
}
