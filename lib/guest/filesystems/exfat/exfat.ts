import { type BlockDevice, readBytes } from '../../device.ts'
import type { FileSystem, Format, FreeRangeListener } from '../../file_system.ts'
import { clearBits } from '../windows/clear_bits.ts'
import { damaged, type Fields, fieldsOf } from '../windows/fields.ts'
import { keptOnProblem } from '../windows/guard.ts'
import { type ClusterRun, type NamedRun, withoutUsed } from '../windows/used_clusters.ts'
import { checkBootChecksum, checkVolumeState, decodeGeometry, type Geometry } from './boot_sector.ts'
import { bytesOf, chainOf, checkFirstEntries, openTable } from './chain.ts'
import { BOOT, BOOT_SECTOR_SIZE, FILE_SYSTEM_NAME, FIRST_CLUSTER } from './layout.ts'
import { checkUpcaseTable, readRootDirectory } from './root_directory.ts'

const KIND = 'exfat'

/** Bytes of the bitmap that are read at once. */
const PIECE = 2 ** 20

/** The file system of large memory cards. What is free is what its allocation bitmap says, not its table. */
export const exfat: Format = {
  kind: KIND,
  probe: async device => {
    if (device.size < BOOT_SECTOR_SIZE) return undefined
    const boot = fieldsOf(await readBytes(device, 0, BOOT_SECTOR_SIZE), 'boot sector')
    const name = String.fromCharCode(...boot.slice(BOOT.FileSystemName, FILE_SYSTEM_NAME.length))
    if (name !== FILE_SYSTEM_NAME) return undefined
    return keptOnProblem({ kind: KIND, size: device.size }, () => open(device, boot))
  },
}

async function open(device: BlockDevice, boot: Fields): Promise<FileSystem> {
  const geometry = decodeGeometry(boot, device.size)
  return keptOnProblem({ kind: KIND, size: geometry.size }, async () => {
    await checkBootChecksum(device, geometry)
    const table = openTable(device, geometry)
    await checkFirstEntries(table)
    const root = await readRootDirectory(device, geometry, table)
    const about = { kind: KIND, label: root.label, size: geometry.size }
    return keptOnProblem(about, async () => {
      checkVolumeState(boot)
      const upcase = await checkUpcaseTable(device, geometry, table, root.upcaseTable)
      const { firstCluster, length } = root.bitmap
      if (length !== Math.ceil(geometry.clusters / 8)) {
        throw damaged(`its allocation bitmap is ${length} bytes long for ${geometry.clusters} clusters`)
      }
      const most = Math.ceil(length / geometry.clusterSize)
      const bitmap = await chainOf(table, geometry, firstCluster, most, 'allocation bitmap')
      const used = [
        ...named(bitmap, 'allocation bitmap'),
        ...named(upcase, 'up-case table'),
        ...named(root.chain, 'root directory'),
      ]
      return {
        ...about,
        freeBytes: undefined,
        keep: undefined,
        mayBeMounted: true,
        freeRanges: (found, signal) => tellFree(device, geometry, bitmap, used, found, signal),
      }
    })
  })
}

async function tellFree(
  device: BlockDevice,
  geometry: Geometry,
  bitmap: readonly ClusterRun[],
  used: readonly NamedRun[],
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { clusters, clusterSize, heapStart } = geometry
  const listen = withoutUsed(used, ({ first, count }) =>
    found(heapStart + (first - FIRST_CLUSTER) * clusterSize, count * clusterSize),
  )
  const bits = clearBits(FIRST_CLUSTER, clusters, listen)
  const length = Math.ceil(clusters / 8)
  let read = 0
  signal?.throwIfAborted()
  for await (const bytes of bytesOf(device, geometry, bitmap, length, PIECE)) {
    signal?.throwIfAborted()
    bits.add(bytes)
    read += bytes.length
  }
  if (read < length) throw damaged(`its allocation bitmap ends after ${read} of ${length} bytes`)
  bits.end()
}

function named(runs: readonly ClusterRun[], holds: string): NamedRun[] {
  return runs.map(run => ({ ...run, holds }))
}
