import { dirname, join } from 'node:path'
import type { KeptFile } from '../../backup/manifest.ts'
import { type UndoRecord, writeUndoing } from '../../backup/run_record.ts'
import { VboxmergeError } from '../../errors.ts'
import { copyFile } from '../../image/copy_file.ts'
import { removeIfThere, replaceFile, writeNewFile } from '../../io/durable_file.ts'
import { errorCode } from '../../io/errno.ts'
import type { Files } from '../../io/files.ts'
import { moveMedium } from '../../machine/edit_media.ts'
import type { InspectedMachine } from '../../machine/inspect.ts'
import type { JournalFile } from '../../machine/journal.ts'
import { eachMedium, eachState } from '../../machine/media_graph.ts'
import { isOwnStateFile, MAX_NVRAM_BYTES } from '../../machine/own_files.ts'
import { parseSettings, serializeSettings } from '../../machine/settings_document.ts'
import { hashOf } from '../../machine/settings_hash.ts'
import { deleteCreated, deletePending, deleteUnnamed } from '../direct/clean_up.ts'
import { removeJournal } from '../direct/journal_file.ts'
import { removeNote } from '../virtualbox/chain_note.ts'
import { isInOwnFolder, ownVariables } from './check_files.ts'
import type { UndoPlan } from './plan_undo.ts'

/** Bringing back the files of a backup. VirtualBox does not know the machine meanwhile. */
export interface BringBackJob {
  readonly files: Files
  readonly plan: UndoPlan
  /** The machine as it is. */
  readonly present: InspectedMachine
  readonly signal: AbortSignal | undefined
  /** Is told of bytes as they are done. */
  readonly onBytes: (bytes: number) => void
  /** Is told before the first change of the machine. */
  readonly onBegun: () => void
}

/** Ending of a file that is to take the place of a machine's. */
const STAGED = '.vboxmerge-undo'

/** Ending of a second name under which an image is read until the settings of the backup are in place. */
const ASIDE = '.vboxmerge-aside'

/** What file systems without hard links answer to `link`. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'UNKNOWN'])

/**
 * Puts the files of a backup back, so that every view that the `.vbox` on disk names reads right at every moment:
 * all files under names of their own → the images whose places are needed under second names, and settings that name
 * those → all files in their places → the settings of the backup → what the run had made goes. Each arrow is a flush,
 * and each new `.vbox` comes by a rename.
 *
 * Nothing is changed when it fails before the first rename; afterwards doing it again finishes.
 */
export async function bringBack(job: BringBackJob): Promise<void> {
  const { files, plan, present } = job
  const { settings } = present.inspection
  let begun = false
  try {
    await stageFiles(job)
    await noteWay(job)
    job.signal?.throwIfAborted()
    begun = true
  } finally {
    if (!begun) await removeStaged(job).catch(() => undefined)
  }
  job.onBegun()
  await setAside(job)
  const own = ownVariables(plan.kept)
  // No settings name the machine's own EFI variables, so they change together with the settings as far as that goes.
  const [first, last] = [plan.restore.filter(isAt(own, false)), plan.restore.filter(isAt(own, true))]
  await putInPlace(files, first)
  await files.rename(`${settings.file}${STAGED}`, settings.file)
  await files.syncFolder(dirname(settings.file))
  await putInPlace(files, last)
  await cleanUp(job)
}

const isAt =
  (path: string, wanted: boolean) =>
  (file: KeptFile): boolean =>
    (file.path === path) === wanted

async function stageFiles({ files, plan, signal, onBytes }: BringBackJob): Promise<void> {
  const { backup, restore, settingsFile, settingsBytes, kept } = plan
  for (const [index, file] of restore.entries()) {
    const staged = `${file.path}${STAGED}`
    await removeIfThere(files, staged)
    await files.makeFolder(dirname(file.path))
    const left = restore.slice(index)
    const beforeCopy = async (): Promise<void> => await checkRoom(files, plan, dirname(file.path), left)
    const work = { signal, onBytes, beforeCopy, like: file }
    await copyFile(files, join(backup.folder, file.name), staged, work)
  }
  const staged = `${kept.file}${STAGED}`
  await removeIfThere(files, staged)
  const { mode, owner, group } = settingsFile
  await writeNewFile(files, staged, settingsBytes, kept.file, { mode, owner, group })
  for (const folder of foldersOf([...restore, kept])) await files.syncFolder(folder)
}

