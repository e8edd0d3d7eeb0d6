import { dirname } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Plan } from './plan.ts'

/** Room for the two coming settings files, the journal and the lock, beside what they already take. */
const SETTINGS_ROOM = 256 * 1024

/**
 * Checks that every file system that a plan of the direct engine writes to has room for it.
 *
 * @param isShared Whether images share their place on the disk with other files: what is written to them takes room then.
 * @throws {VboxmergeError} `no_space` naming the folder, what is needed and what is there, in bytes.
 */
export async function checkSpace(
  files: Files,
  machine: Inspection,
  settingsBytes: number,
  { figures, tree }: Plan,
  isShared = false,
): Promise<void> {
  const needs: Need[] = [{ folder: dirname(machine.settings.file), bytes: 4 * settingsBytes + SETTINGS_ROOM }]
  for (const { images, neededBytes, final } of figures.folds) {
    const path = machine.images.get(images[0] ?? '')?.medium.path
    if (path !== undefined)
      needs.push({ folder: dirname(path), bytes: neededBytes + (isShared ? final.writtenBytes : 0) })
  }
  for (const child of tree.folds.flatMap(({ children }) => children)) {
    const image = machine.images.get(child)
    // Its header gets another parent; a file with other names is written anew for that.
    if (image !== undefined && image.links > 1)
      needs.push({ folder: dirname(image.medium.path), bytes: image.fileSize })
  }
  for (const bytes of [...figures.restoredLeaves, ...figures.snapshotLeaves]) {
    needs.push({ folder: machine.settings.snapshotFolder, bytes })
  }
  await checkNeeds(files, `change ${JSON.stringify(machine.settings.name)}`, needs)
}

/**
 * Checks that a clone fits where it is to be.
 *
 * @param settingsFile The clone's.
 * @param bytes Lengths of all its files but the settings, added.
 * @throws {VboxmergeError} `no_space` as above.
 */
export async function checkCloneSpace(
  files: Files,
  { name }: { readonly name: string },
  settingsFile: string,
  bytes: number,
): Promise<void> {
  const needs = [{ folder: dirname(settingsFile), bytes: bytes + SETTINGS_ROOM }]
  await checkNeeds(files, `clone ${JSON.stringify(name)}`, needs)
}

/** Bytes that are to be written somewhere in a folder, which may not be there yet. */
interface Need {
  readonly folder: string
  readonly bytes: number
}

async function checkNeeds(files: Files, what: string, needs: readonly Need[]): Promise<void> {
  const byDevice = new Map<string, Need>()
  for (const need of needs) {
    const folder = await existingFolder(files, need.folder)
    const device = String((await files.stat(folder))?.device)
    const known = byDevice.get(device)
    byDevice.set(device, { folder: known?.folder ?? folder, bytes: (known?.bytes ?? 0) + need.bytes })
  }
  for (const { folder, bytes } of byDevice.values()) {
    const free = await files.freeSpace(folder)
    if (free >= bytes) continue
    throw new VboxmergeError(
      'no_space',
      `Cannot ${what}: the file system of ${JSON.stringify(folder)} has ${free} bytes free, and ${bytes} are ` +
        'needed; make room there',
    )
  }
}

async function existingFolder(files: Files, folder: string): Promise<string> {
  let path = folder
  while ((await files.stat(path)) === undefined && dirname(path) !== path) path = dirname(path)
  return path
}
