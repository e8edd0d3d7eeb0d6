import { basename, dirname } from 'node:path'
import type { Files } from '../io/files.ts'
import type { Journal, JournalFile } from './journal.ts'
import type { MachineSettings, Uuid } from './machine.ts'
import { eachMedium } from './media_graph.ts'
import { isOwnFolder, isOwnStateFile } from './own_files.ts'

/**
 * Returns a journal without what no run on this machine can have noted: files outside of the machine's folders that
 * its settings do not name, and images that another machine uses. A journal comes with the machine's folder, which
 * may come from anyone; what is left out stays where it is.
 *
 * @param shared Images that a state of another machine reads.
 */
export async function trustedJournal(
  files: Files,
  settings: MachineSettings,
  journal: Journal,
  shared: ReadonlyMap<Uuid, string>,
): Promise<Journal> {
  const named = new Map([...eachMedium(settings.media)].map(({ path, id }) => [path, id]))
  const isOwn = async ({ kind, path, id }: JournalFile): Promise<boolean> => {
    if (kind !== 'image') return await isOwnStateFile(files, settings, path, kind)
    if (id === undefined || shared.has(id)) return false
    return named.get(path.replace(FRESH, '')) === id || (await isOwnFolder(files, settings, dirname(path)))
  }
  const own = async (noted: readonly JournalFile[]): Promise<JournalFile[]> => {
    const kept: JournalFile[] = []
    for (const file of noted) if (basename(file.path) !== '' && (await isOwn(file))) kept.push(file)
    return kept
  }
  const { restoredNvram } = journal
  const isRestored =
    restoredNvram !== undefined &&
    (await isOwnStateFile(files, settings, restoredNvram.from, 'nvram')) &&
    (await isOwnStateFile(files, settings, restoredNvram.to, 'nvram'))
  return {
    ...journal,
    created: await own(journal.created),
    deletes: await own(journal.deletes),
    restoredNvram: isRestored ? restoredNvram : undefined,
  }
}

/** An image that was to take the place of one that the settings name. */
const FRESH = /\.vboxmerge-fresh$/