function foldersOf(all: readonly ({ readonly path: string } | { readonly file: string })[]): Set<string> {
  return new Set(all.map(one => dirname('path' in one ? one.path : one.file)))
}

/** Checks that what has to be copied, and cannot be shared, fits; some of it may turn out to be shared all the same. */
async function checkRoom(
  files: Files,
  { backup }: UndoPlan,
  folder: string,
  left: readonly KeptFile[],
): Promise<void> {
  let needed = 0
  const device = (await files.stat(folder))?.device
  for (const { name, path } of left) {
    const there = await files.stat(dirname(path))
    if (there !== undefined && there.device !== device) continue
    const { size = 0, allocatedBytes = 0 } = (await files.stat(join(backup.folder, name))) ?? {}
    needed += Math.min(size, allocatedBytes)
  }
  const free = await files.freeSpace(folder)
  if (free >= needed) return
  throw new VboxmergeError(
    'no_space',
    `Cannot go back to the backup ${JSON.stringify(backup.folder)}: the file system of ${JSON.stringify(folder)} has ` +
      `${free} bytes free, and ${needed} are needed; make room there`,
  )
}

/** So that going back that was interrupted is not taken for a machine that someone changed. */
async function noteWay({ files, plan, present }: BringBackJob): Promise<void> {
  const { settingsBytes, backup, undoing } = plan
  const { images, others } = await added({ files, plan }, present)
  const hashes = [
    present.inspection.settingsHash,
    hashOf(asideSettings({ plan, present })),
    hashOf(settingsBytes),
  ]
  await writeUndoing(files, backup.folder, {
    hashes: [...new Set([...undoing.hashes, ...hashes])].slice(-100),
    images,
    others,
  })
}

/**
 * What a run made that died before it noted its outcome: what the machine has now, or had when going back began, and not
 * before the run, and what holds nothing of its own. What a user made since is not ours to delete.
 */
async function added(
  { files, plan }: Pick<BringBackJob, 'files' | 'plan'>,
  { inspection }: InspectedMachine,
): Promise<Pick<UndoRecord, 'images' | 'others'>> {
  const { kept, outcome, undoing } = plan
  if (outcome !== undefined) return { images: [], others: [] }
  const { settings, emptyLeaves, nvram } = inspection
  const before = new Set([...eachMedium(kept.media)].map(({ id }) => id))
  const images = new Map(undoing.images.map(image => [image.id, image]))
  for (const { id, path, parent } of eachMedium(settings.media)) {
    if (parent !== undefined && emptyLeaves.has(id) && !before.has(id)) images.set(id, { id, path })
  }
  const others = new Set(undoing.others)
  const isOurs = nvram.exists && (await isOwnStateFile(files, settings, nvram.path, 'nvram'))
  const own = isOurs ? hashOf(await files.readFile(nvram.path, MAX_NVRAM_BYTES)) : undefined
  for (const { state } of eachState(settings)) {
    const path = state.nvramFile
    if (path === undefined || path === nvram.path) continue
    if (!(await isOwnStateFile(files, settings, path, 'nvram')) || (await files.stat(path))?.kind !== 'file')
      continue
    if (hashOf(await files.readFile(path, MAX_NVRAM_BYTES)) === own) others.add(path)
  }
  return { images: [...images.values()], others: [...others] }
}

/** The present settings, with the images whose places are needed under their second names. */
function asideSettings({ plan, present }: Pick<BringBackJob, 'plan' | 'present'>): Uint8Array {
  const { settings } = present.inspection
  let doc = parseSettings(present.settingsBytes, settings.file)
  for (const { id, path } of inTheWay({ plan, present })) doc = moveMedium(doc, id, `${path}${ASIDE}`)
  return serializeSettings(doc)
}

