import { dirname } from 'node:path'
import { openImage } from '../../image/open_image.ts'
import { createDifferencing } from '../../image/vdi/create.ts'
import type { VdiHeader } from '../../image/vdi/header.ts'
import { writeNewFile } from '../../io/durable_file.ts'
import type { FileStat, Files } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import { MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import type { NewImage } from './next_settings.ts'

/**
 * Makes empty differencing images and flushes them with their folder. Each belongs to whom the machine belongs, and is
 * as private as the image that it is made over.
 *
 * @param pathOf Path of an image that was there before.
 */
export async function createLeaves(
  files: Files,
  settingsFile: string,
  leaves: readonly NewImage[],
  pathOf: (id: Uuid) => string,
): Promise<void> {
  const made = new Map<Uuid, string>()
  const folders = new Set<string>()
  for (const { id, path, over } of leaves) {
    const parentPath = made.get(over) ?? pathOf(over)
    const parent = await readParent(files, parentPath)
    const like = await likeMachine(files, settingsFile, parentPath)
    await ensureFolder(files, dirname(path), settingsFile)
    await createDifferencing(files, path, { parent, id, ...(like === undefined ? {} : { like }) })
    made.set(id, path)
    folders.add(dirname(path))
  }
  for (const folder of folders) await files.syncFolder(folder)
}

/** Copies a small file under a new name and flushes it with its folder. */
export async function copySmallFile(
  files: Files,
  settingsFile: string,
  from: string,
  to: string,
): Promise<void> {
  if ((await files.stat(from)) === undefined) return
  await ensureFolder(files, dirname(to), settingsFile)
  await writeNewFile(files, to, await files.readFile(from, MAX_NVRAM_BYTES), from)
  await files.syncFolder(dirname(to))
}

/**
 * Owner and group of a machine with the mode of one of its images: what the guest writes is to be no more public than
 * before, and the machine's owner must be able to write it.
 */
export async function likeMachine(
  files: Files,
  settingsFile: string,
  image: string,
): Promise<FileStat | undefined> {
  const machine = await files.stat(settingsFile)
  const parent = await files.stat(image)
  if (machine === undefined || parent === undefined) return parent
  return { ...parent, owner: machine.owner, group: machine.group, mode: parent.mode | OWNER_READS_AND_WRITES }
}

const OWNER_READS_AND_WRITES = 0o600

async function ensureFolder(files: Files, folder: string, settingsFile: string): Promise<void> {
  if ((await files.stat(folder)) !== undefined) return
  await files.makeFolder(folder, await files.stat(dirname(settingsFile)))
  await files.syncFolder(dirname(folder))
}

async function readParent(files: Files, path: string): Promise<VdiHeader> {
  const image = await openImage(files, path, 'read')
  await image.file.close()
  return image.header
}
