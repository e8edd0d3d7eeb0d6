import { dirname } from 'node:path'
import type { FileStat, Files } from './files.ts'
import { copyIdentityOf } from './identity.ts'

/** Bytes of a file, or pieces of them in their order; of these no more than one is held at a time. */
export type FileContent = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Writes a new file and flushes its content; its name is durable once its folder is flushed.
 *
 * @param like Path of the file whose owner, mode and attributes it gets, if there is one. Default: private to this user.
 * @param owner Goes before those of `like`.
 */
export async function writeNewFile(
  files: Files,
  path: string,
  content: FileContent,
  like: string | undefined,
  owner?: Pick<FileStat, 'mode' | 'owner' | 'group'>,
): Promise<void> {
  const file = await files.open(path, 'create')
  try {
    let at = 0
    for await (const piece of content instanceof Uint8Array ? [content] : content) {
      await file.write(piece, at)
      at += piece.length
    }
    if (like !== undefined) await copyIdentityOf(files, file, like)
    if (owner !== undefined) await file.copyOwner({ ...(await file.stat()), ...owner })
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Where the content that is to take the place of a file waits; a crash can leave it there. */
export function temporaryOf(path: string): string {
  return `${path}.vboxmerge-tmp`
}

/** Puts content in the place of a file in one step that a crash cannot split; owner and mode as with `writeNewFile`. */
export async function replaceFile(
  files: Files,
  path: string,
  content: FileContent,
  like: string | undefined,
  owner?: Pick<FileStat, 'mode' | 'owner' | 'group'>,
): Promise<void> {
  const temporary = temporaryOf(path)
  await removeIfThere(files, temporary)
  await writeNewFile(files, temporary, content, like, owner)
  await files.rename(temporary, path)
  await files.syncFolder(dirname(path))
}

/** Removes a file that may be missing. Returns whether it was there. */
export async function removeIfThere(files: Files, path: string): Promise<boolean> {
  const stat = await files.stat(path)
  if (stat === undefined || stat.kind === 'folder') return false
  await files.unlink(path)
  return true
}
