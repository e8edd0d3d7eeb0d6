import { VboxmergeError } from '../errors.ts'
import { errorCode } from '../io/errno.ts'
import type { Files } from '../io/files.ts'
import { readAwayNotes } from './away_note.ts'
import type { MachineSettings, Medium } from './machine.ts'
import { readSettings } from './read_settings.ts'
import { loadRegistry } from './registry.ts'
import { MAX_SETTINGS_BYTES, parseSettings } from './settings_document.ts'
import { newOf, oldOf } from './unfinished_save.ts'

/** What VirtualBox's settings folder tells of a machine's surroundings. */
export interface Neighbours {
  /** Whether this very machine is registered there. */
  readonly registered: boolean
  /** The other registered machines whose settings can be read. */
  readonly machines: readonly MachineSettings[]
  /** Media registries of the other machines, and VirtualBox's own. */
  readonly registries: readonly (readonly Medium[])[]
}

/**
 * Reads `VirtualBox.xml` and the settings of every machine it lists but the given one, and of those that another
 * run has taken out of it for the time of its work.
 */
export async function loadNeighbours(
  files: Files,
  settings: MachineSettings,
  vboxUserHome: string,
): Promise<Neighbours> {
  const registry = await loadRegistry(files, vboxUserHome)
  const ownPath = (await files.realPath(settings.file)) ?? settings.file
  const machines: MachineSettings[] = []
  let registered = false
  const listed = new Set(registry.machines.map(({ id }) => id))
  const away = await readAwayNotes(files, vboxUserHome)
  for (const entry of [...registry.machines, ...away.filter(({ id }) => !listed.has(id))]) {
    const path = (await files.realPath(entry.settingsFile)) ?? entry.settingsFile
    if (path === ownPath) {
      registered ||= listed.has(entry.id)
      continue
    }
    const isThere = (await files.stat(path)) !== undefined
    // VirtualBox is saving what is missing, or died while it was: what that machine reads is in these.
    for (const kept of isThere ? [path] : [newOf(path), oldOf(path)]) {
      const other = await loadOther(files, kept)
      if (other !== undefined) machines.push(other)
    }
  }
  return { registered, machines, registries: [...machines.map(other => other.media), registry.media] }
}

async function loadOther(files: Files, path: string): Promise<MachineSettings | undefined> {
  if ((await files.stat(path)) === undefined) return undefined
  try {
    return readSettings(parseSettings(await files.readFile(path, MAX_SETTINGS_BYTES), path))
  } catch (error) {
    // A machine that cannot be read cannot be known to share anything; VirtualBox calls it inaccessible too.
    if (error instanceof VboxmergeError || error instanceof RangeError || errorCode(error) !== undefined) {
      return undefined
    }
    throw error
  }
}
