import { dirname } from 'node:path'
import { openImage } from '../../image/open_image.ts'
import { createDifferencing } from '../../image/vdi/create.ts'
import type { VdiHeader } from '../../image/vdi/header.ts'
import { writeNewFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import { MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import type { NewImage } from './next_settings.ts'

/**
 * Makes empty differencing images and flushes them with their folder.
 *
 * @param pathOf Path of an image that was there before.
 */
export async function createLeaves(
  files: Files,
  leaves: readonly NewImage[],
  pathOf: (id: Uuid) => string,
): Promise<void> {
  const made = new Map<Uuid, string>()
  const folders = new Set<string>()
  for (const { id, path, over } of leaves) {
    const parentPath = made.get(over) ?? pathOf(over)
    const parent = await readParent(files, parentPath)
    const like = await files.stat(parentPath)
    await ensureFolder(files, dirname(path))
    await createDifferencing(files, path, { parent, id, ...(like === undefined ? {} : { like }) })
    made.set(id, path)
    folders.add(dirname(path))
  }
  for (const folder of folders) await files.syncFolder(folder)
}

/** Copies a small file under a new name and flushes it with its folder. */
export async function copySmallFile(files: Files, from: string, to: string): Promise<void> {
  const stat = await files.stat(from)
  if (stat === undefined) return
  await ensureFolder(files, dirname(to))
  await writeNewFile(files, to, await files.readFile(from, MAX_NVRAM_BYTES), stat)
  await files.syncFolder(dirname(to))
}

async function ensureFolder(files: Files, folder: string): Promise<void> {
  if ((await files.stat(folder)) !== undefined) return
  await files.makeFolder(folder)
  await files.syncFolder(dirname(folder))
}

async function readParent(files: Files, path: string): Promise<VdiHeader> {
  const image = await openImage(files, path, 'read')
  await image.file.close()
  return image.header
}
