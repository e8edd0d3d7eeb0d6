import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { ALIGNMENT, isAligned } from './aligned_buffer.ts'
import { errorCode } from './errno.ts'

/** Below this the way through the cache is as good. */
const LEAST_BYTES = 256 * 1024

/** Undefined where the system has no such way, or the runtime does not say how to ask for it. */
export const DIRECT: number | undefined = process.platform === 'linux' ? constants.O_DIRECT : undefined

/** Writes past the system's cache, where that can be done. */
export interface DirectWriter {
  /**
   * Writes the buffer, or its first bytes, to the disk without putting it into the system's cache.
   *
   * @returns The bytes written; 0 when this has to go another way.
   * @throws An error of the file system.
   */
  write(buffer: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

/**
 * Returns a direct writer for an open file.
 *
 * What is written once and not read again has no place in the cache: it would push out what a user needs,
 * and memory that the system has to find for it costs more than the copying. It is on stable storage only
 * after a flush, as with every other write, and readers see it at once.
 */
export function directWriter(handle: FileHandle): DirectWriter {
  let second: Promise<FileHandle | undefined> | undefined
  let refused = DIRECT === undefined
  return {
    write: async (buffer, position) => {
      if (refused || buffer.length < LEAST_BYTES || position % ALIGNMENT !== 0 || !isAligned(buffer)) return 0
      second ??= openDirect(handle, constants.O_WRONLY)
      const direct = await second
      try {
        if (direct !== undefined) return (await direct.write(buffer, 0, buffer.length, position)).bytesWritten
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
export async function openDirect(handle: FileHandle, access: number): Promise<FileHandle | undefined> {
  try {
    return await open(`/proc/self/fd/${handle.fd}`, access | (DIRECT ?? 0))
  } catch {
    return undefined
  }
}
