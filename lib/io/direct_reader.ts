import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { directTransfers, LEAST_BYTES } from './direct_transfers.ts'

/** Bytes a millisecond (1 GB/s): what is in the system's cache is read faster, even while others read, too. */
const CACHED_RATE = 1_000_000

/** Slow reads in a row after which the cache is passed by. */
const MOST_SLOW = 2

/** One read in so many goes through the cache all the same, to see whether what comes next is in it. */
const PROBE_EVERY = 16

/** Reads past the system's cache, where that can be done and the cache has nothing to offer. */
export interface DirectReader {
  /**
   * Fills the buffer, or its beginning, from the disk without putting that into the system's cache.
   *
   * @returns The bytes read; 0 when this has to go another way.
   * @throws An error of the file system.
   */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Is told how long a read of so many bytes took that went through the cache, in milliseconds. */
  took(bytes: number, milliseconds: number): void
  close(): Promise<void>
}

/** What is known of the system's cache. */
export interface CachePace {
  /** Reads in a row that were too slow to have come from memory. */
  slow: number
}

/** Images of a machine mostly are alike in this, and a chain can have hundreds that hold little each. */
const paceOfAll: CachePace = { slow: 0 }

/**
 * Returns a direct reader for an open file.
 *
 * What is read once to be copied has no place in the cache, and having the system make room there for every page of it
 * takes five times the processor time of the transfer. What is in the cache already is read from there at the speed
 * of memory, though; nothing tells which of it is, but the time that reading takes.
 *
 * @param pace Is shared by readers whose files are taken to be alike.
 */
export function directReader(handle: FileHandle, pace: CachePace = paceOfAll): DirectReader {
  const direct = directTransfers(handle, constants.O_RDONLY)
  let sinceProbe = 0
  return {
    read: async (buffer, position) => {
      if (pace.slow < MOST_SLOW || !direct.takes(buffer, position)) return 0
      sinceProbe = (sinceProbe + 1) % PROBE_EVERY
      if (sinceProbe === 0) return 0
      return await direct.transfer(buffer, position, async file => {
        return (await file.read(buffer, 0, buffer.length, position)).bytesRead
      })
    },
    took: (bytes, milliseconds) => {
      if (bytes >= LEAST_BYTES) pace.slow = bytes > CACHED_RATE * milliseconds ? 0 : pace.slow + 1
    },
    close: direct.close,
  }
}
