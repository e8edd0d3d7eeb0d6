import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type SystemCalls, systemCalls } from './system_calls.ts'
import type { SystemNumber } from './system_number.ts'

/** The least that file systems share is a block of theirs, mostly of this many bytes. */
const LEAST_BLOCK = 4096

/** File systems of linux/magic.h that never share: ext4, tmpfs. Whatever else there is, is asked. */
const NEVER: ReadonlySet<number> = new Set([0xef53, 0x01021994])

/** Shares what other files hold with one file. */
export interface ExtentSharer {
  /** Returns false when it cannot be done; what the target holds there is then not defined. */
  share(source: SystemNumber, from: number, length: number, position: number): Promise<boolean>
}

/**
 * Returns a sharer into an open file. Where the file system refused once for a source, it is not asked again.
 *
 * @param path Of the file, by which its file system is known.
 */
export function extentSharer(target: SystemNumber, path: string): ExtentSharer {
  const refused = new WeakSet<SystemNumber>()
  let found: Promise<SystemCalls | undefined> | undefined
  return {
    share: async (source, from, length, position) => {
      const isWhole = [from, length, position].every(bytes => bytes % LEAST_BLOCK === 0)
      if (!isWhole || refused.has(source)) return false
      found ??= callsFor(path)
      const calls = await found
      if (calls !== undefined) {
        const [into, out] = await Promise.all([target.get(calls), source.get(calls)])
        const isKnown = into !== undefined && out !== undefined
        if (isKnown && (await calls.cloneRange(into, position, out, from, length))) return true
      }
      refused.add(source)
      return false
    },
  }
}

/** Asks for the calls only where they may be of use: loading koffi takes a while. */
async function callsFor(path: string): Promise<SystemCalls | undefined> {
  try {
    return NEVER.has((await statfs(dirname(path))).type) ? undefined : systemCalls()
  } catch {
    return undefined
  }
}
