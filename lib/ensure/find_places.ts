import { resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { readAwayNotes } from '../machine/away_note.ts'
import type { Uuid } from '../machine/machine.ts'
import { loadRegistry } from '../machine/registry.ts'
import type { EnsureHost } from './host.ts'

/** Where a machine is, with its UUID in VirtualBox's registry if it is in it. */
export interface MachinePlace {
  readonly settingsFile: string
  readonly id: Uuid | undefined
}

/** Where machines are. */
export interface FoundPlaces {
  /** Registered ones first. */
  readonly places: readonly MachinePlace[]
  /** Folders that could not be looked into. */
  readonly unreadable: readonly { readonly folder: string; readonly error: VboxmergeError }[]
}

/**
 * Finds the machines of VirtualBox's registry, those that a run has taken out of it meanwhile, and those in folders, each
 * once.
 *
 * @param folders Relative ones count from the working directory. A `.vbox` file stands for itself.
 * @throws {VboxmergeError} `machine_not_found` when nothing has the name of a folder; `settings_corrupt` when the
 * registry cannot be read.
 */
export async function findPlaces(
  { files, cwd }: EnsureHost,
  home: string,
  folders: readonly string[],
): Promise<FoundPlaces> {
  const places: MachinePlace[] = await knownPlaces(files, home)
  if (folders.length === 0) return { places, unreadable: [] }
  const unreadable: { folder: string; error: VboxmergeError }[] = []
  const known = new Set<string>()
  for (const { settingsFile } of places) known.add((await files.realPath(settingsFile)) ?? settingsFile)
  for (const folder of folders) {
    const found = await search(files, folder, resolve(cwd(), folder))
    unreadable.push(
      ...found.unreadable.map(({ folder: path, code }) => ({ folder: path, error: closed(path, code) })),
    )
    for (const settingsFile of found.settingsFiles) {
      if (known.has(settingsFile)) continue
      known.add(settingsFile)
      places.push({ settingsFile, id: undefined })
    }
  }
  return { places, unreadable }
}

/** A run takes a machine out of the registry while it works, and notes where it is. */
async function knownPlaces(files: Files, home: string): Promise<MachinePlace[]> {
  const { machines } = await loadRegistry(files, home)
  const places: MachinePlace[] = [...machines]
  for (const away of await readAwayNotes(files, home)) {
    const isBack = machines.some(({ id }) => id === away.id)
    if (!isBack && (await files.stat(away.settingsFile)) !== undefined) places.push(away)
  }
  return places
}

async function search(
  files: Files,
  word: string,
  given: string,
): Promise<{ settingsFiles: readonly string[]; unreadable: readonly { folder: string; code: string }[] }> {
  const path = await files.realPath(given)
  const kind = path === undefined ? undefined : (await files.stat(path))?.kind
  if (path !== undefined && kind === 'folder') {
    // Most look at what VirtualBox knows, and need none of this.
    const { findMachines } = await import('../machine/find_machines.ts')
    return await findMachines(files, path)
  }
  if (path !== undefined && kind === 'file' && /\.vbox$/i.test(path)) {
    return { settingsFiles: [path], unreadable: [] }
  }
  const found = kind === undefined ? 'there is nothing of that name' : 'it is no folder and no .vbox file'
  throw new VboxmergeError(
    'machine_not_found',
    `Cannot list the machines in ${JSON.stringify(word)}: ${found}; name a folder that holds machines`,
  )
}

function closed(folder: string, code: string): VboxmergeError {
  return new VboxmergeError(
    'machine_not_found',
    `Cannot look for machines in ${JSON.stringify(folder)}: it cannot be read (${code}); run as a user who may read it`,
  )
}
