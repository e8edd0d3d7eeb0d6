import { type BlockDevice, readBytes } from '../../device.ts'
import {
  type FileSystem,
  type Format,
  GuestProblem,
  type KeepReason,
  keptFileSystem,
} from '../../file_system.ts'
import { damaged, unclean, whyKept, whyUnclean } from './check_superblock.ts'
import { walkFreeBlocks } from './free_blocks.ts'
import { type Journal, readJournal } from './journal.ts'
import { kindOf } from './kind.ts'
import { COMPAT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE } from './layout.ts'
import { whyMounted } from './mount_protection.ts'
import { replayedFileSystem } from './replayed.ts'
import { decodeSuperblock, hasBit, hasIncompat, type Superblock } from './superblock.ts'

/** ext2, ext3 and ext4. */
export const ext: Format = { kind: 'ext', probe }

async function probe(device: BlockDevice): Promise<FileSystem | undefined> {
  if (device.size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) return undefined
  const superblock = decodeSuperblock(await readBytes(device, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE))
  if (superblock === undefined) return undefined
  const about = {
    kind: kindOf(superblock),
    label: superblock.volumeName === '' ? undefined : superblock.volumeName,
    size: Math.min(superblock.blocksCount * superblock.blockSize, device.size),
  }
  try {
    const keep = await whyKeptOnDisk(device, superblock)
    if (keep !== undefined) return keptFileSystem(about, keep)
    const journal = hasBit(superblock.compat, COMPAT.has_journal)
      ? await readJournal(device, superblock)
      : undefined
    if (journal !== undefined && hasIncompat(superblock, 'needs_recovery')) {
      return replayedFileSystem(device, superblock, journal, about)
    }
    if (journal !== undefined && journal.start !== 0) {
      return keptFileSystem(about, unclean('its journal holds changes although it is marked clean'))
    }
    return cleanFileSystem(device, superblock, journal, about)
  } catch (error) {
    if (error instanceof GuestProblem) return keptFileSystem(about, error.reason)
    throw error
  }
}

async function whyKeptOnDisk(device: BlockDevice, superblock: Superblock): Promise<KeepReason | undefined> {
  if (hasIncompat(superblock, 'journal_dev')) {
    return { code: 'multiple_devices', found: 'it is the journal of a file system on another device' }
  }
  const keep = whyKept(superblock, device.size)
  if (keep !== undefined) return keep
  const reason = hasIncompat(superblock, 'needs_recovery') ? undefined : whyUnclean(superblock)
  return reason ?? (await whyMounted(device, superblock))
}

function cleanFileSystem(
  device: BlockDevice,
  superblock: Superblock,
  journal: Journal | undefined,
  about: Pick<FileSystem, 'kind' | 'label' | 'size'>,
): FileSystem {
  const { freeBlocksCount, blockSize } = superblock
  return {
    ...about,
    freeBytes: freeBlocksCount * blockSize,
    keep: undefined,
    freeRanges: async (found, signal) => {
      const usedRuns = journal?.usedRuns ?? []
      const free = await walkFreeBlocks(device, superblock, { usedRuns, signal }, found)
      if (free === freeBlocksCount) return
      throw new GuestProblem(
        damaged(`it has ${free} free blocks by its bitmaps, ${freeBlocksCount} by its superblock`),
      )
    },
  }
}
