import { type BlockDevice, readBytes } from '../../device.ts'
import { type FileSystem, type FreeRangeListener, GuestProblem } from '../../file_system.ts'
import { whyKept } from './check_superblock.ts'
import { decodeDescriptor, type GroupDescriptor } from './descriptors.ts'
import { walkFreeBlocks } from './free_blocks.ts'
import { descriptorBlock, descriptorsPerBlock } from './groups.ts'
import { type Journal, readJournal } from './journal.ts'
import { SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE } from './layout.ts'
import { doubtful } from './log_blocks.ts'
import { planReplay, type Replay, replayedDevice } from './replay.ts'
import { checkNobodySleeps } from './sleeping_guest.ts'
import { decodeSuperblock, type Superblock } from './superblock.ts'

const GEOMETRY: readonly (keyof Superblock)[] = [
  'backupGroups',
  'blockSize',
  'blocksCount',
  'blocksPerGroup',
  'checksumSeed',
  'clusterSize',
  'clustersPerGroup',
  'descSize',
  'firstDataBlock',
  'firstMetaBg',
  'inodeSize',
  'inodesCount',
  'inodesPerGroup',
  'journalInode',
  'mmpBlock',
  'reservedGdtBlocks',
  'uuid',
]

/**
 * A file system whose journal has to be replayed, as its guest will find it after that. `replay.ts` says why that is
 * safe. Counters of the superblock are not to be trusted in it: Linux writes them when it unmounts. Those of the
 * groups are, which are logged together with the bitmaps.
 */
export function replayedFileSystem(
  device: BlockDevice,
  superblock: Superblock,
  journal: Journal,
  about: Pick<FileSystem, 'kind' | 'label' | 'size'>,
): FileSystem {
  return {
    ...about,
    freeBytes: undefined,
    keep: undefined,
    mayBeMounted: true,
    freeRanges: (found, signal) => walkReplayed(device, superblock, journal, found, signal),
  }
}

async function walkReplayed(
  device: BlockDevice,
  superblock: Superblock,
  journal: Journal,
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const replay = await planReplay(device, superblock, journal, signal)
  const view = replayedDevice(device, superblock, replay)
  const replayed = decodeSuperblock(await readBytes(view, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE))
  if (replayed === undefined) throw doubtful('it has no superblock afterwards')
  const keep = whyKept(replayed, device.size)
  if (keep !== undefined) throw new GuestProblem(keep)
  if (!isSameGeometry(superblock, replayed)) throw doubtful('it has another size afterwards')
  const { usedRuns } = await readJournal(view, replayed)
  if (JSON.stringify(usedRuns) !== JSON.stringify(journal.usedRuns)) {
    throw doubtful('its journal lies elsewhere afterwards')
  }
  await checkNobodySleeps(view, replayed, signal)
  const alsoUsed = usedBefore(device, superblock, replay)
  await walkFreeBlocks(view, replayed, { usedRuns, alsoUsed, signal }, found)
}

/** Whether all that says where something lies is the same. Linux believes the superblock that it finds first. */
function isSameGeometry(before: Superblock, after: Superblock): boolean {
  return GEOMETRY.every(name => String(before[name]) === String(after[name]))
}

/**
 * Returns a function that reads the bitmap of a group as it lies on the disk, where the replay changes it. It is used
 * to keep more, so nothing about it has to be right.
 */
function usedBefore(
  device: BlockDevice,
  superblock: Superblock,
  { blocks }: Replay,
): (descriptor: GroupDescriptor) => Promise<Uint8Array | undefined> {
  const { blockSize, descSize, blocksCount } = superblock
  return async ({ group, blockBitmap }) => {
    const perBlock = descriptorsPerBlock(superblock)
    const table = descriptorBlock(superblock, Math.floor(group / perBlock))
    if (!blocks.has(table) && !blocks.has(blockBitmap)) return undefined
    const bytes = await readBytes(device, table * blockSize + (group % perBlock) * descSize, descSize)
    const before = decodeDescriptor(superblock, bytes, group)
    if (before.isBlockUninit || before.blockBitmap >= blocksCount) return undefined
    return await readBytes(device, before.blockBitmap * blockSize, blockSize)
  }
}
