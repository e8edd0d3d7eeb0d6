import type { BlockDevice } from '../../device.ts'
import {
  type FileSystem,
  type Format,
  type FreeRangeListener,
  GuestProblem,
  keptFileSystem,
} from '../../file_system.ts'
import { freeSpaceOf } from './free_space.ts'
import { appearanceOf, readHead, readSuperblock } from './superblock.ts'
import { type Volume, walkTree } from './tree.ts'
import { findExtentTree, readVolume } from './volume.ts'

/** Btrfs on a single device. */
export const btrfs: Format = { kind: 'btrfs', probe }

async function probe(device: BlockDevice): Promise<FileSystem | undefined> {
  const head = await readHead(device)
  if (head === undefined) return undefined
  const appearance = { kind: 'btrfs', ...appearanceOf(head, device) }
  try {
    const volume = await readVolume(device, await readSuperblock(head, device))
    return {
      ...appearance,
      // The superblock counts bytes of extents, and not whether they are there once or twice.
      freeBytes: undefined,
      keep: undefined,
      mayBeMounted: true,
      freeRanges: (found, signal) => tellFreeRanges(volume, found, signal),
    }
  } catch (error) {
    if (error instanceof GuestProblem) return keptFileSystem(appearance, error.reason)
    throw error
  }
}

async function tellFreeRanges(
  volume: Volume,
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const extentRoot = await findExtentTree(volume, signal)
  const { root, chunkRoot } = volume.superblock
  const space = freeSpaceOf(volume, [root, chunkRoot, extentRoot], found)
  await walkTree(volume, extentRoot, item => space.add(item), signal)
  space.finish()
}
