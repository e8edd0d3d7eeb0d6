import type { BlockDevice } from '../../device.ts'
import {
  type FileSystem,
  type Format,
  type FreeRangeListener,
  GuestProblem,
  keptFileSystem,
} from '../../file_system.ts'
import { walkFreeSpace } from './free_space_tree.ts'
import { damagedGroup, type Group, readGroup } from './group.ts'
import { checkLogIsClean } from './log.ts'
import { appearanceOf, readHead, readSuperblock, type Superblock } from './superblock.ts'

/** XFS of versions 4 and 5, with an internal log and without a realtime device. */
export const xfs: Format = { kind: 'xfs', probe }

async function probe(device: BlockDevice): Promise<FileSystem | undefined> {
  const head = await readHead(device)
  if (head === undefined) return undefined
  const appearance = { kind: 'xfs', ...appearanceOf(head, device) }
  try {
    const superblock = await readSuperblock(head, device)
    await checkLogIsClean(device, superblock)
    return {
      ...appearance,
      freeBytes: superblock.fdblocks * superblock.blockSize,
      keep: undefined,
      freeRanges: (found, signal) => tellFreeRanges(device, superblock, found, signal),
    }
  } catch (error) {
    if (error instanceof GuestProblem) return keptFileSystem(appearance, error.reason)
    throw error
  }
}

async function tellFreeRanges(
  device: BlockDevice,
  superblock: Superblock,
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  let total = 0
  for (let number = 0; number < superblock.agcount; number++) {
    const group = await readGroup(device, superblock, number)
    await tellGroup(device, superblock, group, found, signal)
    total += group.freeblks + group.flcount + group.btreeblks
  }
  // The blocks of the trees of free space, and those in reserve for them, count as free and are in use.
  if (total === superblock.fdblocks) return
  throw new GuestProblem({
    code: 'damaged',
    found: `its groups have ${total} free blocks, its superblock ${superblock.fdblocks}`,
  })
}

async function tellGroup(
  device: BlockDevice,
  superblock: Superblock,
  group: Group,
  found: FreeRangeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { blockSize, agblocks } = superblock
  const first = group.number * agblocks
  let sum = 0
  let longest = 0
  let at = 0
  await walkFreeSpace(
    device,
    superblock,
    group,
    (start, count) => {
      while (at < group.used.length && endOf(group, at) <= start) at++
      const used = group.used[at]
      if (used !== undefined && used[0] < start + count) {
        throw damagedGroup(group.number, `calls block ${used[0]} free, which is used`)
      }
      sum += count
      longest = Math.max(longest, count)
      found((first + start) * blockSize, count * blockSize)
    },
    signal,
  )
  if (sum !== group.freeblks || longest !== group.longest) {
    const counted = `${sum} free blocks, ${longest} in one piece`
    const stored = `${group.freeblks} and ${group.longest}`
    throw damagedGroup(group.number, `has ${counted}, but its AGF says ${stored}`)
  }
}

function endOf({ used }: Group, at: number): number {
  return (used[at] as readonly [number, number])[1]
}
