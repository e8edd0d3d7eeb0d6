import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCalls } from './system_calls.ts'
import type { SystemNumber } from './system_number.ts'

/** ext4, see linux/magic.h: it lets several writes pass the cache at a time only where a file has its place already. */
const EXT4 = 0xef53

/** On fewer bytes less is saved than the call costs, with koffi, which may have to be loaded for it. */
const LEAST_BYTES = 32 * 1024 * 1024

/**
 * Sets place on the disk aside behind the end of an open file, and makes the file so long. Where that cannot be done, or would
 * be of no use, the file stays as it is, and whoever writes meets what is wrong.
 *
 * On ext4 a write past the cache that makes a file longer, or fills a hole, has the file for itself; with place set aside, four
 * at a time take two thirds of the time.
 *
 * @param path Of the file, by which its file system is known.
 * @param size Its present length.
 */
export async function reservePlace(
  number: SystemNumber,
  path: string,
  size: number,
  length: number,
): Promise<void> {
  if (length - size < LEAST_BYTES) return
  try {
    if ((await statfs(dirname(path))).type !== EXT4) return
    const calls = systemCalls()
    const file = calls === undefined ? undefined : await number.get(calls)
    if (calls !== undefined && file !== undefined) await calls.allocate(file, size, length - size)
  } catch {
    // It would have been faster.
  }
}
