import { dirname, join } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import { lockPathOf } from '../machine/lock.ts'
import type { Plan } from './plan.ts'
import type { SpaceNeed } from './result.ts'

/** Room for the two coming settings files, the journal and the lock, beside what they already take. */
const SETTINGS_ROOM = 256 * 1024

/**
 * Checks that every file system that a plan of the direct engine writes to has room for it.
 *
 * @param home The settings folder of VirtualBox.
 * @param isShared Whether images share their place on the disk with other files: what is written to them takes room then.
 * @throws {VboxmergeError} `no_space` naming the folder, what is needed and what is there, in bytes.
 */
export async function checkSpace(
  files: Files,
  machine: Inspection,
  settingsBytes: number,
  home: string,
  plan: Plan,
  isShared = false,
): Promise<void> {
  const needs = await spaceNeeds(files, machine, settingsBytes, home, plan, isShared)
  refuseFull(`change ${JSON.stringify(machine.settings.name)}`, needs)
}

/**
 * Checks that VirtualBox has room for the settings that it saves: where it has not, it leaves empty files and says that all
 * went well (7.2.22, measured).
 *
 * @param home The settings folder of VirtualBox.
 * @throws {VboxmergeError} `no_space` as above.
 */
export async function checkSettingsSpace(
  files: Files,
  machine: Inspection,
  settingsBytes: number,
  home: string,
): Promise<void> {
  const needs = await settingsNeeds(files, machine, settingsBytes, home)
  refuseFull(`change ${JSON.stringify(machine.settings.name)}`, await measureNeeds(files, needs))
}

/** Tells what room a plan of the direct engine needs, and what room there is, by file system. */
export async function spaceNeeds(
  files: Files,
  machine: Inspection,
  settingsBytes: number,
  home: string,
  { figures, tree }: Plan,
  isShared = false,
): Promise<SpaceNeed[]> {
  const needs = await settingsNeeds(files, machine, settingsBytes, home)
  for (const { images, neededBytes, final } of figures.folds) {
    const path = machine.images.get(images[0] ?? '')?.medium.path
    if (path !== undefined)
      needs.push({ folder: dirname(path), bytes: neededBytes + (isShared ? final.writtenBytes : 0) })
  }
  for (const child of tree.folds.flatMap(({ children }) => children)) {
    const image = machine.images.get(child)
    // Its header gets another parent; a file with other names is written anew for that.
    if (image !== undefined && image.links > 1)
      needs.push({ folder: dirname(image.medium.path), bytes: image.fileSize })
  }
  for (const bytes of [...figures.restoredLeaves, ...figures.snapshotLeaves]) {
    needs.push({ folder: machine.settings.snapshotFolder, bytes })
  }
  return await measureNeeds(files, needs)
}

/**
 * Checks that a clone fits where it is to be.
 *
 * @throws {VboxmergeError} `no_space` as above.
 */
export function checkCloneSpace({ name }: { readonly name: string }, needs: readonly SpaceNeed[]): void {
  refuseFull(`clone ${JSON.stringify(name)}`, needs)
}

/**
 * Tells what room a clone needs, and what room there is.
 *
 * @param settingsFile The clone's.
 * @param bytes Lengths of all its files but the settings, added.
 * @param home The settings folder of the VirtualBox that is to know it, if there is one.
 */
export async function cloneSpaceNeeds(
  files: Files,
  settingsFile: string,
  bytes: number,
  home: string | undefined,
): Promise<SpaceNeed[]> {
  const own = await settingsNeed(files, settingsFile, bytes)
  const known = home === undefined ? [] : await homeNeeds(files, own.folder, home)
  return await measureNeeds(files, [own, ...known])
}

/** Bytes that are to be written somewhere in a folder, which may not be there yet. */
interface Need {
  readonly folder: string
  readonly bytes: number
}

/** The room for the lock is not needed any more once it is there: check mode and the run after it say the same. */
async function settingsNeed(files: Files, settingsFile: string, bytes: number): Promise<Need> {
  const lock = (await files.stat(lockPathOf(settingsFile)))?.allocatedBytes ?? 0
  return { folder: dirname(settingsFile), bytes: bytes + SETTINGS_ROOM - Math.min(lock, SETTINGS_ROOM) }
}

async function settingsNeeds(
  files: Files,
  { settings, registration, interrupted }: Inspection,
  settingsBytes: number,
  home: string,
): Promise<Need[]> {
  const own = await settingsNeed(files, settings.file, 4 * settingsBytes)
  const isKnown = registration.registered || interrupted?.registered === true
  return isKnown ? [own, ...(await homeNeeds(files, own.folder, home))] : [own]
}

/** The room for the settings of VirtualBox, where they are on another file system than those of the machine. */
async function homeNeeds(files: Files, machineFolder: string, home: string): Promise<Need[]> {
  const deviceOf = async (folder: string): Promise<bigint | undefined> => {
    return (await files.stat(await existingFolder(files, folder)))?.device
  }
  if ((await deviceOf(machineFolder)) === (await deviceOf(home))) return []
  const registry = await files.realPath(join(home, 'VirtualBox.xml'))
  const { size = 0 } = (registry === undefined ? undefined : await files.stat(registry)) ?? {}
  return [{ folder: home, bytes: 4 * size + SETTINGS_ROOM }]
}

async function measureNeeds(files: Files, needs: readonly Need[]): Promise<SpaceNeed[]> {
  const byDevice = new Map<string, Need>()
  for (const need of needs) {
    const folder = await existingFolder(files, need.folder)
    const device = String((await files.stat(folder))?.device)
    const known = byDevice.get(device)
    byDevice.set(device, { folder: known?.folder ?? folder, bytes: (known?.bytes ?? 0) + need.bytes })
  }
  const measured: SpaceNeed[] = []
  for (const { folder, bytes } of byDevice.values()) {
    const free = await freeSpaceFor(files, folder, bytes)
    measured.push({ folder, neededBytes: bytes, missingBytes: Math.max(0, bytes - free) })
  }
  return measured
}

function refuseFull(what: string, needs: readonly SpaceNeed[]): void {
  for (const { folder, neededBytes, missingBytes } of needs) {
    if (missingBytes === 0) continue
    throw new VboxmergeError(
      'no_space',
      `Cannot ${what}: the file system of ${JSON.stringify(folder)} has ${neededBytes - missingBytes} bytes free, and ` +
        `${neededBytes} are needed, ${missingBytes} more; make room there`,
    )
  }
}

/** What was deleted a moment ago may count as free only once it is flushed, which is asked for only when it matters. */
async function freeSpaceFor(files: Files, folder: string, bytes: number): Promise<number> {
  const free = await files.freeSpace(folder)
  if (free >= bytes) return free
  await files.flushFileSystem(folder)
  return await files.freeSpace(folder)
}

async function existingFolder(files: Files, folder: string): Promise<string> {
  let path = folder
  while ((await files.stat(path)) === undefined && dirname(path) !== path) path = dirname(path)
  return path
}
