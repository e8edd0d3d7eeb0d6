// Linux software RAID: include/uapi/linux/raid/md_p.h
import { type BlockDevice, readBytes } from '../device.ts'
import { type FileSystem, type Format, keptFileSystem } from '../file_system.ts'
import { u64, viewOf } from '../numbers.ts'

const MAGIC = 0xa92b4efc

/** Where the superblock of each version lies on a device of a size in bytes. */
const PLACES: readonly (readonly [version: string, place: (size: number) => number])[] = [
  ['1.0', size => size - (size % 4096) - 8192],
  ['0.90', size => size - (size % 65536) - 65536],
  ['1.1', () => 0],
  ['1.2', () => 4096],
]

/**
 * Members of Linux software RAID. With the versions 1.0 and 0.90 a mirror looks like the file system in it from its
 * start on; only the end tells.
 */
export const md: Format = {
  kind: 'linux_raid_member',
  probe: async device => {
    for (const [version, place] of PLACES) {
      const position = place(device.size)
      if (position >= 0 && (await isSuperblock(device, position, version))) return member(device, version)
    }
    return undefined
  },
}

async function isSuperblock(device: BlockDevice, position: number, version: string): Promise<boolean> {
  if (position + 256 > device.size) return false
  const view = viewOf(await readBytes(device, position, 256))
  if (version === '0.90') {
    // Written in the byte order of the machine.
    return [true, false].some(
      isLittle => view.getUint32(0, isLittle) === MAGIC && view.getUint32(4, isLittle) === 0,
    )
  }
  // It names its own place, by which a superblock of a partition is told from one of the whole disk.
  return (
    view.getUint32(0, true) === MAGIC && view.getUint32(4, true) === 1 && u64(view, 144) * 512 === position
  )
}

function member(device: BlockDevice, version: string): FileSystem {
  const found = `it is a member of a Linux software RAID (md ${version})`
  return keptFileSystem({ kind: md.kind, size: device.size }, { code: 'raid_member', found })
}
