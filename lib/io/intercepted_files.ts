import type { Files, OpenFile } from './files.ts'

/** What can be asked of `Files` or of an open file; `create` is an `open` that makes the file. */
export type FileOperation =
  | 'stat'
  | 'realPath'
  | 'list'
  | 'readFile'
  | 'open'
  | 'create'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'removeFolder'
  | 'makeFolder'
  | 'syncFolder'
  | 'mayWrite'
  | 'freeSpace'
  | 'flushFileSystem'
  | 'fileStat'
  | 'read'
  | 'write'
  | 'share'
  | 'truncate'
  | 'reserve'
  | 'sync'
  | 'copyOwner'
  | 'copyAttributes'
  | 'close'

/** The operations that change what is on the disk. */
export const CHANGING_OPERATIONS: ReadonlySet<FileOperation> = new Set<FileOperation>([
  'create',
  'rename',
  'link',
  'unlink',
  'removeFolder',
  'makeFolder',
  'write',
  'share',
  'truncate',
  'reserve',
  'copyOwner',
  'copyAttributes',
])

/** One call on its way to the files behind. */
export interface FileCall {
  readonly operation: FileOperation
  readonly path: string
  /** The second path of `rename` and `link`. */
  readonly to?: string
  /** Byte offset of `read`, `write` and `share`; the new length for `truncate` and `reserve`. */
  readonly position?: number
  /** Bytes asked for by `read`, `write` and `share`. */
  readonly bytes?: number
}

/**
 * Stands between a caller and the files behind. It makes the call with `run`, or throws instead;
 * `run(n)` limits a `read` or `write` to its first n bytes.
 */
export type Interceptor = <T>(call: FileCall, run: (limit?: number) => Promise<T>) => Promise<T>

/** Returns files whose every call goes through `intercept`. */
export function interceptedFiles(files: Files, intercept: Interceptor): Files {
  return {
    stat: path => intercept({ operation: 'stat', path }, () => files.stat(path)),
    realPath: path => intercept({ operation: 'realPath', path }, () => files.realPath(path)),
    list: path => intercept({ operation: 'list', path }, () => files.list(path)),
    readFile: (path, maxBytes) =>
      intercept({ operation: 'readFile', path }, () => files.readFile(path, maxBytes)),
    open: async (path, access) => {
      const operation = access === 'create' ? 'create' : 'open'
      const file = await intercept({ operation, path }, () => files.open(path, access))
      return interceptedFile(file, path, intercept)
    },
    rename: (path, to) => intercept({ operation: 'rename', path, to }, () => files.rename(path, to)),
    link: (path, to) => intercept({ operation: 'link', path, to }, () => files.link(path, to)),
    unlink: path => intercept({ operation: 'unlink', path }, () => files.unlink(path)),
    removeFolder: path => intercept({ operation: 'removeFolder', path }, () => files.removeFolder(path)),
    makeFolder: (path, like) =>
      intercept({ operation: 'makeFolder', path }, () => files.makeFolder(path, like)),
    syncFolder: path => intercept({ operation: 'syncFolder', path }, () => files.syncFolder(path)),
    mayWrite: path => intercept({ operation: 'mayWrite', path }, () => files.mayWrite(path)),
    freeSpace: path => intercept({ operation: 'freeSpace', path }, () => files.freeSpace(path)),
    flushFileSystem: path =>
      intercept({ operation: 'flushFileSystem', path }, () => files.flushFileSystem(path)),
  }
}

/** The file behind each intercepted one. */
const behind = new WeakMap<OpenFile, OpenFile>()

function interceptedFile(file: OpenFile, path: string, intercept: Interceptor): OpenFile {
  const intercepted: OpenFile = {
    stat: () => intercept({ operation: 'fileStat', path }, () => file.stat()),
    read: (buffer, position) =>
      intercept({ operation: 'read', path, position, bytes: buffer.length }, (limit = buffer.length) =>
        file.read(buffer.subarray(0, limit), position),
      ),
    write: (buffer, position) =>
      intercept({ operation: 'write', path, position, bytes: buffer.length }, (limit = buffer.length) =>
        file.write(buffer.subarray(0, limit), position),
      ),
    share: (source, from, length, position) =>
      intercept({ operation: 'share', path, position, bytes: length }, () =>
        file.share(behind.get(source) ?? source, from, length, position),
      ),
    truncate: length =>
      intercept({ operation: 'truncate', path, position: length }, () => file.truncate(length)),
    reserve: length =>
      intercept({ operation: 'reserve', path, position: length }, () => file.reserve(length)),
    sync: () => intercept({ operation: 'sync', path }, () => file.sync()),
    copyOwner: like => intercept({ operation: 'copyOwner', path }, () => file.copyOwner(like)),
    copyAttributes: like =>
      intercept({ operation: 'copyAttributes', path }, () => file.copyAttributes(behind.get(like) ?? like)),
    close: () => intercept({ operation: 'close', path }, () => file.close()),
  }
  behind.set(intercepted, file)
  return intercepted
}
