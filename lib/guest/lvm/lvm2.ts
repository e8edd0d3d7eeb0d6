import type { BlockDevice } from '../device.ts'
import { type FileSystem, type Format, GuestProblem, keptFileSystem } from '../file_system.ts'
import { findLabel, type PhysicalVolume, readPhysicalVolume } from './physical_volume.ts'

/** A physical volume as a file system. What is free in it can be told only with its whole group. */
export interface LvmMember extends FileSystem {
  readonly physicalVolume: PhysicalVolume
}

/** Physical volumes of LVM2. */
export const lvm2: Format = {
  kind: 'lvm2',
  probe: async device => {
    try {
      const sector = await findLabel(device)
      return sector === undefined ? undefined : member(device, await readPhysicalVolume(device, sector))
    } catch (error) {
      if (!(error instanceof GuestProblem)) throw error
      return keptFileSystem({ kind: lvm2.kind, size: device.size }, error.reason)
    }
  },
}

/** Whether a file system is a physical volume that could be read. */
export function isLvmMember(fileSystem: FileSystem | undefined): fileSystem is LvmMember {
  return fileSystem !== undefined && fileSystem.keep === undefined && 'physicalVolume' in fileSystem
}

function member(device: BlockDevice, physicalVolume: PhysicalVolume): LvmMember {
  return {
    kind: lvm2.kind,
    label: undefined,
    size: device.size,
    freeBytes: undefined,
    keep: undefined,
    physicalVolume,
    freeRanges: async () => {
      throw new GuestProblem({ code: 'multiple_devices', found: 'its group has not been looked at' })
    },
  }
}
