import type { BlockDevice } from './device.ts'
import { type FileSystem, type Format, keptFileSystem } from './file_system.ts'
import { CONTAINERS, FILE_SYSTEMS } from './formats.ts'
import type { DeviceGuard } from './guarded_device.ts'

/** What is looked for; all formats. For tests. */
export interface Formats {
  readonly containers: readonly Format[]
  readonly fileSystems: readonly Format[]
}

const ALL: Formats = { containers: CONTAINERS, fileSystems: FILE_SYSTEMS }

/**
 * Tells what lies on a device: a partition, a logical volume, a whole disk.
 *
 * @param device One that `guard` has made.
 * @returns Undefined when no signature is there.
 * @throws What reading the device throws.
 */
export async function probeDevice(
  device: BlockDevice,
  guard: DeviceGuard,
  formats: Formats = ALL,
): Promise<FileSystem | undefined> {
  for (const format of formats.containers) {
    const container = await probeFormat(device, guard, format)
    if (container) return container
  }
  const found: FileSystem[] = []
  for (const format of formats.fileSystems) {
    const fileSystem = await probeFormat(device, guard, format)
    if (fileSystem) found.push(fileSystem)
  }
  const asleep = found.find(({ keep }) => keep?.wholeDisk)
  if (found.length < 2 || asleep) return asleep ?? found[0]
  const kinds = found.map(({ kind }) => kind)
  return keptFileSystem(
    { kind: kinds.join('+'), size: device.size },
    { code: 'ambiguous', found: `it carries the signatures of ${kinds.join(' and ')}` },
  )
}

async function probeFormat(
  device: BlockDevice,
  guard: DeviceGuard,
  format: Format,
): Promise<FileSystem | undefined> {
  try {
    return await format.probe(device)
  } catch (error) {
    return keptFileSystem({ kind: format.kind, size: device.size }, guard.reasonOf(error))
  }
}
