import { loadKoffi } from './load_koffi.ts'

/** What tells a file from all others of a computer. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
}

/** Calls of Linux that no runtime offers. Files are named by the system's numbers for them. */
export interface SystemCalls {
  /** Lets a range of one file share its place on the disk with a range of another; false when it cannot. */
  cloneRange(target: number, position: number, source: number, from: number, length: number): Promise<boolean>
  /** Sets place on the disk aside for a range of a file, and makes the file as long as that; false when it cannot. */
  allocate(file: number, position: number, length: number): Promise<boolean>
  /** Opens a file; undefined when it cannot. */
  open(path: string, flags: number): number | undefined
  /** Which file it is; undefined when the system does not tell. */
  identity(file: number): FileIdentity | undefined
  close(file: number): void
  /** Flushes all of the file system that a file lies in, see syncfs(2); a failure is no news. */
  flushFileSystem(file: number): Promise<void>
}

/** FICLONERANGE of linux/fs.h: _IOW(0x94, 13, struct file_clone_range), with the numbers of these processors. */
const FICLONERANGE = 0x4020940d
const PROCESSORS: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64']

/** struct file_clone_range: s64 src_fd, u64 src_offset, u64 src_length, u64 dest_offset. */
const CLONE_RANGE_BYTES = 32

/** struct statx of linux/stat.h: the same for all processors. */
const STATX = { bytes: 256, ino: 32, devMajor: 136, devMinor: 140 } as const
const AT_EMPTY_PATH = 0x1000
const STATX_INO = 0x100

let loaded: { readonly calls: SystemCalls | undefined } | undefined

/** Returns the calls, or undefined where there are none: on other systems, or without the optional package koffi. */
export function systemCalls(): SystemCalls | undefined {
  if (process.platform !== 'linux' || !PROCESSORS.includes(process.arch)) return undefined
  loaded ??= { calls: load() }
  return loaded.calls
}

function load(): SystemCalls | undefined {
  try {
    const library = loadKoffi()?.load(null)
    if (library === undefined) return undefined
    const ioctl = library.func('int ioctl(int file, unsigned long request, void *argument)')
    const fallocate = library.func('int fallocate(int file, int mode, int64_t position, int64_t length)')
    const open = library.func('int open(const char *path, int flags, ...)')
    const close = library.func('int close(int file)')
    const syncfs = library.func('int syncfs(int file)')
    const statx = library.func('int statx(int file, const char *path, int flags, uint mask, void *found)')
    return {
      cloneRange: async (target, position, source, from, length) => {
        const argument = new BigUint64Array(CLONE_RANGE_BYTES / BigUint64Array.BYTES_PER_ELEMENT)
        argument.set([BigInt(source), BigInt(from), BigInt(length), BigInt(position)])
        return await new Promise<boolean>((resolve, reject) => {
          ioctl.async(target, FICLONERANGE, argument, (error: unknown, status: number) => {
            if (error) reject(error)
            else resolve(status === 0)
          })
        })
      },
      allocate: async (file, position, length) => {
        return await new Promise<boolean>((resolve, reject) => {
          fallocate.async(file, 0, position, length, (error: unknown, status: number) => {
            if (error) reject(error)
            else resolve(status === 0)
          })
        })
      },
      open: (path, flags) => {
        const file = Number(open(path, flags))
        return file < 0 ? undefined : file
      },
      identity: file => {
        const found = new DataView(new ArrayBuffer(STATX.bytes))
        const status = statx(file, '', AT_EMPTY_PATH, STATX_INO, new Uint8Array(found.buffer))
        return status === 0 ? identityIn(found) : undefined
      },
      close: file => {
        close(file)
      },
      flushFileSystem: async file => {
        await new Promise<void>((resolve, reject) => {
          syncfs.async(file, (error: unknown) => {
            if (error) reject(error)
            else resolve()
          })
        })
      },
    }
  } catch {
    return undefined
  }
}

/** All these processors are little-endian. */
function identityIn(found: DataView): FileIdentity {
  const major = BigInt(found.getUint32(STATX.devMajor, true))
  const minor = BigInt(found.getUint32(STATX.devMinor, true))
  const device =
    ((major & 0xfffff000n) << 32n) |
    ((major & 0xfffn) << 8n) |
    ((minor & 0xffffff00n) << 12n) |
    (minor & 0xffn)
  return { device, inode: found.getBigUint64(STATX.ino, true) }
}
