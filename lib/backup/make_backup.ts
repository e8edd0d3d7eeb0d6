import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { MachineSummary } from '../ensure/result.ts'
import { VboxmergeError } from '../errors.ts'
import { copyFile, hashFile } from '../image/copy_file.ts'
import { removeIfThere } from '../io/durable_file.ts'
import { errorCode } from '../io/errno.ts'
import type { FileStat, Files } from '../io/files.ts'
import { machineFileName } from '../machine/file_name.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { HEAD_BYTES, type KeptFile, manifestPath, writeManifest } from './manifest.ts'

/** A file that is to be kept. */
export interface FileToKeep {
  readonly kind: KeptFile['kind']
  /** Absolute path. */
  readonly path: string
  readonly id: Uuid | undefined
  /** Whether a second name of the file keeps all of it. */
  readonly isOnlyDeleted: boolean
}

/** A backup that is to be made. The caller holds the machine's lock. */
export interface BackupJob {
  readonly files: Files
  readonly machine: Inspection
  readonly before: MachineSummary
  /** Files beside the settings. */
  readonly keep: readonly FileToKeep[]
  /** Absolute path of the folder in which the backup gets one of its own. */
  readonly folder: string
  readonly vboxUserHome: string
  readonly now: Date
  readonly signal: AbortSignal | undefined
  /** Is told of bytes that are done, and how many there are. */
  readonly onProgress: (done: number, total: number) => void
}

/** A backup that was made. */
export interface MadeBackup {
  /** Absolute path. */
  readonly folder: string
  /** Whether files of the machine share their place on the disk with it, so that writing to them takes room. */
  readonly isShared: boolean
}

/** The names that tell of a file system without hard links, or of another one. */
const NO_LINKS = new Set(['EPERM', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'UNKNOWN'])

/**
 * Keeps the settings and some files of a machine in a new folder, and its manifest last. Nothing is left of it when
 * that fails.
 *
 * @returns The new folder.
 * @throws {VboxmergeError} `unsupported` for a folder inside the machine's own, `no_space`, `machine_locked` when a
 * file changes meanwhile; the signal's reason; an error of the file system.
 */
export async function makeBackup(job: BackupJob): Promise<MadeBackup> {
  const { files, machine, folder, now } = job
  await checkBackupPlace(files, machine, folder)
  const place = await freePlace(files, folder, machine.settings.name, now)
  await files.makeFolder(place)
  try {
    const kept = await keepFiles(job, place)
    await files.syncFolder(place)
    await files.syncFolder(folder)
    await writeManifest(files, place, {
      machine: {
        id: machine.settings.id,
        name: machine.settings.name,
        settingsFile: machine.settings.file,
      },
      registered: machine.registration.registered || machine.interrupted?.registered === true,
      vboxUserHome: job.vboxUserHome,
      madeAt: now.toISOString(),
      before: job.before,
      files: kept,
    })
    return { folder: place, isShared: kept.some(({ how }) => how === 'shared') }
  } catch (error) {
    await removeBackup(files, place).catch(() => undefined)
    throw error
  }
}

/** Removes a backup that no one needs, manifest first, so that what is left of it is none. */
export async function removeBackup(files: Files, place: string): Promise<void> {
  await removeIfThere(files, manifestPath(place))
  for (const name of await files.list(place)) await removeIfThere(files, join(place, name))
  await files.removeFolder(place)
  await files.syncFolder(dirname(place))
}

/**
 * Checks that a folder may hold backups of a machine: what lies in the machine's own folder goes with the machine.
 *
 * @param folder Absolute path.
 * @throws {VboxmergeError} `unsupported`.
 */
export async function checkBackupPlace(
  files: Files,
  { settings }: Pick<Inspection, 'settings'>,
  folder: string,
): Promise<void> {
  const there = await realFolder(files, folder)
  for (const own of [dirname(settings.file), settings.snapshotFolder]) {
    if (!isInside(await realFolder(files, own), there)) continue
    throw new VboxmergeError(
      'unsupported',
      `Cannot make a backup of ${JSON.stringify(settings.name)} in ${JSON.stringify(folder)}: that is inside the ` +
        "machine's own folder, and would be deleted with it; name a folder elsewhere",
    )
  }
  const kind = (await files.stat(there))?.kind
  if (kind === undefined || kind === 'folder') return
  throw new VboxmergeError(
    'unsupported',
    `Cannot make a backup of ${JSON.stringify(settings.name)} in ${JSON.stringify(folder)}: that is no folder`,
  )
}

/** A path with the links of its folders resolved, as far as they are there. */
export async function realFolder(files: Files, folder: string): Promise<string> {
  const missing: string[] = []
  for (let path = resolve(folder); ; path = dirname(path)) {
    const real = await files.realPath(path)
    if (real !== undefined) return join(real, ...missing)
    if (dirname(path) === path) return resolve(folder)
    missing.unshift(basename(path))
  }
}

