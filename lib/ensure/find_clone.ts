import { basename, dirname, join } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { readCloneJournal } from '../machine/clone_journal.ts'
import { CLONE_NAME, decodeCloneStamp } from '../machine/clone_stamp.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { loadNeighbours } from '../machine/neighbours.ts'
import type { ClonePlace, FoundClone } from './plan_clone.ts'

/**
 * Looks at what is where a clone of a machine is to be. Writes nothing.
 *
 * @throws {VboxmergeError} `journal_foreign` when an interrupted run left a journal that cannot be read.
 */
export async function findClone(
  files: Files,
  machine: Inspection,
  place: ClonePlace,
  vboxUserHome: string,
): Promise<FoundClone> {
  const { settingsFile } = place
  const folder = dirname(settingsFile)
  const kind = (await files.stat((await files.realPath(folder)) ?? folder))?.kind
  const nothing = { clone: undefined, obstacle: undefined, names: [], journal: undefined }
  if (kind !== undefined && kind !== 'folder') {
    return { ...nothing, obstacle: `${JSON.stringify(folder)} is no folder` }
  }
  const names = kind === undefined ? [] : await files.list(folder)
  const journal = kind === undefined ? undefined : await readCloneJournal(files, settingsFile)
  const found = { ...nothing, names, journal }
  const other = names.find(name => /\.vbox$/i.test(name) && name !== basename(settingsFile))
  if (other !== undefined)
    return { ...found, obstacle: `${JSON.stringify(join(folder, other))} is there already` }
  const namesake = await findNamesake(files, machine, place, vboxUserHome)
  if (namesake !== undefined) {
    const obstacle = `the machine ${JSON.stringify(namesake)} has the name ${JSON.stringify(place.name)} already`
    return { ...found, obstacle }
  }
  if (!names.includes(basename(settingsFile))) return found
  const clone = await readClone(files, machine, settingsFile, vboxUserHome)
  return typeof clone === 'string' ? { ...found, obstacle: clone } : { ...found, clone }
}

/** Returns the clone, or what else is there. */
async function readClone(
  files: Files,
  source: Inspection,
  settingsFile: string,
  vboxUserHome: string,
): Promise<NonNullable<FoundClone['clone']> | string> {
  let machine: Inspection
  try {
    machine = (await inspect(files, settingsFile, vboxUserHome)).inspection
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return `what is there cannot be read (${error.message})`
  }
  const { id, name, extraData } = machine.settings
  const stamp = decodeCloneStamp(extraData.get(CLONE_NAME))
  if (stamp !== undefined && stamp.clone === id && stamp.source === source.settings.id) {
    return { machine, fingerprint: stamp.fingerprint }
  }
  return `the machine ${JSON.stringify(name)} is there, which is no clone of it`
}

/** VirtualBox registers no second machine of a name. Returns the settings file of the one that has it. */
async function findNamesake(
  files: Files,
  { settings, registration }: Inspection,
  { name, settingsFile }: ClonePlace,
  vboxUserHome: string,
): Promise<string | undefined> {
  if (!registration.registered) return undefined
  if (settings.name === name) return settings.file
  const own = (await files.realPath(settingsFile)) ?? settingsFile
  const { machines } = await loadNeighbours(files, settings, vboxUserHome)
  return machines.find(other => other.name === name && other.file !== own)?.file
}
