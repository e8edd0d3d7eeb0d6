import { basename, dirname, extname, sep } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import { errorCode } from '../io/errno.ts'
import type { Files } from '../io/files.ts'
import type { MachineSettings } from './machine.ts'

/** What VirtualBox keeps beside images, with the ending that it gives to the names. */
const EXTENSIONS = { saved_state: '.sav', nvram: '.nvram' } as const

/** Names that VirtualBox gives: the time of a snapshot, or, in old versions, the UUID of a machine or snapshot. */
const GIVEN_NAME =
  /^(?:\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{9}Z|\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\})\.(?:sav|nvram)$/i

/** Far more than any firmware's variables take, in bytes. */
export const MAX_NVRAM_BYTES: number = 64 * 1024 * 1024

/** What tells where a machine lives. */
type Home = Pick<MachineSettings, 'file' | 'snapshotFolder'>

/**
 * Tells whether a folder is a machine's: its own or one inside it, or that of its snapshots, which may lie elsewhere.
 * None is where another machine lives. Links are followed.
 */
export async function isOwnFolder(files: Files, home: Home, folder: string): Promise<boolean> {
  return (await placeOf(files, home, folder)) !== 'foreign'
}

/**
 * Tells whether a path that settings or a journal name is where VirtualBox keeps a machine's saved states or EFI
 * variables. These files do not say whose they are, so in a folder of snapshots that lies elsewhere only the names
 * that VirtualBox gives count.
 */
export async function isOwnStateFile(
  files: Files,
  home: Home,
  path: string,
  kind: keyof typeof EXTENSIONS,
): Promise<boolean> {
  if (extname(path).toLowerCase() !== EXTENSIONS[kind]) return false
  const place = await placeOf(files, home, dirname(path))
  return place === 'inside' || (place === 'elsewhere' && GIVEN_NAME.test(basename(path)))
}

/**
 * Checks that EFI variables which are to be read or replaced are a machine's own.
 *
 * @throws {VboxmergeError} `unsupported` naming the file.
 */
export async function checkVariables(
  files: Files,
  settings: Home & Pick<MachineSettings, 'name'>,
  path: string,
): Promise<void> {
  const stat = await files.stat(path)
  const isOwn = await isOwnStateFile(files, settings, path, 'nvram')
  const isPlain = stat === undefined || (stat.kind === 'file' && stat.size <= MAX_NVRAM_BYTES)
  if (isOwn && isPlain) return
  const found = isOwn
    ? 'are no plain file of a sensible length'
    : 'lie outside of its folders, or are not named as EFI variables are'
  throw new VboxmergeError(
    'unsupported',
    `Cannot work on ${JSON.stringify(settings.name)}: its EFI variables ${JSON.stringify(path)} ${found}; correct ` +
      'their path in its settings',
  )
}

async function placeOf(
  files: Files,
  { file, snapshotFolder }: Home,
  folder: string,
): Promise<'inside' | 'elsewhere' | 'foreign'> {
  const real = await files.realPath(folder)
  const own = await files.realPath(dirname(file))
  if (real === undefined || own === undefined) return 'foreign'
  if (real === own) return 'inside'
  const isInside = real.startsWith(own.endsWith(sep) ? own : `${own}${sep}`)
  if (!isInside && real !== (await files.realPath(snapshotFolder))) return 'foreign'
  for (const near of [real, dirname(real)]) {
    if (near !== own && (await holdsMachine(files, near, isInside))) return 'foreign'
  }
  return isInside ? 'inside' : 'elsewhere'
}

/** Where the machine itself lives these are errors of the work: what is taken for foreign then is never looked at again. */
const TROUBLE: ReadonlySet<string> = new Set(['EIO', 'EACCES', 'EPERM'])

/** A folder elsewhere that may not be looked into could hold one. */
async function holdsMachine(files: Files, folder: string, isInside: boolean): Promise<boolean> {
  try {
    return (await files.list(folder)).some(name => /\.vbox$/i.test(name))
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined || (isInside && TROUBLE.has(code))) throw error
    return true
  }
}