/** Whether a path is a folder or lies in it. */
export function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path)
  return inside === '' || !(inside === '..' || inside.startsWith(`..${sep}`) || resolve(inside) === inside)
}

async function freePlace(files: Files, folder: string, machine: string, now: Date): Promise<string> {
  const [date = '', time = ''] = now.toISOString().replaceAll(/[-:]/g, '').split(/[T.]/)
  const name = `${machineFileName(machine)}-${date}-${time}`
  for (let count = 1; ; count++) {
    const place = join(folder, count === 1 ? name : `${name}-${count}`)
    if ((await files.stat(place)) === undefined) return place
  }
}

async function keepFiles(job: BackupJob, place: string): Promise<KeptFile[]> {
  const { machine } = job
  const settings = {
    kind: 'settings',
    path: machine.settings.file,
    id: undefined,
    isOnlyDeleted: false,
  } as const
  const all = [settings, ...job.keep]
  const stats = new Map<string, FileStat>()
  for (const { path } of all) stats.set(path, await statOf(job, path))
  const total = [...stats.values()].reduce((sum, { size }) => sum + size, 0)
  let done = 0
  const onBytes = (bytes: number): void => {
    done += bytes
    job.onProgress(done, total)
  }
  const kept: KeptFile[] = []
  for (const [index, file] of all.entries()) {
    const beforeCopy = async (): Promise<void> => await checkRoom(job, place, all.slice(index), stats)
    kept.push(await keepFile(job, join(place, nameOf(index, file.path)), file, onBytes, beforeCopy))
  }
  for (const { path, size, mtimeNs } of kept) {
    const stat = await statOf(job, path)
    if (stat.size !== size || String(stat.mtimeNs) !== mtimeNs) throw changed(job, path)
  }
  return kept
}

async function keepFile(
  { files, signal }: BackupJob,
  to: string,
  { kind, path, id, isOnlyDeleted }: FileToKeep,
  onBytes: (bytes: number) => void,
  beforeCopy: () => Promise<void>,
): Promise<KeptFile> {
  const linked = isOnlyDeleted && (await tryLink(files, path, to))
  const how = linked ? 'linked' : await copyFile(files, path, to, { signal, onBytes, beforeCopy })
  // A link has changed how many names the file has, and nothing else.
  const stat = await files.stat(path)
  const { size, mtimeNs, mode, owner, group } = stat ?? (await fileStat(files, to))
  return {
    kind,
    path,
    name: basename(to),
    how,
    size,
    mtimeNs: String(mtimeNs),
    mode,
    owner,
    group,
    id,
    sha256: await hashFile(files, to, { signal, ...(kind === 'image' ? { most: HEAD_BYTES } : {}) }),
  }
}

async function fileStat(files: Files, path: string): Promise<FileStat> {
  const file = await files.open(path, 'read')
  try {
    return await file.stat()
  } finally {
    await file.close()
  }
}

async function tryLink(files: Files, from: string, to: string): Promise<boolean> {
  try {
    await files.link(from, to)
    return true
  } catch (error) {
    if (NO_LINKS.has(errorCode(error) ?? '')) return false
    throw error
  }
}

async function statOf(job: BackupJob, path: string): Promise<FileStat> {
  const stat = await job.files.stat(path)
  if (stat?.kind === 'file') return stat
  throw changed(job, path)
}

/** Checks that what has to be copied, and cannot be shared, fits; some of it may turn out to be shared all the same. */
async function checkRoom(
  { files, machine }: BackupJob,
  place: string,
  left: readonly FileToKeep[],
  stats: ReadonlyMap<string, FileStat>,
): Promise<void> {
  const device = (await files.stat(place))?.device
  const needed = left
    .filter(({ isOnlyDeleted, path }) => !isOnlyDeleted || stats.get(path)?.device !== device)
    .reduce((sum, { path }) => {
      const { size = 0, allocatedBytes = 0 } = stats.get(path) ?? {}
      return sum + Math.min(size, allocatedBytes)
    }, 0)
  const free = await files.freeSpace(place)
  if (free >= needed) return
  throw new VboxmergeError(
    'no_space',
    `Cannot make a backup of ${JSON.stringify(machine.settings.name)}: the file system of ${JSON.stringify(place)} ` +
      `has ${free} bytes free, and ${needed} are needed; make room there`,
  )
}

function changed({ machine }: BackupJob, path: string): VboxmergeError {
  return new VboxmergeError(
    'machine_locked',
    `Cannot make a backup of ${JSON.stringify(machine.settings.name)}: ${JSON.stringify(path)} changed while it was ` +
      'copied, or is no file; shut the machine down and run the same command again',
  )
}

function nameOf(index: number, path: string): string {
  const plain = basename(path).replaceAll(/[^A-Za-z0-9_(){}. -]/g, '_')
  return `${String(index).padStart(3, '0')}-${plain.slice(-120)}`
}
