import { VboxmergeError } from '../errors.ts'
import type { ImageHeader } from '../image/image.ts'
import { openImage } from '../image/open_image.ts'
import { isTableFree } from '../image/vdi/block_table.ts'
import { errorCode } from '../io/errno.ts'
import type { FileStat, Files } from '../io/files.ts'
import { inLanes } from '../io/in_lanes.ts'
import type { InspectedImage, Inspection, InterruptedRun, Problem, Relink } from './inspection.ts'
import { type Journal, readJournal } from './journal.ts'
import type { MachineSettings, Medium, Uuid } from './machine.ts'
import { imagesInUse, indexMedia, isFileFormat } from './media_graph.ts'
import { loadNeighbours, type Neighbours } from './neighbours.ts'
import { readSettings } from './read_settings.ts'
import { MAX_SETTINGS_BYTES, parseSettings, settingsCorrupt } from './settings_document.ts'
import { hashOf, hashSettingsFile } from './settings_hash.ts'
import { trustedJournal } from './trusted_journal.ts'

/** A machine's present state together with the bytes of its settings. */
export interface InspectedMachine {
  readonly inspection: Inspection
  readonly settingsBytes: Uint8Array
  readonly journal: Journal | undefined
}

/**
 * Reads a machine: its settings, the headers of its images, and what other machines of the same VirtualBox
 * use. Reads tables only of the current state's images, and no data at all.
 *
 * @param known An earlier look, from which the settings are taken while their file has the same content.
 * @throws {VboxmergeError} `machine_not_found`, `settings_corrupt`, `unsupported`, `image_encrypted`,
 * `journal_foreign`. Problems of images are data of the result.
 */
export async function inspect(
  files: Files,
  settingsFile: string,
  vboxUserHome: string,
  known?: InspectedMachine,
): Promise<InspectedMachine> {
  const { settings, settingsHash, settingsBytes } = await findSettings(files, settingsFile, known)
  const noted = await readJournal(files, settingsFile, settings.id)
  const neighbours = await loadNeighbours(files, settings, vboxUserHome)
  const media = indexMedia([settings.media, ...neighbours.registries])
  const used = imagesInUse(settings, media)
  const sharedWith = sharedImages(neighbours, media)
  const journal = noted && (await trustedJournal(files, settings, noted, sharedWith))
  const images = await inspectImages(files, media, used, journal)
  return {
    inspection: {
      settings,
      settingsHash,
      nvram: await findNvram(files, settings),
      registration: {
        registered: neighbours.registered,
        ownRegistryComplete: isOwnRegistryComplete(settings, used),
      },
      images,
      sharedWith,
      emptyLeaves: await findEmptyLeaves(files, settings, images),
      interrupted: journal === undefined ? undefined : interruptedRun(journal, settingsHash),
    },
    settingsBytes,
    journal,
  }
}

/** The settings of a machine, with the content of their file. */
interface FoundSettings {
  readonly settings: MachineSettings
  readonly settingsHash: string
  readonly settingsBytes: Uint8Array
}

async function findSettings(
  files: Files,
  path: string,
  known: InspectedMachine | undefined,
): Promise<FoundSettings> {
  await checkSettingsFile(files, path)
  if (known?.inspection.settings.file === path) {
    const { settings, settingsHash } = known.inspection
    const { settingsBytes } = known
    if ((await hashSettingsFile(files, path)) === settingsHash)
      return { settings, settingsHash, settingsBytes }
  }
  const settingsBytes = await files.readFile(path, MAX_SETTINGS_BYTES)
  const settings = readSettings(parseSettings(settingsBytes, path))
  return { settings, settingsHash: hashOf(settingsBytes), settingsBytes }
}

