import { type BlockDevice, readBytes } from '../../device.ts'
import { type FileSystem, type Format, keptFileSystem } from '../../file_system.ts'
import { type Fields, fieldsOf } from '../windows/fields.ts'
import { keptOnProblem } from '../windows/guard.ts'
import { type NamedRun, withoutUsed } from '../windows/used_clusters.ts'
import { decodeGeometry, isBitLockerToGo, isFat, labelOf } from './boot_sector.ts'
import { BOOT_32, BOOT_SECTOR_SIZE, FIRST_CLUSTER } from './layout.ts'
import { freeRuns } from './table.ts'
import { checkFat32, checkVolumeState } from './volume_state.ts'

const KIND = 'vfat'

/** FAT12, FAT16 and FAT32, of DOS, Windows and EFI. What is free is what the file allocation table says. */
export const fat: Format = {
  kind: KIND,
  probe: async device => {
    if (device.size < BOOT_SECTOR_SIZE) return undefined
    const boot = fieldsOf(await readBytes(device, 0, BOOT_SECTOR_SIZE), 'boot sector')
    if (isBitLockerToGo(boot)) {
      const keep = { code: 'encrypted', found: 'it is encrypted (BitLocker To Go)' } as const
      return keptFileSystem({ kind: 'bitlocker', size: device.size }, keep)
    }
    if (!isFat(boot)) return undefined
    return keptOnProblem({ kind: KIND, size: device.size }, () => open(device, boot))
  },
}

async function open(device: BlockDevice, boot: Fields): Promise<FileSystem> {
  const geometry = decodeGeometry(boot, device.size)
  const { bits, size, dataStart, clusterSize } = geometry
  const about = { kind: KIND, label: labelOf(boot), size }
  return keptOnProblem(about, async () => {
    await checkVolumeState(boot, device, geometry)
    if (bits === 32) await checkFat32(boot, device, geometry)
    const root: NamedRun = { first: boot.u32(BOOT_32.RootClus), count: 1, holds: 'root directory' }
    return {
      ...about,
      freeBytes: undefined,
      keep: undefined,
      mayBeMounted: true,
      freeRanges: (found, signal) => {
        const listen = withoutUsed(bits === 32 ? [root] : [], ({ first, count }) =>
          found(dataStart + (first - FIRST_CLUSTER) * clusterSize, count * clusterSize),
        )
        return freeRuns(device, geometry, listen, signal)
      },
    }
  })
}
