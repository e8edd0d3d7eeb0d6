import { dirname } from 'node:path'
import { removeIfThere, replaceFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { encodeJournal, type Journal, journalPath } from '../../machine/journal.ts'

/** Writes the journal so that it is on stable storage, name and all, when this resolves. */
export async function writeJournal(files: Files, settingsFile: string, journal: Journal): Promise<void> {
  const path = journalPath(settingsFile)
  const bytes = new TextEncoder().encode(encodeJournal(journal, path))
  await replaceFile(files, path, bytes, settingsFile)
}

/** Removes the journal: the run is over. */
export async function removeJournal(files: Files, settingsFile: string): Promise<void> {
  if (await removeIfThere(files, journalPath(settingsFile))) await files.syncFolder(dirname(settingsFile))
}
