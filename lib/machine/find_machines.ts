import { join } from 'node:path'
import { errorCode } from '../io/errno.ts'
import type { Files } from '../io/files.ts'
import { withoutOldVersions } from './resolve_machine.ts'

/** What a folder was found to hold. */
export interface FoundMachines {
  /** Absolute paths of `.vbox` files, sorted. */
  readonly settingsFiles: readonly string[]
  /** Folders that could not be looked into, with the error's code. */
  readonly unreadable: readonly { readonly folder: string; readonly code: string }[]
}

/** VirtualBox puts machines into folders of groups, which may be nested; nobody nests them deeper. */
const MAX_DEPTH = 8

/** In which VirtualBox and this project keep what belongs to a machine. */
const INNER_FOLDERS = new Set(['Snapshots', 'Logs'])

/** Finds the machines in a folder and in the folders in it. Links are not followed, hidden folders left out. */
export async function findMachines(files: Files, folder: string): Promise<FoundMachines> {
  const settingsFiles: string[] = []
  const unreadable: { folder: string; code: string }[] = []
  const open = [{ path: folder, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, depth } = next
    const names = await namesIn(files, path)
    if (typeof names === 'string') {
      unreadable.push({ folder: path, code: names })
      continue
    }
    for (const name of names) {
      const entry = join(path, name)
      const kind = (await files.stat(entry).catch(() => undefined))?.kind
      if (kind === 'file' && /\.vbox$/i.test(name)) settingsFiles.push(entry)
      const isInside = kind === 'folder' && !name.startsWith('.') && !INNER_FOLDERS.has(name)
      if (isInside && depth < MAX_DEPTH) open.push({ path: entry, depth: depth + 1 })
    }
  }
  return { settingsFiles: await withoutOldVersions(files, settingsFiles.sort()), unreadable }
}

async function namesIn(files: Files, folder: string): Promise<readonly string[] | string> {
  try {
    return await files.list(folder)
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined) throw error
    return code
  }
}
