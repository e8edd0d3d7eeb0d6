import { join } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { type BackupManifest, readManifest } from './manifest.ts'

/** A backup with its folder. */
export interface FoundBackup {
  /** Absolute path. */
  readonly folder: string
  readonly manifest: BackupManifest
}

/** How many backups a message names. */
const MOST_NAMED = 8

/**
 * Finds a backup: in the folder itself, or the only one in the folders inside it.
 *
 * @param folder Absolute path.
 * @throws {VboxmergeError} `machine_not_found` when there is none, `machine_ambiguous` when there are several,
 * `unsupported` for one that cannot be read.
 */
export async function findBackup(files: Files, folder: string): Promise<FoundBackup> {
  const own = await readManifest(files, folder)
  if (own !== undefined) return { folder, manifest: own }
  const found: FoundBackup[] = []
  const kind = (await files.stat(folder))?.kind
  for (const name of kind === 'folder' ? await files.list(folder) : []) {
    const inside = join(folder, name)
    if ((await files.stat(inside))?.kind !== 'folder') continue
    const manifest = await readManifest(files, inside)
    if (manifest !== undefined) found.push({ folder: inside, manifest })
  }
  const [only, ...others] = found
  if (only === undefined) {
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot go back: ${JSON.stringify(folder)} holds no complete backup; name the folder that a run with backup made`,
    )
  }
  if (others.length === 0) return only
  const names = found.slice(-MOST_NAMED).map(backup => JSON.stringify(backup.folder))
  throw new VboxmergeError(
    'machine_ambiguous',
    `Cannot choose a backup in ${JSON.stringify(folder)}: there are ${found.length}; name the one that is meant, ` +
      `for example ${names.join(', ')}`,
  )
}
