import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { directTransfers } from './direct_transfers.ts'

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
  const direct = directTransfers(handle, constants.O_WRONLY)
  return {
    write: async (buffer, position) =>
      await direct.transfer(buffer, position, async file => {
        return (await file.write(buffer, 0, buffer.length, position)).bytesWritten
      }),
    close: direct.close,
  }
}
