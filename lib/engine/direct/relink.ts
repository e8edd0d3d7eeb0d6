import { dirname } from 'node:path'
import { copyFile } from '../../image/copy_file.ts'
import { openImage } from '../../image/open_image.ts'
import { type Patch, patchHeader } from '../../image/vdi/patch_header.ts'
import { removeIfThere } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import type { Relink } from '../../machine/inspection.ts'
import type { Medium, Uuid } from '../../machine/machine.ts'
import { FRESH_SUFFIX } from './clean_up.ts'

/**
 * Writes the new parent into the headers of images whose parent was folded, and flushes each.
 * An image whose file has other names is written anew. A header that names another parent than the folded one is left alone.
 */
export async function relinkChildren(
  files: Files,
  media: ReadonlyMap<Uuid, Medium>,
  relinks: readonly Relink[],
): Promise<void> {
  for (const { child, from, to } of relinks) {
    const medium = media.get(child)
    const parent = media.get(to)
    if (medium === undefined || parent === undefined || medium.parent !== to) continue
    const parentModification = await modificationOf(files, parent.path)
    const image = await openImage(files, medium.path, 'read')
    await image.file.close()
    if (image.header.parent !== from || image.header.id !== child) continue
    const patches = patchHeader({ parent: to, parentModification })
    if (((await files.stat(medium.path))?.links ?? 1) === 1) await patch(files, medium.path, patches)
    else await replacePatched(files, medium.path, patches)
  }
}

async function patch(files: Files, path: string, patches: readonly Patch[]): Promise<void> {
  const file = await files.open(path, 'write')
  try {
    for (const { offset, bytes } of patches) await file.write(bytes, offset)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Whoever gave the file another name keeps it as it was. */
async function replacePatched(files: Files, path: string, patches: readonly Patch[]): Promise<void> {
  const fresh = `${path}${FRESH_SUFFIX}`
  await removeIfThere(files, fresh)
  await copyFile(files, path, fresh)
  await patch(files, fresh, patches)
  await files.rename(fresh, path)
  await files.syncFolder(dirname(path))
}

async function modificationOf(files: Files, path: string): Promise<Uuid> {
  const image = await openImage(files, path, 'read')
  await image.file.close()
  return image.header.modification
}