async function checkSettingsFile(files: Files, path: string): Promise<void> {
  const stat = await files.stat(path)
  if (stat === undefined) {
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot read the machine: there is no file ${JSON.stringify(path)}; bring it back, or name another machine`,
    )
  }
  if (stat.kind !== 'file') {
    throw new VboxmergeError(
      'unsupported',
      `Cannot read the machine: ${JSON.stringify(path)} is no regular file; name the .vbox file itself`,
    )
  }
  if (stat.size > MAX_SETTINGS_BYTES) {
    throw settingsCorrupt(path, `it has ${stat.size} bytes, more than the ${MAX_SETTINGS_BYTES} allowed`)
  }
}

/** Where the machine's own EFI variables are: the settings say so only where it is not beside them. */
async function findNvram(files: Files, settings: MachineSettings): Promise<Inspection['nvram']> {
  const path = settings.currentState.nvramFile ?? settings.file.replace(/\.vbox$/i, '.nvram')
  return { path, exists: (await files.stat(path))?.kind === 'file' }
}

function isOwnRegistryComplete(settings: MachineSettings, used: ReadonlySet<Uuid>): boolean {
  const own = indexMedia([settings.media])
  return [...used].every(id => own.has(id))
}

function sharedImages(neighbours: Neighbours, media: ReadonlyMap<Uuid, Medium>): Map<Uuid, string> {
  const shared = new Map<Uuid, string>()
  for (const other of neighbours.machines) {
    for (const id of imagesInUse(other, media)) if (!shared.has(id)) shared.set(id, other.name)
  }
  return shared
}

/** Images that are looked at at a time: each takes several calls, and of the time of a call most is waiting for it. */
const LANES = 4

interface LookedAt {
  readonly medium: Medium
  readonly stat: FileStat | undefined
  readonly image: InspectedImage
}

async function inspectImages(
  files: Files,
  media: ReadonlyMap<Uuid, Medium>,
  used: ReadonlySet<Uuid>,
  journal: Journal | undefined,
): Promise<Map<Uuid, InspectedImage>> {
  const looked = new Map<Uuid, LookedAt>()
  await inLanes(LANES, used, async id => {
    const medium = media.get(id)
    if (medium === undefined) return
    const stat = await files.stat(medium.path)
    looked.set(id, { medium, stat, image: await inspectImage(files, medium, stat) })
  })
  const images = new Map<Uuid, InspectedImage>()
  const names = new Map<string, Medium>()
  for (const id of used) {
    const found = looked.get(id)
    if (found === undefined) continue
    const { medium, stat, image } = found
    const key = stat === undefined ? undefined : `${stat.device}:${stat.inode}`
    const twin = key === undefined ? undefined : names.get(key)
    if (key !== undefined) names.set(key, medium)
    images.set(id, twin === undefined ? image : { ...image, problem: sameFile(medium, twin) })
  }
  for (const [id, image] of images) {
    if (image.problem !== undefined) continue
    const problem = linkProblem(image, images, journal)
    if (problem !== undefined) images.set(id, { ...image, problem })
  }
  return images
}

function sameFile(medium: Medium, twin: Medium): Problem {
  return {
    code: 'chain_mismatch',
    message:
      `the images ${describe(medium)} and ${describe(twin)} are one and the same file; ` +
      'give each image a file of its own',
  }
}

async function inspectImage(
  files: Files,
  medium: Medium,
  stat: FileStat | undefined,
): Promise<InspectedImage> {
  const found = {
    medium,
    header: undefined,
    fileSize: stat?.size ?? 0,
    mtimeNs: stat?.mtimeNs ?? 0n,
    links: stat?.links ?? 0,
    problem: undefined,
  }
  if (medium.encrypted) {
    const message = `the image ${describe(medium)} is encrypted; decrypt it first (VBoxManage encryptmedium)`
    return { ...found, problem: { code: 'image_encrypted', message } }
  }
  if (!isFileFormat(medium)) return found
  if (stat === undefined) {
    const message = `the image ${describe(medium)} is missing; bring the file back, or detach the disk`
    return { ...found, problem: { code: 'image_missing', message } }
  }
  if (medium.format.toUpperCase() !== 'VDI') return found
  try {
    const header = await readHeader(files, medium.path)
    return { ...found, header, problem: headerProblem(medium, header) }
  } catch (error) {
    if (error instanceof VboxmergeError) {
      return { ...found, problem: { code: error.code, message: error.message } }
    }
    const code = errorCode(error)
    if (code === undefined) throw error
    const help = PRIVATE.has(code) ? 'run as a user who may read it' : 'look after the disk that it is on'
    const message = `the image ${describe(medium)} cannot be read (${code}); ${help}`
    return { ...found, problem: { code: 'unsupported', message } }
  }
}

/** What the system says of files of others; all else is trouble with the disk. */
const PRIVATE: ReadonlySet<string> = new Set(['EACCES', 'EPERM'])

async function readHeader(files: Files, path: string): Promise<ImageHeader> {
  const image = await openImage(files, path, 'read')
  // What was read is read, however closing goes.
  await image.file.close().catch(() => undefined)
  return image.header
}

function headerProblem(medium: Medium, header: ImageHeader): Problem | undefined {
  if (header.id !== medium.id) {
    return mismatch(`the file ${JSON.stringify(medium.path)} is the image {${header.id}}, not {${medium.id}}`)
  }
  const isDifference = header.variant === 'differencing'
  if (isDifference !== (medium.parent !== undefined)) {
    return mismatch(
      `the image ${describe(medium)} is ${isDifference ? 'a differencing' : 'a base'} image, but is registered ` +
        `${isDifference ? 'without' : 'with'} a parent`,
    )
  }
  return undefined
}

function linkProblem(
  { medium, header }: InspectedImage,
  images: ReadonlyMap<Uuid, InspectedImage>,
  journal: Journal | undefined,
): Problem | undefined {
  if (header === undefined) return undefined
  if (header.parent !== medium.parent && !isPending(journal?.relinks ?? [], medium, header)) {
    return mismatch(
      `the image ${describe(medium)} names {${header.parent ?? 'none'}} as its parent, but is registered under ` +
        `{${medium.parent ?? 'none'}}`,
    )
  }
  const parent = medium.parent === undefined ? undefined : images.get(medium.parent)
  // An interrupted fold may have enlarged its target before the images above it went.
  if (journal !== undefined || parent?.header === undefined) return undefined
  if (parent.header.capacity > header.capacity) {
    return {
      code: 'unsupported',
      message:
        `the image ${describe(medium)} is smaller than its parent (${header.capacity} and ` +
        `${parent.header.capacity} bytes); resize it first`,
    }
  }
  return undefined
}

/** Between the second commit and the last relink, a header still names the image that was folded. */
function isPending(relinks: readonly Relink[], medium: Medium, header: ImageHeader): boolean {
  return relinks.some(
    ({ child, from, to }) => child === medium.id && from === header.parent && to === medium.parent,
  )
}

function mismatch(found: string): Problem {
  return {
    code: 'chain_mismatch',
    message: `${found}; the settings do not fit the files: restore the matching .vbox, or the matching images`,
  }
}

function describe(medium: Medium): string {
  return `${JSON.stringify(medium.path)} {${medium.id}}`
}

async function findEmptyLeaves(
  files: Files,
  settings: MachineSettings,
  images: ReadonlyMap<Uuid, InspectedImage>,
): Promise<Set<Uuid>> {
  const empty = new Set<Uuid>()
  if (settings.rootSnapshot === undefined) return empty
  for (const { image: id } of settings.currentState.attachments) {
    const image = images.get(id)
    if (image?.header?.parent === undefined || image.problem !== undefined) continue
    if (image.header.allocatedBlocks === 0 && (await hasFreeTable(files, image.medium.path))) empty.add(id)
  }
  return empty
}

async function hasFreeTable(files: Files, path: string): Promise<boolean> {
  const image = await openImage(files, path, 'read')
  try {
    return await isTableFree(image)
  } finally {
    await image.file.close()
  }
}

function interruptedRun(journal: Journal, settingsHash: string): InterruptedRun {
  const { before, first, second } = journal.hashes
  const reached =
    settingsHash === second
      ? 'second_commit'
      : settingsHash === first
        ? 'first_commit'
        : settingsHash === before
          ? 'nothing'
          : 'unknown'
  const { registered, relinks, settles } = journal
  const unwanted = new Set(journal.deletes.flatMap(({ id }) => (id === undefined ? [] : [id])))
  return { reached, registered, relinks, unwanted, settles }
}
