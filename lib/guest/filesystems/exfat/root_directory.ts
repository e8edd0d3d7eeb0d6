import type { BlockDevice } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf, hex, textOf } from '../windows/fields.ts'
import type { ClusterRun } from '../windows/used_clusters.ts'
import type { Geometry } from './boot_sector.ts'
import { bytesOf, chainOf, type Table } from './chain.ts'
import { rotatedSum } from './checksum.ts'
import { ENTRY, ENTRY_SIZE, ENTRY_TYPE, MAX_DIRECTORY, MAX_LABEL, MAX_UPCASE_TABLE } from './layout.ts'

/** What the root directory tells of the volume as a whole. */
export interface RootDirectory {
  readonly chain: readonly ClusterRun[]
  readonly label: string | undefined
  readonly bitmap: Place
  readonly upcaseTable: Place & { readonly checksum: number }
}

/** Where one of the volume's own tables is. */
export interface Place {
  readonly firstCluster: number
  /** Bytes. */
  readonly length: number
}

const WANTED: readonly number[] = Object.values(ENTRY_TYPE)

/** Bytes of a directory or table that are read at once. */
const PIECE = 65536

/**
 * Reads the root directory.
 *
 * @throws A GuestProblem when it does not name exactly one bitmap and one up-case table.
 */
export async function readRootDirectory(
  device: BlockDevice,
  geometry: Geometry,
  table: Table,
): Promise<RootDirectory> {
  const { clusterSize, rootCluster } = geometry
  const most = Math.ceil(MAX_DIRECTORY / clusterSize)
  const chain = await chainOf(table, geometry, rootCluster, most, 'root directory')
  const found = new Map<number, Fields>()
  for await (const entry of entriesOf(device, geometry, chain)) {
    const type = entry.u8(ENTRY.type)
    if (found.has(type)) throw damaged(`its root directory has two entries of type ${hex(type, 2)}`)
    found.set(type, entry)
  }
  const bitmap = found.get(ENTRY_TYPE.allocationBitmap)
  const upcase = found.get(ENTRY_TYPE.upcaseTable)
  if (bitmap === undefined) throw damaged('its root directory names no allocation bitmap')
  if (upcase === undefined) throw damaged('its root directory names no up-case table')
  const flags = bitmap.u8(ENTRY.BitmapFlags)
  if (flags !== 0) {
    throw new GuestProblem({
      code: 'unsupported_feature',
      found: `its BitmapFlags are ${hex(flags, 2)} (TexFAT)`,
    })
  }
  return {
    chain,
    label: labelOf(found.get(ENTRY_TYPE.volumeLabel)),
    bitmap: placeOf(bitmap),
    upcaseTable: { ...placeOf(upcase), checksum: upcase.u32(ENTRY.TableChecksum) },
  }
}

/**
 * Returns the clusters of the up-case table.
 *
 * @throws A GuestProblem when its checksum is wrong.
 */
export async function checkUpcaseTable(
  device: BlockDevice,
  geometry: Geometry,
  table: Table,
  { firstCluster, length, checksum }: RootDirectory['upcaseTable'],
): Promise<ClusterRun[]> {
  if (length === 0 || length > MAX_UPCASE_TABLE) throw damaged(`its up-case table is ${length} bytes long`)
  const most = Math.ceil(length / geometry.clusterSize)
  const chain = await chainOf(table, geometry, firstCluster, most, 'up-case table')
  let sum = 0
  for await (const bytes of bytesOf(device, geometry, chain, length, PIECE)) sum = rotatedSum(bytes, [], sum)
  if (sum === checksum) return chain
  throw damaged(`its up-case table has the checksum ${hex(sum, 8)}, but says ${hex(checksum, 8)}`)
}

/** Yields the entries that are of the volume as a whole; files are not looked at. */
async function* entriesOf(
  device: BlockDevice,
  geometry: Geometry,
  chain: readonly ClusterRun[],
): AsyncGenerator<Fields> {
  for await (const bytes of bytesOf(device, geometry, chain, MAX_DIRECTORY, PIECE)) {
    for (let at = 0; at < bytes.length; at += ENTRY_SIZE) {
      const type = bytes[at] as number
      if (type === ENTRY_TYPE.end) return
      if (WANTED.includes(type)) yield fieldsOf(bytes.subarray(at, at + ENTRY_SIZE), 'root directory')
    }
  }
}

function placeOf(entry: Fields): Place {
  return { firstCluster: entry.u32(ENTRY.FirstCluster), length: entry.u64(ENTRY.DataLength) }
}

function labelOf(entry: Fields | undefined): string | undefined {
  if (entry === undefined) return undefined
  const units = Math.min(MAX_LABEL, entry.u8(ENTRY.CharacterCount))
  return textOf(entry.slice(ENTRY.VolumeLabel, 2 * units)) || undefined
}
