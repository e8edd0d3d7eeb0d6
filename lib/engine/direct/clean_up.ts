import { basename, dirname } from 'node:path'
import { VboxmergeError } from '../../errors.ts'
import { openImage } from '../../image/open_image.ts'
import { removeIfThere } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { inLanes } from '../../io/in_lanes.ts'
import { type JournalFile, journalPath } from '../../machine/journal.ts'
import type { MachineSettings } from '../../machine/machine.ts'
import { eachMedium, eachState } from '../../machine/media_graph.ts'
import { isOwnStateFile } from '../../machine/own_files.ts'
import { pendingPath } from './commit_settings.ts'

/** Ending of the file that is to take the place of an image. */
export const FRESH_SUFFIX = '.vboxmerge-fresh'

/** Files removed at a time: the system takes long over a large one. */
const LANES = 4

/**
 * Deletes files that no settings name any more. An image goes only when it has the UUID that the journal
 * says; a saved state or EFI variables only from the machine's own folders. What does not fit stays.
 */
export async function deleteUnnamed(
  files: Files,
  settings: MachineSettings,
  unwanted: readonly JournalFile[],
): Promise<void> {
  const named = namedFiles(settings)
  const folders = new Set<string>()
  // Snapshots may share a saved state, which two lanes must not delete at a time.
  const byPath = new Map(unwanted.map(file => [file.path, file]))
  await inLanes(LANES, byPath.values(), async file => {
    if (named.has(file.path)) return
    const fits =
      file.kind === 'image'
        ? await isThatImage(files, file)
        : await isOwnStateFile(files, settings, file.path, file.kind)
    if (fits && (await removeIfThere(files, file.path))) folders.add(dirname(file.path))
  })
  for (const folder of folders) await files.syncFolder(folder)
}

/**
 * Deletes what a run made and no settings name. Images have names that a run gives; one that is half-written goes by its
 * name alone, and that of a fresh one has to be an image of the machine then.
 */
export async function deleteCreated(
  files: Files,
  settings: MachineSettings,
  created: readonly JournalFile[],
): Promise<void> {
  const named = namedFiles(settings)
  const isFresh = ({ path }: JournalFile): boolean => path.endsWith(FRESH_SUFFIX)
  const isMade = (file: JournalFile): boolean => isFresh(file) || basename(file.path) === `{${file.id}}.vdi`
  const isOwn = (file: JournalFile): boolean =>
    isFresh(file) ? named.has(file.path.slice(0, -FRESH_SUFFIX.length)) : isMade(file)
  const halfWritten: string[] = []
  for (const file of created) {
    if (file.kind !== 'image' || named.has(file.path) || !isOwn(file)) continue
    if (await isUnreadable(files, file.path)) halfWritten.push(file.path)
  }
  for (const path of halfWritten) await removeIfThere(files, path)
  const made = created.filter(file => file.kind !== 'image' || isMade(file))
  await deleteUnnamed(files, settings, made)
  for (const folder of new Set(halfWritten.map(path => dirname(path)))) await files.syncFolder(folder)
}

/** Removes the files beside the settings that a run writes before it commits. */
export async function deletePending(files: Files, settingsFile: string): Promise<void> {
  const names = [
    pendingPath(settingsFile, 'first'),
    pendingPath(settingsFile, 'second'),
    `${settingsFile}-prev.vboxmerge-tmp`,
    `${journalPath(settingsFile)}.vboxmerge-tmp`,
  ]
  let removed = false
  for (const name of names) removed = (await removeIfThere(files, name)) || removed
  if (removed) await files.syncFolder(dirname(settingsFile))
}

function namedFiles(settings: MachineSettings): Set<string> {
  const named = new Set<string>([settings.file])
  for (const medium of eachMedium(settings.media)) named.add(medium.path)
  for (const { state } of eachState(settings)) {
    if (state.stateFile !== undefined) named.add(state.stateFile)
    if (state.nvramFile !== undefined) named.add(state.nvramFile)
  }
  return named
}

/** Tells whether a file is an image of the UUID that is said. */
export async function isThatImage(
  files: Files,
  { path, id }: Pick<JournalFile, 'path' | 'id'>,
): Promise<boolean> {
  if ((await files.stat(path))?.kind !== 'file') return false
  const image = await readable(files, path)
  return image !== undefined && image === id
}

async function isUnreadable(files: Files, path: string): Promise<boolean> {
  if ((await files.stat(path))?.kind !== 'file') return false
  return (await readable(files, path)) === undefined
}

async function readable(files: Files, path: string): Promise<string | undefined> {
  try {
    const image = await openImage(files, path, 'read')
    await image.file.close()
    return image.header.id
  } catch (error) {
    if (error instanceof VboxmergeError) return undefined
    throw error
  }
}
