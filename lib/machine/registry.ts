import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import { errorCode } from '../io/errno.ts'
import type { Files } from '../io/files.ts'
import type { Medium, Uuid } from './machine.ts'
import { readMedia } from './read_media.ts'
import { MAX_SETTINGS_BYTES, parseVirtualBoxXml, settingsCorrupt } from './settings_document.ts'
import { requiredAttribute, requiredUuid } from './settings_elements.ts'
import { isSaveUnfinished, newOf } from './unfinished_save.ts'
import { getAttribute } from './xml/xml_edit.ts'
import { childElement, childElements } from './xml/xml_tree.ts'

/** A machine that VirtualBox has registered. */
export interface RegisteredMachine {
  readonly id: Uuid
  /** Absolute path of its `.vbox` file, which need not exist. */
  readonly settingsFile: string
}

/** What a user's `VirtualBox.xml` says. */
export interface Registry {
  readonly machines: readonly RegisteredMachine[]
  /** Media that belong to no machine's own registry. */
  readonly media: readonly Medium[]
  /** Undefined when VirtualBox's default is meant. */
  readonly defaultMachineFolder: string | undefined
}

/** What tells where VirtualBox keeps a user's registry. */
export interface RegistryPlace {
  readonly env: Readonly<Record<string, string | undefined>>
  /** As `process.platform` names it. */
  readonly platform: string
  /** A folder that is used whatever the rest says. */
  readonly override?: string | undefined
}

const EMPTY: Registry = { machines: [], media: [], defaultMachineFolder: undefined }

/**
 * Reads a `VirtualBox.xml`.
 *
 * @param bytes undefined when there is none: then nothing is registered
 * @param file its path, from which relative paths in it are counted
 * @throws VboxmergeError `settings_corrupt` when it is damaged, `unsupported` for an unknown version
 */
export function readRegistry(bytes: Uint8Array | undefined, file: string): Registry {
  if (bytes === undefined) return EMPTY
  const doc = parseVirtualBoxXml(bytes, file)
  const global = childElement(doc.xml.root, 'Global')
  if (global === undefined) throw settingsCorrupt(file, 'there are no global settings in it')
  const lists = childElements(global, 'MachineRegistry')
  const properties = childElement(global, 'SystemProperties')
  return {
    machines: lists
      .flatMap(list => childElements(list, 'MachineEntry'))
      .map(entry => ({
        id: requiredUuid(doc, entry),
        settingsFile: resolve(dirname(file), requiredAttribute(doc, entry, 'src')),
      })),
    media: readMedia(doc, global),
    defaultMachineFolder: properties && (getAttribute(properties, 'defaultMachineFolder') || undefined),
  }
}

/**
 * Reads the registry in a VirtualBox home folder; without a `VirtualBox.xml` nothing is registered.
 *
 * @throws VboxmergeError like {@link readRegistry}; `settings_corrupt` when VirtualBox died while it saved it
 */
export async function loadRegistry(files: Files, home: string): Promise<Registry> {
  const file = registryFile(home)
  const bytes = await readIfThere(files, file)
  if (bytes === undefined && (await isRegistryUnfinished(files, home))) {
    throw new VboxmergeError(
      'settings_corrupt',
      `Cannot read ${JSON.stringify(file)}: VirtualBox was cut off while it saved it; rename ` +
        `${JSON.stringify(newOf(file))} to it before VirtualBox is started, which would forget all machines`,
    )
  }
  return readRegistry(bytes, file)
}

/** The file by which VirtualBox knows a user's machines. */
export function registryFile(home: string): string {
  return join(home, 'VirtualBox.xml')
}

/** Tells whether VirtualBox died while it saved that file, and has to be given what it was saving. */
export async function isRegistryUnfinished(files: Files, home: string): Promise<boolean> {
  const file = registryFile(home)
  return await isSaveUnfinished(files, file, bytes => {
    readRegistry(bytes, file)
    return ''
  })
}

/** Finds the folder that holds a user's `VirtualBox.xml`, by the rules of VirtualBox itself. */
export async function findRegistryHome(files: Files, place: RegistryPlace): Promise<string> {
  const { env, platform, override } = place
  const given = override || env.VBOX_USER_HOME
  if (given) return resolve(given)
  if (platform === 'win32') return join(env.USERPROFILE || homedir(), '.VirtualBox')
  const home = env.HOME || homedir()
  if (platform === 'darwin') return join(home, 'Library', 'VirtualBox')
  const old = join(home, '.VirtualBox')
  if ((await files.stat(old)) !== undefined) return old
  const config = env.XDG_CONFIG_HOME
  return config && isAbsolute(config) ? join(config, 'VirtualBox') : join(home, '.config', 'VirtualBox')
}

async function readIfThere(files: Files, file: string): Promise<Uint8Array | undefined> {
  const path = await files.realPath(file)
  if (path === undefined) return undefined
  try {
    return await files.readFile(path, MAX_SETTINGS_BYTES)
  } catch (error) {
    if (error instanceof RangeError) {
      throw settingsCorrupt(file, `it has more than ${MAX_SETTINGS_BYTES} bytes`, error)
    }
    const code = errorCode(error)
    if (code === undefined) throw error
    const help = 'it is to be a plain file that the user who runs may read'
    throw new VboxmergeError('unsupported', `Cannot read ${JSON.stringify(file)}: ${code}; ${help}`, {
      cause: error,
    })
  }
}
