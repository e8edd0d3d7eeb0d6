import { damaged } from '../windows/fields.ts'
import type { NamedRun } from '../windows/used_clusters.ts'
import { SYSTEM_FILES } from './layout.ts'
import { attributesOf, readRecord, type Volume } from './mft.ts'
import { decodeRuns, MAX_RUNS } from './run_list.ts'

/**
 * Returns the clusters of the volume's own files, $BadClus with its bad ones among them. A sound $Bitmap calls
 * none of them free.
 *
 * @throws A GuestProblem for what is damaged.
 */
export async function systemRuns(volume: Volume, signal?: AbortSignal): Promise<NamedRun[]> {
  const used: NamedRun[] = []
  for (const [number, holds] of SYSTEM_FILES.entries()) {
    signal?.throwIfAborted()
    const file = await readRecord(volume, number)
    // Old versions have fewer.
    if (file === undefined) continue
    for await (const { extent } of attributesOf(volume, file)) {
      if (extent === undefined) continue
      for (const { lcn, count } of decodeRuns(extent.runList, extent, volume.geometry.clusters, holds)) {
        if (lcn !== undefined) used.push({ first: lcn, count, holds })
      }
      if (used.length > MAX_RUNS) throw damaged(`its own files are in more than ${MAX_RUNS} pieces`)
    }
  }
  return used
}
