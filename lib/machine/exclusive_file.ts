import { errorCode } from '../io/errno.ts'
import type { FileStat, Files, OpenFile } from '../io/files.ts'
import { decodeHolder, encodeHolder, type LockHolder, MAX_LOCK_BYTES } from './lock_holder.ts'

/** What a try to own a file came to. */
export type Claim = 'mine' | 'vanished' | { readonly holder: LockHolder | undefined }

/** Who tries to own a file, and how it judges others. */
export interface Claimant {
  readonly files: Files
  readonly me: LockHolder
  /** The file whose owner and mode a lock file gets. */
  readonly like: FileStat | undefined
  isGone(holder: LockHolder): Promise<boolean>
}

/**
 * Crashes in the middle of taking over from a crash in the middle of taking over … that can be healed. Each makes a file
 * name 17 characters longer.
 */
const MAX_DEPTH = 8

/** What file systems without hard links (FAT) answer to `link`. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'UNKNOWN'])

/**
 * Tries once to make `path` a file that says "mine". Of any number of processes that try, one gets it.
 *
 * The file appears with its whole content, because it is written under another name and then linked.
 * A holder that is gone is replaced by a rename over its file, which only one process may do: the one
 * that owns the claim file named after that holder. A holder's token is never used again, so under a
 * claim for it the file can only be that holder's, or the claim came too late and is given back. A
 * claim is owned in just the same way, so that a crash while holding it can be healed too.
 */
export async function claimFile(claimant: Claimant, path: string, depth = 0): Promise<Claim> {
  const found = await readHolder(claimant.files, path)
  if (found === 'absent') return createFile(claimant, path)
  const { holder } = found
  if (holder === undefined || depth >= MAX_DEPTH || !(await claimant.isGone(holder))) return { holder }
  return takeOver(claimant, path, holder, depth)
}

/** Returns what a lock file says; its holder is undefined when this version cannot read it. */
export async function readHolder(
  files: Files,
  path: string,
): Promise<'absent' | { readonly holder: LockHolder | undefined }> {
  try {
    return { holder: decodeHolder(await files.readFile(path, MAX_LOCK_BYTES)) }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'absent'
    if (error instanceof RangeError || errorCode(error) !== undefined) return { holder: undefined }
    throw error
  }
}

/** Removes a file; it may be gone already. */
export async function removeFile(files: Files, path: string): Promise<void> {
  try {
    await files.unlink(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Name of the file in which a claimant prepares what is to become `path`. */
export function draftOf(path: string, me: LockHolder): string {
  return `${path}.${me.token}.new`
}

async function createFile(claimant: Claimant, path: string): Promise<Claim> {
  const { files, me } = claimant
  const draft = draftOf(path, me)
  await writeDraft(claimant, draft)
  try {
    await files.link(draft, path)
    return 'mine'
  } catch (error) {
    const code = errorCode(error) ?? ''
    // Who holds the lock clears away drafts that it cannot read yet.
    if (code === 'ENOENT') return 'vanished'
    if (code === 'EEXIST') return await whoseIs(claimant, path)
    if (!NO_LINKS.has(code)) throw error
    return await createWithoutLink(claimant, path)
  } finally {
    await removeFile(files, draft)
  }
}

/** Network file systems may make the link and lose the answer. */
async function whoseIs({ files, me }: Claimant, path: string): Promise<Claim> {
  const found = await readHolder(files, path)
  if (found === 'absent') return 'vanished'
  return found.holder?.token === me.token ? 'mine' : found
}

async function createWithoutLink(claimant: Claimant, path: string): Promise<Claim> {
  try {
    await writeNew(claimant, path)
    return 'mine'
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return whoseIs(claimant, path)
    throw error
  }
}

async function takeOver(claimant: Claimant, path: string, holder: LockHolder, depth: number): Promise<Claim> {
  const { files, me } = claimant
  const claimPath = `${path}.${holder.token}`
  const claim = await claimFile(claimant, claimPath, depth + 1)
  if (claim !== 'mine') return claim === 'vanished' ? claim : { holder: claim.holder ?? holder }
  try {
    const found = await readHolder(files, path)
    if (found === 'absent' || found.holder?.token !== holder.token) return 'vanished'
    const draft = draftOf(path, me)
    await writeDraft(claimant, draft)
    try {
      await files.rename(draft, path)
    } catch (error) {
      await removeFile(files, draft)
      if (errorCode(error) === 'ENOENT') return 'vanished'
      throw error
    }
    return 'mine'
  } finally {
    await removeFile(files, claimPath)
  }
}

async function writeDraft(claimant: Claimant, draft: string): Promise<void> {
  // One of the same token is what a failed try of this very claimant left.
  await removeFile(claimant.files, draft)
  await writeNew(claimant, draft)
}

async function writeNew({ files, me, like }: Claimant, path: string): Promise<void> {
  const file = await files.open(path, 'create')
  try {
    try {
      await file.write(encodeHolder(me), 0)
      if (like !== undefined) await copyOwnerIfPossible(file, like)
      // Else a power failure could leave an empty lock, which no one would ever dare to break.
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    await removeFile(files, path)
    throw error
  }
}

/** A file system without modes must not keep anyone from locking. */
async function copyOwnerIfPossible(file: OpenFile, like: FileStat): Promise<void> {
  try {
    await file.copyOwner(like)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') throw error
  }
}
