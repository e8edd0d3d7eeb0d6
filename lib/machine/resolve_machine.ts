import { join, resolve, sep } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import { isNotPermitted } from '../io/errno.ts'
import type { Files } from '../io/files.ts'
import { fitsPath } from '../options/settings_text.ts'
import { suggest } from '../options/suggest.ts'
import { readAwayNotes } from './away_note.ts'
import type { Uuid } from './machine.ts'
import { type MachineIdentity, readIdentity } from './read_settings.ts'
import { loadRegistry, type RegisteredMachine } from './registry.ts'
import { MAX_SETTINGS_BYTES, parseSettings, settingsCorrupt } from './settings_document.ts'
import { parseUuid } from './settings_elements.ts'
import { newOf } from './unfinished_save.ts'
import {
  type FinishesSaves,
  finishIfUnfinished,
  isUnfinished,
  olderSettings,
  olderSettingsIn,
} from './unfinished_settings.ts'

/** Where a machine is. */
export interface ResolvedMachine {
  /** Absolute path of its `.vbox` file; for a registered machine as the registry names it. */
  readonly settingsFile: string
  /** The machine's UUID when the registry lists this very file under it. */
  readonly registeredId?: Uuid
  /** That VirtualBox had died while it saved the file, which is finished now. */
  readonly finishedSave?: true
}

/** What a machine's name is looked up in. */
export interface ResolvePlaces {
  /** The folder from which relative paths are counted. */
  readonly cwd: string
  /** The folder that holds `VirtualBox.xml`. */
  readonly vboxUserHome: string
  /** Allows to finish what VirtualBox was saving when it died; by default that is a machine that is not found. */
  readonly finishesSaves?: FinishesSaves
}

/** Something that a word may mean. */
interface Hit {
  readonly how: string
  readonly settingsFile: string
  readonly entry: RegisteredMachine | undefined
}

/**
 * Finds the machine that a word means. What contains a separator or ends in `.vbox` is a path: a `.vbox`
 * file, or a folder with exactly one. Anything else is a UUID, the name of a registered machine, or a
 * folder in the working directory.
 *
 * @throws VboxmergeError `machine_not_found`; `machine_ambiguous` when the word means two different
 * machines; `settings_corrupt`, `unsupported` or `image_encrypted` when the machine found, or
 * `VirtualBox.xml`, cannot be read
 */
export async function resolveMachine(
  files: Files,
  machine: string,
  places: ResolvePlaces,
): Promise<ResolvedMachine> {
  if (!fitsPath(machine)) {
    const found = 'it holds a character that neither a name nor a path can have'
    throw new VboxmergeError('machine_not_found', `Cannot find machine ${JSON.stringify(machine)}: ${found}`)
  }
  const registry = await loadRegistry(files, places.vboxUserHome)
  const registered = new Set(registry.machines.map(entry => entry.id))
  const away = await readAwayNotes(files, places.vboxUserHome)
  const machines = [...registry.machines, ...away.filter(entry => !registered.has(entry.id))]
  if (isPath(machine)) {
    const path = await settingsAt(files, machine, resolve(places.cwd, machine))
    const saved = await finishIfUnfinished(files, machine, path, places.finishesSaves)
    return { ...(await describePath(files, machines, path)), ...saved }
  }
  const unreadable: string[] = []
  const names = await readNames(files, machines, unreadable)
  const hits = [
    ...hitsById(machine, machines),
    ...hitsByName(machine, names),
    ...(await hitsByFolder(files, machine, places.cwd)),
  ]
  const [hit, ...others] = await distinct(files, hits)
  if (hit === undefined)
    throw notFound(
      machine,
      [...names.values()].map(identity => identity.name),
      unreadable,
    )
  if (others.length > 0) throw ambiguous(machine, [hit, ...others])
  const saved = await finishIfUnfinished(files, machine, hit.settingsFile, places.finishesSaves)
  const { entry, settingsFile } = hit
  const found =
    entry === undefined
      ? await describePath(files, machines, settingsFile)
      : await describeEntry(files, machine, entry)
  return { ...found, ...saved }
}

function isPath(machine: string): boolean {
  const isHere = machine === '.' || machine === '..'
  return isHere || machine.includes('/') || machine.includes(sep) || /\.vbox$/i.test(machine)
}

