import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { ALIGNMENT, isAligned } from './aligned_buffer.ts'
import { errorCode } from './errno.ts'

/** Below this the way through the cache is as good. */
export const LEAST_BYTES: number = 256 * 1024

/** Undefined where the system has no such way, or the runtime does not say how to ask for it. */
const DIRECT: number | undefined = process.platform === 'linux' ? constants.O_DIRECT : undefined

/** Transfers of one open file past the system's cache, by a second handle that the first of them opens. */
export interface DirectTransfers {
  /** Whether it is worth a try. */
  takes(buffer: Uint8Array, position: number): boolean
  /**
   * Makes a transfer, where it can be done.
   *
   * @returns The bytes transferred; 0 when this has to go another way.
   * @throws An error of the file system.
   */
  transfer(
    buffer: Uint8Array,
    position: number,
    work: (direct: FileHandle) => Promise<number>,
  ): Promise<number>
  close(): Promise<void>
}

/** Returns transfers for an open file, to read (`O_RDONLY`) or to write (`O_WRONLY`). */
export function directTransfers(handle: FileHandle, access: number): DirectTransfers {
  let second: Promise<FileHandle | undefined> | undefined
  let refused = DIRECT === undefined
  const takes = (buffer: Uint8Array, position: number): boolean =>
    !refused && buffer.length >= LEAST_BYTES && position % ALIGNMENT === 0 && isAligned(buffer)
  return {
    takes,
    transfer: async (buffer, position, work) => {
      if (!takes(buffer, position)) return 0
      second ??= openDirect(handle, access)
      const direct = await second
      try {
        if (direct !== undefined) return await work(direct)
      } catch (error) {
        // Said by file systems that take the flag and cannot do it, or want a larger alignment.
        if (errorCode(error) !== 'EINVAL') throw error
      }
      refused = true
      return 0
    },
    close: async () => await (await second)?.close(),
  }
}

/**
 * Opens a file a second time for transfers past the cache, by its number, so that it is the same file whatever has
 * become of its name; undefined where that cannot be done.
 */
async function openDirect(handle: FileHandle, access: number): Promise<FileHandle | undefined> {
  try {
    return await open(`/proc/self/fd/${handle.fd}`, access | (DIRECT ?? 0))
  } catch {
    return undefined
  }
}
