import { type BlockDevice, readBytes } from '../../device.ts'
import {
  type FileSystem,
  type Format,
  type FreeRangeListener,
  GuestProblem,
  keptFileSystem,
} from '../../file_system.ts'
import { clearBits } from '../windows/clear_bits.ts'
import { damaged, fieldsOf } from '../windows/fields.ts'
import { keptOnProblem } from '../windows/guard.ts'
import { withoutUsed } from '../windows/used_clusters.ts'
import { decodeGeometry } from './boot_sector.ts'
import { type Content, readContent } from './content.ts'
import { type DirectoryEntry, namesIn } from './directory.ts'
import { checkHibernation, HIBERNATION_FILE } from './hibernation.ts'
import { BOOT, BOOT_SECTOR_SIZE, FILE, OEM_ID } from './layout.ts'
import { checkLogFile } from './log_file.ts'
import { openMft, readSystemFile, type Volume } from './mft.ts'
import { checkMirror } from './mirror.ts'
import { checkShadowCatalog, checkShadowFiles, SHADOW_DIRECTORY } from './shadow_copies.ts'
import { checkPlain, openSystemContent } from './system_content.ts'
import { systemRuns } from './used_runs.ts'
import { checkVolumeState, labelOf, readVolumeFile } from './volume_state.ts'

/** Bytes of $Bitmap that are read at once. */
const PIECE = 2 ** 20

/** Files of the root directory that tell whether what is free is needed. */
const LOOKED_INTO: readonly string[] = [HIBERNATION_FILE, SHADOW_DIRECTORY]

const MAX_SAME_NAMES = 8

const KIND = 'ntfs'

/** The file system of Windows NT and its successors. What is free is what its $Bitmap says. */
export const ntfs: Format = {
  kind: KIND,
  probe: async device => {
    if (device.size < BOOT_SECTOR_SIZE) return undefined
    const bytes = await readBytes(device, 0, BOOT_SECTOR_SIZE)
    const oemId = String.fromCharCode(...bytes.subarray(BOOT.oem_id, BOOT.oem_id + OEM_ID.length))
    if (oemId !== OEM_ID) return undefined
    return keptOnProblem({ kind: KIND, size: device.size }, () => open(device, bytes))
  },
}

async function open(device: BlockDevice, boot: Uint8Array): Promise<FileSystem> {
  const geometry = decodeGeometry(fieldsOf(boot, 'boot sector'), device.size)
  return keptOnProblem({ kind: KIND, size: geometry.size }, async () => {
    const volume = await openMft({ device, geometry })
    checkPlain(volume.mft)
    const volumeFile = await readVolumeFile(volume)
    const about = { kind: KIND, label: labelOf(volumeFile), size: geometry.size }
    const problem = await firstProblem([
      async () => checkVolumeState(volumeFile),
      () => checkMirror(volume),
      () => checkLogFile(volume),
      () => checkRoot(volume),
      () => checkShadowCatalog(volume),
    ])
    if (problem !== undefined) return keptFileSystem(about, problem.reason)
    return keptOnProblem(about, async () => {
      const bitmap = await openBitmap(volume)
      const freeRanges: FileSystem['freeRanges'] = (found, signal) => tellFree(volume, bitmap, found, signal)
      return { ...about, freeBytes: undefined, keep: undefined, freeRanges }
    })
  })
}

/** Carries out all checks: a guest that sleeps concerns more than this volume, so that is what is told of it. */
async function firstProblem(checks: readonly (() => Promise<void>)[]): Promise<GuestProblem | undefined> {
  const problems: GuestProblem[] = []
  for (const check of checks) {
    try {
      await check()
    } catch (error) {
      if (!(error instanceof GuestProblem)) throw error
      problems.push(error)
    }
  }
  return problems.find(({ reason }) => reason.wholeDisk) ?? problems[0]
}

async function checkRoot(volume: Volume): Promise<void> {
  const root = await readSystemFile(volume, FILE.root, 'the root directory')
  const found: DirectoryEntry[] = []
  for await (const entry of namesIn(volume, root, 'root directory')) {
    if (!LOOKED_INTO.includes(entry.name.toUpperCase())) continue
    found.push(entry)
    // Other cases of letters can name other files, but not that many.
    if (found.length > MAX_SAME_NAMES) throw damaged(`its root directory names ${entry.name} again and again`)
  }
  for (const { name, reference } of found) {
    if (name.toUpperCase() === HIBERNATION_FILE) await checkHibernation(volume, reference)
    else await checkShadowFiles(volume, reference)
  }
}

async function openBitmap(volume: Volume): Promise<Content> {
  const bitmap = await openSystemContent(volume, '$Bitmap')
  const needed = Math.ceil(volume.geometry.clusters / 8)
  if (Math.min(bitmap.size, bitmap.initializedSize) < needed) {
    throw damaged(`its $Bitmap has ${bitmap.initializedSize} bytes written, and ${needed} are needed`)
  }
  return bitmap
}

async function tellFree(
  volume: Volume,
  bitmap: Content,
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { clusters, clusterSize } = volume.geometry
  const used = await systemRuns(volume, signal)
  const listen = withoutUsed(used, ({ first, count }) => found(first * clusterSize, count * clusterSize))
  const bits = clearBits(0, clusters, listen)
  const size = Math.ceil(clusters / 8)
  for (let at = 0; at < size; at += PIECE) {
    signal?.throwIfAborted()
    bits.add(await readContent(volume, bitmap, at, Math.min(PIECE, size - at)))
  }
  bits.end()
}
