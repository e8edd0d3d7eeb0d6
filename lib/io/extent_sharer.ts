import type { FileHandle } from 'node:fs/promises'
import { type CloneRange, cloneRangeFor } from './clone_range.ts'

/** The least that file systems share is a block of theirs, mostly of this many bytes. */
const LEAST_BLOCK = 4096

/** Shares what other files hold with one file. */
export interface ExtentSharer {
  /** Returns false when it cannot be done; what the target holds there is then not defined. */
  share(source: FileHandle, from: number, length: number, position: number): Promise<boolean>
}

/** Returns a sharer into an open file. Where the file system refused once for a source, it is not asked again. */
export function extentSharer(target: FileHandle): ExtentSharer {
  const refused = new WeakSet<FileHandle>()
  let found: Promise<CloneRange | undefined> | undefined
  return {
    share: async (source, from, length, position) => {
      const isWhole = [from, length, position].every(bytes => bytes % LEAST_BLOCK === 0)
      if (!isWhole || refused.has(source)) return false
      found ??= cloneRangeFor(target)
      const clone = await found
      if (clone !== undefined && (await clone(target.fd, position, source.fd, from, length))) return true
      refused.add(source)
      return false
    },
  }
}