/** Images that the present settings name where a file is to be put. */
function inTheWay({
  plan,
  present,
}: Pick<BringBackJob, 'plan' | 'present'>): { readonly id: string; readonly path: string }[] {
  const wanted = new Set(plan.restore.map(({ path }) => path))
  return [...eachMedium(present.inspection.settings.media)].filter(({ path }) => wanted.has(path))
}

async function setAside({ files, plan, present }: BringBackJob): Promise<void> {
  const { settings, settingsHash } = present.inspection
  const images = inTheWay({ plan, present })
  for (const { path } of images) {
    // An image that is missing is one to bring back, and no one reads it.
    if ((await files.stat(path))?.kind !== 'file') continue
    await removeIfThere(files, `${path}${ASIDE}`)
    await linkOrCopy(files, path, `${path}${ASIDE}`)
  }
  for (const folder of foldersOf(images)) await files.syncFolder(folder)
  const bytes = asideSettings({ plan, present })
  if (hashOf(bytes) === settingsHash) return
  await replaceFile(files, settings.file, bytes, settings.file)
}

async function linkOrCopy(files: Files, from: string, to: string): Promise<void> {
  try {
    await files.link(from, to)
  } catch (error) {
    if (!NO_LINKS.has(errorCode(error) ?? '')) throw error
    await copyFile(files, from, to)
  }
}

async function putInPlace(files: Files, restored: readonly KeptFile[]): Promise<void> {
  for (const { path } of restored) await files.rename(`${path}${STAGED}`, path)
  for (const folder of foldersOf(restored)) await files.syncFolder(folder)
}

/** Removes the second names, and what the run had made. */
async function cleanUp({ files, plan, present }: BringBackJob): Promise<void> {
  const { kept, backup } = plan
  const images = backup.manifest.files.filter(({ kind }) => kind === 'image')
  let removed = false
  for (const { path } of images) removed = (await removeIfThere(files, `${path}${ASIDE}`)) || removed
  if (removed) for (const folder of foldersOf(images)) await files.syncFolder(folder)
  // Where the machine's folders are is not for the backup to say.
  const { snapshotFolder } = present.inspection.settings
  await deleteUnnamed(files, { ...kept, snapshotFolder }, await madeByRun({ files, plan, present }))
  if (present.journal !== undefined) await deleteCreated(files, kept, present.journal.created)
  await deletePending(files, kept.file)
  await removeIfThere(files, `${ownVariables(present.inspection.settings)}.vboxmerge-tmp`)
  await removeJournal(files, kept.file)
  await removeNote(files, kept.file)
}

/** What the machine had after the run, and had not before. */
async function madeByRun({
  files,
  plan,
  present,
}: Pick<BringBackJob, 'files' | 'plan' | 'present'>): Promise<JournalFile[]> {
  const { outcome, kept } = plan
  const { settings } = present.inspection
  const before = new Set([...eachMedium(kept.media)].map(({ id }) => id))
  const made: JournalFile[] = []
  for (const { id, path } of outcome?.images ?? []) {
    if (before.has(id)) continue
    const isPresent = [...eachMedium(settings.media)].some(medium => medium.id === id && medium.path === path)
    // When going back is done again the present settings are the old ones already.
    if (isPresent || (await isInOwnFolder(files, settings, path))) made.push({ kind: 'image', path, id })
  }
  const now = await added({ files, plan }, present)
  for (const { id, path } of now.images) {
    const isKnown = made.some(file => file.id === id)
    if (!isKnown && (await isInOwnFolder(files, settings, path))) made.push({ kind: 'image', path, id })
  }
  for (const path of new Set([...(outcome?.others ?? []), ...now.others])) {
    const kind = path.toLowerCase().endsWith('.nvram') ? 'nvram' : 'saved_state'
    made.push({ kind, path, id: undefined })
  }
  return made
}

async function removeStaged({ files, plan }: BringBackJob): Promise<void> {
  for (const path of [...plan.restore.map(file => file.path), plan.kept.file]) {
    await removeIfThere(files, `${path}${STAGED}`)
  }
}
