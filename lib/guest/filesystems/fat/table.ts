import { Buffer } from 'node:buffer'
import { type BlockDevice, readBytes } from '../../device.ts'
import { damaged, fieldsOf } from '../windows/fields.ts'
import type { FreeRunListener } from '../windows/used_clusters.ts'
import { type Geometry, tableStarts } from './boot_sector.ts'
import { FIRST_CLUSTER } from './layout.ts'

/** Bytes of a table that are read at once: whole entries of 16 and 32 bits, and all that 12 bits can have. */
const PIECE = 2 ** 20

/** The entries of a part of a file allocation table. */
type EntryReader = (bytes: Uint8Array) => (entry: number) => number

/**
 * Returns the first two entries, which are no clusters', of the first table.
 *
 * @returns Of 32 bits the 28 that are the entry's.
 */
export async function firstEntries(device: BlockDevice, geometry: Geometry): Promise<[number, number]> {
  const [start = 0] = tableStarts(geometry)
  const entry = ENTRIES[geometry.bits](await readBytes(device, start, 8))
  return [entry(0), entry(1)]
}

/**
 * Tells the runs of clusters whose entry is 0 in all tables.
 *
 * @throws A GuestProblem when the tables differ; the signal's reason.
 */
export async function freeRuns(
  device: BlockDevice,
  geometry: Geometry,
  found: FreeRunListener,
  signal?: AbortSignal,
): Promise<void> {
  const { bits, clusters } = geometry
  const end = FIRST_CLUSTER + clusters
  const size = Math.ceil((end * bits) / 8)
  let cluster = FIRST_CLUSTER
  let start: number | undefined
  for (let at = 0; at < size; at += PIECE) {
    signal?.throwIfAborted()
    const entry = ENTRIES[bits](await readTables(device, geometry, at, Math.min(PIECE, size - at)))
    const first = (at * 8) / bits
    const last = Math.min(end, first + (PIECE * 8) / bits)
    for (; cluster < last; cluster++) {
      if (entry(cluster - first) === 0) {
        start ??= cluster
      } else if (start !== undefined) {
        found({ first: start, count: cluster - start })
        start = undefined
      }
    }
  }
  if (start !== undefined) found({ first: start, count: end - start })
}

const ENTRIES: Readonly<Record<Geometry['bits'], EntryReader>> = {
  12: bytes => {
    const fields = fieldsOf(bytes, 'file allocation table')
    return entry => {
      const at = entry + Math.floor(entry / 2)
      return entry % 2 === 0 ? fields.u16(at) % 0x1000 : Math.floor(fields.u16(at) / 0x10)
    }
  },
  16: bytes => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return entry => view.getUint16(entry * 2, true)
  },
  32: bytes => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return entry => view.getUint32(entry * 4, true) % 0x10000000
  },
}

/** A part of the first table, when the other says the same. */
async function readTables(
  device: BlockDevice,
  geometry: Geometry,
  at: number,
  length: number,
): Promise<Uint8Array> {
  const [first, ...others] = await Promise.all(
    tableStarts(geometry).map(start => readBytes(device, start + at, length)),
  )
  if (first === undefined) throw damaged('it has no file allocation table')
  for (const other of others) {
    if (Buffer.compare(first, other) === 0) continue
    const differing = first.findIndex((byte, index) => byte !== other[index])
    throw damaged(`its file allocation tables differ in byte ${at + differing}`)
  }
  return first
}
