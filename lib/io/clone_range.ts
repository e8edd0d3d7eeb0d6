import { type FileHandle, statfs } from 'node:fs/promises'
import { systemLibrary } from './koffi.ts'

/** Lets a range of one file share its place on the disk with a range of another. */
export type CloneRange = (
  target: number,
  position: number,
  source: number,
  from: number,
  length: number,
) => Promise<boolean>

/** FICLONERANGE of linux/fs.h: _IOW(0x94, 13, struct file_clone_range), with the numbers of these processors. */
const FICLONERANGE = 0x4020940d
const PROCESSORS: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64']

/** struct file_clone_range: s64 src_fd, u64 src_offset, u64 src_length, u64 dest_offset. */
const ARGUMENT_BYTES = 32

/** File systems of linux/magic.h that never share: ext4, tmpfs. Whatever else there is, is asked. */
const NEVER: ReadonlySet<number> = new Set([0xef53, 0x01021994])

let loaded: { readonly call: CloneRange | undefined } | undefined

/**
 * Returns the system's call for a file, or undefined where there is none: on other systems, without the
 * optional package koffi, on a file system that is known not to have it.
 */
export async function cloneRangeFor(handle: FileHandle): Promise<CloneRange | undefined> {
  if (process.platform !== 'linux' || !PROCESSORS.includes(process.arch)) return undefined
  try {
    if (NEVER.has((await statfs(`/proc/self/fd/${handle.fd}`)).type)) return undefined
  } catch {
    return undefined
  }
  loaded ??= { call: load() }
  return loaded.call
}

function load(): CloneRange | undefined {
  try {
    const ioctl = systemLibrary()?.func('int ioctl(int file, unsigned long request, void *argument)')
    if (ioctl === undefined) return undefined
    return async (target, position, source, from, length) => {
      const argument = new BigUint64Array(ARGUMENT_BYTES / BigUint64Array.BYTES_PER_ELEMENT)
      argument.set([BigInt(source), BigInt(from), BigInt(length), BigInt(position)])
      return await new Promise<boolean>((resolve, reject) => {
        ioctl.async(target, FICLONERANGE, argument, (error: unknown, status: number) => {
          if (error) reject(error)
          else resolve(status === 0)
        })
      })
    }
  } catch {
    return undefined
  }
}