/** Finds the one `.vbox` file that a path means. */
async function settingsAt(files: Files, machine: string, given: string): Promise<string> {
  const path = (await isLink(files, given)) ? await files.realPath(given) : given
  const stat = path === undefined ? undefined : await files.stat(path)
  if (path === undefined || stat === undefined) {
    if (/\.vbox$/i.test(given) && (await isUnfinished(files, given))) return given
    const help = (await olderSettings(files, given)) || '; vboxmerge list shows those that are known'
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot find machine ${JSON.stringify(machine)}: there is no ${JSON.stringify(given)}${help}`,
    )
  }
  if (stat.kind === 'file' && /\.vbox$/i.test(given)) {
    await refuseOldVersion(files, machine, path)
    return path
  }
  const [found, ...others] = stat.kind === 'folder' ? await settingsIn(files, path) : []
  if (found === undefined) {
    const what = stat.kind === 'folder' ? 'holds no .vbox file' : 'is no .vbox file and no folder'
    const older = stat.kind === 'folder' ? await olderSettingsIn(files, path) : ''
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot find machine ${JSON.stringify(machine)}: ${JSON.stringify(given)} ${what}${older || '; name a .vbox file, or the folder that it is in'}`,
    )
  }
  if (others.length > 0) throw ambiguous(machine, [found, ...others].map(folderHit))
  return found
}

async function isLink(files: Files, path: string): Promise<boolean> {
  return (await files.stat(path))?.kind === 'link'
}

async function settingsIn(files: Files, folder: string): Promise<string[]> {
  const names = await files.list(folder)
  const found = names.filter(name => /\.vbox$/i.test(name)).map(name => join(folder, name))
  for (const name of names.filter(each => /\.vbox-tmp$/i.test(each))) {
    const path = join(folder, name.slice(0, -newOf('').length))
    if (await isUnfinished(files, path)) found.push(path)
  }
  return await withoutOldVersions(files, found)
}

/** `web-1.16-linux.vbox` beside `web.vbox`. */
const OLD_VERSION = /-1\.\d{1,3}-[a-z]+(?=\.vbox$)/i

/**
 * Leaves out the copies that VirtualBox makes of settings before it raises their version. They name the machine's images,
 * as they were at that time.
 *
 * @param paths Of `.vbox` files.
 */
export async function withoutOldVersions(files: Files, paths: readonly string[]): Promise<string[]> {
  const all = new Set(paths)
  const kept: string[] = []
  for (const path of paths) {
    const present = path.replace(OLD_VERSION, '')
    const isOld = present !== path && all.has(present) && (await isSameMachine(files, path, present))
    if (!isOld) kept.push(path)
  }
  return kept
}

async function isSameMachine(files: Files, one: string, other: string): Promise<boolean> {
  try {
    return (await identityOf(files, one)).id === (await identityOf(files, other)).id
  } catch {
    // Whatever cannot be read is to be shown with what is wrong with it.
    return false
  }
}

/** Work on such a copy would take images away from the machine. */
async function refuseOldVersion(files: Files, machine: string, path: string): Promise<void> {
  const present = path.replace(OLD_VERSION, '')
  if (present === path || (await files.stat(present)) === undefined) return
  if (!(await isSameMachine(files, path, present))) return
  throw new VboxmergeError(
    'machine_ambiguous',
    `Cannot choose machine ${JSON.stringify(machine)}: it is the copy that VirtualBox made of its settings before it ` +
      `raised their version; name ${JSON.stringify(present)} instead`,
  )
}

function hitsById(machine: string, machines: readonly RegisteredMachine[]): Hit[] {
  const id = parseUuid(machine)
  return machines
    .filter(entry => entry.id === id)
    .map(entry => ({ how: 'the UUID of', settingsFile: entry.settingsFile, entry }))
}

function hitsByName(machine: string, names: ReadonlyMap<RegisteredMachine, MachineIdentity>): Hit[] {
  return [...names]
    .filter(([, identity]) => identity.name === machine)
    .map(([entry]) => ({ how: 'the name of', settingsFile: entry.settingsFile, entry }))
}

async function hitsByFolder(files: Files, machine: string, cwd: string): Promise<Hit[]> {
  if (machine === '') return []
  const given = join(cwd, machine)
  try {
    const folder = (await isLink(files, given)) ? await files.realPath(given) : given
    if (folder === undefined || (await files.stat(folder))?.kind !== 'folder') return []
    return (await settingsIn(files, folder)).map(folderHit)
  } catch (error) {
    // Whoever forbids a look at the working directory means no folder in it.
    if (isNotPermitted(error)) return []
    throw error
  }
}

