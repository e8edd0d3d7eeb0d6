import { type BlockDevice, readBytes } from '../../device.ts'
import { damaged, fieldsOf, hex } from '../windows/fields.ts'
import type { ClusterRun } from '../windows/used_clusters.ts'
import type { Geometry } from './boot_sector.ts'
import { END_OF_CHAIN, FIRST_CLUSTER, FIRST_ENTRIES } from './layout.ts'

/** Bytes of the table that are read at once: few, because chains may jump. */
const PIECE = 4096

/** How many runs a chain may have; those that are followed here mostly have one. */
const MAX_RUNS = 2 ** 14

/** Finds clusters by way of the file allocation table. */
export interface Table {
  /** Returns the entry of a cluster. */
  entry(cluster: number): Promise<number>
}

/** Returns the table of a volume, of which one piece is remembered. */
export function openTable(device: BlockDevice, { tableStart, clusters }: Geometry): Table {
  const size = (clusters + FIRST_CLUSTER) * 4
  let start = -1
  let piece = fieldsOf(new Uint8Array(), 'file allocation table')
  return {
    entry: async cluster => {
      const at = cluster * 4
      const wanted = at - (at % PIECE)
      if (wanted !== start) {
        const bytes = await readBytes(device, tableStart + wanted, Math.min(PIECE, size - wanted))
        piece = fieldsOf(bytes, 'file allocation table')
        start = wanted
      }
      return piece.u32(at - start)
    },
  }
}

/** Checks the entries of the table that are no clusters'. */
export async function checkFirstEntries(table: Table): Promise<void> {
  for (const [at, expected] of FIRST_ENTRIES.entries()) {
    const entry = await table.entry(at)
    if (entry === expected) continue
    throw damaged(
      `its file allocation table has ${hex(entry, 8)} as entry ${at} instead of ${hex(expected, 8)}`,
    )
  }
}

/**
 * Returns the clusters of a chain in their order.
 *
 * @param most Clusters that it may have.
 * @param what Names the chain in problems.
 * @throws A GuestProblem when the chain leaves the volume, or is longer.
 */
export async function chainOf(
  table: Table,
  { clusters }: Geometry,
  first: number,
  most: number,
  what: string,
): Promise<ClusterRun[]> {
  const runs: { first: number; count: number }[] = []
  let left = most
  for (let cluster = first; cluster !== END_OF_CHAIN; cluster = await table.entry(cluster)) {
    if (cluster < FIRST_CLUSTER || cluster >= FIRST_CLUSTER + clusters) {
      throw damaged(`its ${what} leads to cluster ${cluster}, of ${clusters}`)
    }
    if (left-- === 0) throw damaged(`its ${what} is longer than ${most} clusters`)
    const last = runs.at(-1)
    if (last !== undefined && last.first + last.count === cluster) last.count++
    else runs.push({ first: cluster, count: 1 })
    if (runs.length > MAX_RUNS) throw damaged(`its ${what} is in more than ${MAX_RUNS} pieces`)
  }
  return runs
}

/** Yields the bytes of a chain in pieces of at most `size`, up to `length` bytes. */
export async function* bytesOf(
  device: BlockDevice,
  { heapStart, clusterSize }: Geometry,
  chain: readonly ClusterRun[],
  length: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let left = length
  for (const { first, count } of chain) {
    const start = heapStart + (first - FIRST_CLUSTER) * clusterSize
    const end = start + Math.min(left, count * clusterSize)
    for (let at = start; at < end; at += size) yield await readBytes(device, at, Math.min(size, end - at))
    left -= end - start
  }
}
