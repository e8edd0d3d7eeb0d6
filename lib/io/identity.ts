import type { Files, OpenFile } from './files.ts'

/** Makes a file that takes the place of another one belong to whom that one belongs: attributes, owner, group, mode. */
export async function copyIdentity(file: OpenFile, like: OpenFile): Promise<void> {
  // The mode comes last: it is what a file without the access list of its folder has to be content with.
  await file.copyAttributes(like)
  await file.copyOwner(await like.stat())
}

/** As `copyIdentity`, for a file by its path; does nothing when there is none. */
export async function copyIdentityOf(files: Files, file: OpenFile, like: string): Promise<void> {
  // VirtualBox.xml may be a link, as people keep their settings elsewhere.
  const path = await files.realPath(like)
  if (path === undefined) return
  const model = await files.open(path, 'read')
  try {
    await copyIdentity(file, model)
  } finally {
    await model.close()
  }
}
