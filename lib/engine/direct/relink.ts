import { openImage } from '../../image/open_image.ts'
import { patchHeader } from '../../image/vdi/patch_header.ts'
import type { Files } from '../../io/files.ts'
import type { Relink } from '../../machine/inspection.ts'
import type { Medium, Uuid } from '../../machine/machine.ts'

/**
 * Writes the new parent into the headers of images whose parent was folded, and flushes each.
 * A header that names another parent than the folded one is left alone.
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
    const image = await openImage(files, medium.path, 'write')
    try {
      if (image.header.parent !== from || image.header.id !== child) continue
      for (const { offset, bytes } of patchHeader({ parent: to, parentModification })) {
        await image.file.write(bytes, offset)
      }
      await image.file.sync()
    } finally {
      await image.file.close()
    }
  }
}

async function modificationOf(files: Files, path: string): Promise<Uuid> {
  const image = await openImage(files, path, 'read')
  await image.file.close()
  return image.header.modification
}