function folderHit(settingsFile: string): Hit {
  return { how: 'the folder of', settingsFile, entry: undefined }
}

/** Leaves one hit for each file; a registered one is preferred. */
async function distinct(files: Files, hits: readonly Hit[]): Promise<Hit[]> {
  const byFile = new Map<string, Hit>()
  for (const hit of hits) {
    const key = await fileKey(files, hit.settingsFile)
    if (!byFile.has(key)) byFile.set(key, hit)
  }
  return [...byFile.values()]
}

/** The same text for two paths exactly when they name the same file. */
async function fileKey(files: Files, path: string): Promise<string> {
  const real = await files.realPath(path)
  if (real === undefined) return `missing ${path}`
  const stat = await files.stat(real)
  // Some file systems number no files.
  return stat === undefined || stat.inode === 0n ? `path ${real}` : `file ${stat.device} ${stat.inode}`
}

/**
 * Reads the names of the registered machines; those whose settings cannot be read have none.
 *
 * @param unreadable Gets what is wrong with those.
 */
async function readNames(
  files: Files,
  machines: readonly RegisteredMachine[],
  unreadable: string[],
): Promise<Map<RegisteredMachine, MachineIdentity>> {
  const names = new Map<RegisteredMachine, MachineIdentity>()
  for (const entry of machines) {
    try {
      names.set(entry, await identityOf(files, entry.settingsFile))
    } catch (error) {
      // VirtualBox shows such a machine without a name, too; its UUID still finds it.
      unreadable.push(error instanceof Error ? error.message : String(error))
    }
  }
  return names
}

async function identityOf(files: Files, settingsFile: string): Promise<MachineIdentity> {
  const real = await files.realPath(settingsFile)
  const path = real ?? ((await isUnfinished(files, settingsFile)) ? newOf(settingsFile) : settingsFile)
  return readIdentity(parseSettings(await readBytes(files, path), settingsFile))
}

async function readBytes(files: Files, path: string): Promise<Uint8Array> {
  try {
    return await files.readFile(path, MAX_SETTINGS_BYTES)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw settingsCorrupt(path, `it has more than ${MAX_SETTINGS_BYTES} bytes`, error)
  }
}

/** A path counts as registered when the registry lists the same file under the UUID that is in it. */
async function describePath(
  files: Files,
  machines: readonly RegisteredMachine[],
  settingsFile: string,
): Promise<ResolvedMachine> {
  const { id } = await identityOf(files, settingsFile)
  const key = await fileKey(files, settingsFile)
  for (const entry of machines) {
    if (entry.id !== id || (await fileKey(files, entry.settingsFile)) !== key) continue
    return { settingsFile: entry.settingsFile, registeredId: id }
  }
  return { settingsFile }
}

async function describeEntry(
  files: Files,
  machine: string,
  entry: RegisteredMachine,
): Promise<ResolvedMachine> {
  if ((await files.realPath(entry.settingsFile)) === undefined) {
    const help = await olderSettings(files, entry.settingsFile)
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot find machine ${JSON.stringify(machine)}: it is registered, but its file ${JSON.stringify(entry.settingsFile)} ` +
        `is missing${help || '; bring it back, or mount the disk that it is on'}`,
    )
  }
  return { settingsFile: entry.settingsFile, registeredId: entry.id }
}

function notFound(machine: string, names: readonly string[], unreadable: readonly string[]): VboxmergeError {
  const nearest = suggest(machine, names)
  const help =
    nearest === undefined
      ? 'name a registered machine, a folder, or a .vbox file'
      : `did you mean ${JSON.stringify(nearest)}?`
  const [first, ...others] = unreadable
  const more = others.length === 0 ? '' : `, nor those of ${others.length} more`
  const unnamed =
    first === undefined ? '' : ` (the settings of a registered one cannot be read${more}: ${first})`
  return new VboxmergeError(
    'machine_not_found',
    `Cannot find machine ${JSON.stringify(machine)}: no registered machine has this UUID or name, and no folder here ` +
      `with a .vbox file is named so${unnamed}; ${help}`,
  )
}

function ambiguous(machine: string, hits: readonly Hit[]): VboxmergeError {
  const found = hits.slice(0, 8).map(({ how, settingsFile }) => `${how} ${JSON.stringify(settingsFile)}`)
  return new VboxmergeError(
    'machine_ambiguous',
    `Cannot choose machine ${JSON.stringify(machine)}: it is ${found.join(' and ')}; give the path of the one that is meant`,
  )
}
