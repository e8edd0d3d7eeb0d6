import { dirname, extname, isAbsolute, join, normalize } from 'node:path'
import { isInside, realFolder } from '../../backup/make_backup.ts'
import { HEAD_BYTES, type KeptFile, unusable } from '../../backup/manifest.ts'
import { hashFile } from '../../image/copy_file.ts'
import { type Files, wholeMilliseconds } from '../../io/files.ts'
import type { MachineSettings, Uuid } from '../../machine/machine.ts'
import { eachMedium, eachState } from '../../machine/media_graph.ts'
import { isThatImage } from '../direct/clean_up.ts'

/** What the files of a backup are held against. */
export interface CheckContext {
  readonly files: Files
  /** Absolute path of the backup. */
  readonly folder: string
  /** The machine as it is, which is trusted. */
  readonly present: MachineSettings
  /** The settings in the backup. */
  readonly kept: MachineSettings
  readonly signal: AbortSignal | undefined
}

/**
 * Checks that a file of a backup is what its manifest says, and that it may be put where that says: a backup may come
 * from anywhere, and must not make us write outside the machine's own folders and images.
 *
 * @throws {VboxmergeError} `unsupported`.
 */
export async function checkKept(context: CheckContext, file: KeptFile): Promise<void> {
  await checkPlace(context, file)
  await checkContent(context, file)
}

async function checkPlace(context: CheckContext, file: KeptFile): Promise<void> {
  const { files, folder, present } = context
  const { path, id } = file
  const named = JSON.stringify(path)
  if (!isAbsolute(path) || normalize(path) !== path) throw unusable(folder, `${named} is no absolute path`)
  if (!isNamed(context, file)) throw unusable(folder, `its settings do not name ${named}`)
  const stat = await files.stat(path)
  if (stat !== undefined && stat.kind !== 'file') throw unusable(folder, `${named} is no file`)
  const isPresent = id !== undefined && [...eachMedium(present.media)].some(isAt(id, path))
  if (isPresent || (id !== undefined && stat !== undefined && (await isThatImage(files, { path, id }))))
    return
  if (!(await isInOwnFolder(files, present, path))) {
    throw unusable(folder, `${named} is outside the folders of the machine, and no image of it is there`)
  }
  if (id !== undefined && stat !== undefined) {
    throw unusable(
      folder,
      `${named} is another file now than the image {${id}}; move it away and run the same command again`,
    )
  }
}

/** Whether a file lies in the folder of a machine or in that of its snapshots, whatever links lead there. */
export async function isInOwnFolder(
  files: Files,
  { file, snapshotFolder }: Pick<MachineSettings, 'file' | 'snapshotFolder'>,
  path: string,
): Promise<boolean> {
  if (!isAbsolute(path)) return false
  const place = await realFolder(files, dirname(path))
  for (const own of [dirname(file), snapshotFolder]) {
    if (isInside(await realFolder(files, own), place)) return true
  }
  return false
}

const isAt =
  (id: Uuid, path: string) =>
  (medium: { readonly id: Uuid; readonly path: string }): boolean =>
    medium.id === id && medium.path === path

function isNamed({ kept }: CheckContext, { kind, path, id }: KeptFile): boolean {
  if (kind === 'image') return [...eachMedium(kept.media)].some(isAt(id ?? '', path))
  if (kind === 'saved_state' && extname(path).toLowerCase() !== '.sav') return false
  if (kind === 'nvram' && extname(path).toLowerCase() !== '.nvram') return false
  if (kind === 'nvram' && path === ownVariables(kept)) return true
  return [...eachState(kept)].some(({ state }) => state.stateFile === path || state.nvramFile === path)
}

/** Where a machine's own EFI variables are. */
export function ownVariables({ file, currentState }: MachineSettings): string {
  return currentState.nvramFile ?? file.replace(/\.vbox$/i, '.nvram')
}

async function checkContent({ files, folder, signal }: CheckContext, file: KeptFile): Promise<void> {
  const path = join(folder, file.name)
  const stat = await files.stat(path)
  if (stat?.kind !== 'file') throw unusable(folder, `its file ${JSON.stringify(file.name)} is missing`)
  const isSame = stat.size === file.size && (await digestOf(files, path, file, signal)) === file.sha256
  if (isSame) return
  const why = file.how === 'linked' ? ', which was one file with that of the machine,' : ''
  throw unusable(folder, `its file ${JSON.stringify(file.name)}${why} has been changed since it was made`)
}

async function digestOf(
  files: Files,
  path: string,
  { kind }: KeptFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  return await hashFile(files, path, { signal, ...(kind === 'image' ? { most: HEAD_BYTES } : {}) })
}

/** Whether the machine still has a file as it was when it was kept. */
export async function isUntouched(files: Files, file: KeptFile, signal?: AbortSignal): Promise<boolean> {
  const stat = await files.stat(file.path)
  if (stat?.kind !== 'file' || stat.size !== file.size) return false
  const isOld = wholeMilliseconds(stat.mtimeNs) === wholeMilliseconds(BigInt(file.mtimeNs))
  return (file.kind !== 'image' || isOld) && (await digestOf(files, file.path, file, signal)) === file.sha256
}
