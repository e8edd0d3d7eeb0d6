import { dirname, extname, join } from 'node:path'
import { removeIfThere, replaceFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import {
  type CloneJournal,
  cloneJournalPath,
  encodeCloneJournal,
  type StagedFile,
  stagedPath,
} from '../../machine/clone_journal.ts'
import type { MachineSettings } from '../../machine/machine.ts'
import { MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import { hashOf } from '../../machine/settings_hash.ts'
import { deleteUnnamed, isThatImage } from './clean_up.ts'

/**
 * Writes the journal of a clone so that it is on stable storage, name and all, when this resolves.
 *
 * @param like Path of the file whose owner and mode it gets.
 */
export async function writeCloneJournal(
  files: Files,
  settingsFile: string,
  journal: CloneJournal,
  like: string,
): Promise<void> {
  const bytes = encodeCloneJournal(settingsFile, journal)
  await replaceFile(files, cloneJournalPath(settingsFile), bytes, like)
}

/** Where a clone's coming settings are until the commit. */
export function comingSettingsPath(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-coming`
}

/**
 * Removes what a run made that did not get to its commit, and then its journal. A file goes only when it is
 * certainly that run's: by the name that it had until it was complete, by the UUID in its header, or by its content.
 */
export async function undoClone(files: Files, settingsFile: string, journal: CloneJournal): Promise<void> {
  for (const file of journal.created) {
    await removeIfThere(files, stagedPath(settingsFile, file))
    const path = join(dirname(settingsFile), file.name)
    if (await isThatFile(files, path, file)) await removeIfThere(files, path)
  }
  await removeIfThere(files, comingSettingsPath(settingsFile))
  await files.syncFolder(dirname(settingsFile))
  await endClone(files, settingsFile)
}

/**
 * Removes what is left of the clone that was replaced, and then the journal.
 *
 * @param settings Those that the commit made: what they name stays.
 */
export async function finishClone(
  files: Files,
  settings: MachineSettings,
  journal: CloneJournal,
): Promise<void> {
  await removeIfThere(files, comingSettingsPath(settings.file))
  await deleteUnnamed(files, settings, journal.deletes)
  await endClone(files, settings.file)
}

async function endClone(files: Files, settingsFile: string): Promise<void> {
  const path = cloneJournalPath(settingsFile)
  await removeIfThere(files, `${path}.vboxmerge-tmp`)
  await removeIfThere(files, path)
  await files.syncFolder(dirname(settingsFile))
}

async function isThatFile(files: Files, path: string, { kind, id, sha256 }: StagedFile): Promise<boolean> {
  if (kind === 'image') return await isThatImage(files, { path, id })
  // A journal may name any file: none is read as EFI variables that is not named as those are.
  if (sha256 === undefined || extname(path).toLowerCase() !== '.nvram') return false
  const stat = await files.stat(path)
  if (stat?.kind !== 'file' || stat.size > MAX_NVRAM_BYTES) return false
  return hashOf(await files.readFile(path, MAX_NVRAM_BYTES)) === sha256
}
