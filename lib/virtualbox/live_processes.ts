import { basename } from 'node:path'
import type { Files } from '../io/files.ts'
import type { ProcessFiles } from './process_files.ts'

/** A running VBoxSVC, the process that holds VirtualBox's settings in memory. */
export interface LiveService {
  readonly pid: number
  /** Its `VBOX_USER_HOME`; undefined when it has none or its environment may not be read. */
  readonly vboxUserHome: string | undefined
}

/** A process that has a file open. */
export interface FileHolder {
  readonly pid: number
  readonly command: string
  readonly path: string
}

const MOST_COMMAND = 256
const MOST_ENVIRONMENT = 1024 * 1024

/** Lists the VBoxSVC processes of all users; undefined where that cannot be known (other than on Linux). */
export async function findServices(proc: ProcessFiles): Promise<LiveService[] | undefined> {
  const pids = await listProcesses(proc)
  if (pids === undefined) return undefined
  const services: LiveService[] = []
  for (const pid of pids) {
    if ((await commandOf(proc, pid)) !== 'VBoxSVC') continue
    services.push({ pid, vboxUserHome: await variableOf(proc, pid, 'VBOX_USER_HOME') })
  }
  return services
}

/**
 * Lists who has one of some files open, also through another folder's name, this process left out; undefined where that cannot
 * be known (other than on Linux). Processes of other users are seen by root only.
 *
 * @param paths absolute; what does not exist is passed over
 */
export async function whoHasOpen(
  proc: ProcessFiles,
  files: Pick<Files, 'stat'>,
  paths: Iterable<string>,
  ownPid: number,
): Promise<FileHolder[] | undefined> {
  const pids = await listProcesses(proc)
  if (pids === undefined) return undefined
  const wanted = await identify(files, paths)
  const holders: FileHolder[] = []
  for (const pid of pids) {
    if (pid === ownPid) continue
    for (const path of await openFilesOf(proc, pid, wanted)) {
      holders.push({ pid, command: (await commandOf(proc, pid)) ?? '', path })
    }
  }
  return holders
}

/** Files by device and inode, and the last parts of their names. */
interface WantedFiles {
  readonly names: ReadonlySet<string>
  readonly paths: ReadonlyMap<string, string>
}

async function identify(files: Pick<Files, 'stat'>, paths: Iterable<string>): Promise<WantedFiles> {
  const names = new Set<string>()
  const found = new Map<string, string>()
  for (const path of paths) {
    const stat = await files.stat(path)
    if (stat === undefined) continue
    names.add(basename(path))
    found.set(`${stat.device}:${stat.inode}`, path)
  }
  return { names, paths: found }
}

async function listProcesses(proc: ProcessFiles): Promise<number[] | undefined> {
  const names = await proc.list('')
  return names?.filter(name => /^[1-9]\d*$/.test(name)).map(Number)
}

async function commandOf(proc: ProcessFiles, pid: number): Promise<string | undefined> {
  const bytes = await proc.read(`${pid}/comm`, MOST_COMMAND)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).replace(/\n$/, '')
}

/** A variable in the environment of a process; undefined when it has none or may not be looked at. */
export async function variableOf(proc: ProcessFiles, pid: number, name: string): Promise<string | undefined> {
  const bytes = await proc.read(`${pid}/environ`, MOST_ENVIRONMENT)
  if (bytes === undefined) return undefined
  const found = new TextDecoder()
    .decode(bytes)
    .split('\0')
    .find(entry => entry.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

async function openFilesOf(proc: ProcessFiles, pid: number, wanted: WantedFiles): Promise<Set<string>> {
  const open = new Set<string>()
  for (const descriptor of (await proc.list(`${pid}/fd`)) ?? []) {
    const link = `${pid}/fd/${descriptor}`
    const target = await proc.target(link)
    // Files of a process with another root directory have other folders, and looking at every open file
    // of a computer could wait for a network that is down.
    if (target === undefined || !wanted.names.has(basename(target))) continue
    const identity = await proc.identity(link)
    const path = identity && wanted.paths.get(`${identity.device}:${identity.inode}`)
    if (path !== undefined) open.add(path)
  }
  return open
}
