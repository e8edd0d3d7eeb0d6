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
 * @throws {VboxmergeError} `no_space` naming the folder, what is needed and what is there, in bytes.
 */
export async function checkSpace(
  files: Files,
  machine: Inspection,
  settingsBytes: number,
  { figures }: Plan,
): Promise<void> {
  const needs = new Map<string, { folder: string; bytes: number }>()
  const need = async (folder: string, bytes: number): Promise<void> => {
    const existing = await existingFolder(files, folder)
    const device = String((await files.stat(existing))?.device)
    const known = needs.get(device)
    needs.set(device, { folder: known?.folder ?? existing, bytes: (known?.bytes ?? 0) + bytes })
  }
  await need(dirname(machine.settings.file), 4 * settingsBytes + SETTINGS_ROOM)
  for (const { images, neededBytes } of figures.folds) {
    const path = machine.images.get(images[0] ?? '')?.medium.path
    if (path !== undefined) await need(dirname(path), neededBytes)
  }
  for (const bytes of [...figures.restoredLeaves, ...figures.snapshotLeaves]) {
    await need(machine.settings.snapshotFolder, bytes)
  }
  for (const { folder, bytes } of needs.values()) {
    const free = await files.freeSpace(folder)
    if (free >= bytes) continue
    throw new VboxmergeError(
      'no_space',
      `Cannot change ${JSON.stringify(machine.settings.name)}: the file system of ${JSON.stringify(folder)} has ` +
        `${free} bytes free, and ${bytes} are needed; make room there`,
    )
  }
}

async function existingFolder(files: Files, folder: string): Promise<string> {
  let path = folder
  while ((await files.stat(path)) === undefined && dirname(path) !== path) path = dirname(path)
  return path
}
