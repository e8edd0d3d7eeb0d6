import { GuestProblem } from '../../file_system.ts'
import { damaged } from './check_superblock.ts'
import type { GroupDescriptor } from './descriptors.ts'
import { type BlockRange, groupCount, inodeTableBlocks } from './groups.ts'
import type { Superblock } from './superblock.ts'

/** The bitmaps and tables of inodes of all groups, wherever they lie. 24 bytes of memory a group. */
export interface MetadataBlocks {
  add(descriptor: GroupDescriptor): void
  /**
   * Is called once all were added. The function returned tells which runs of them touch a run of blocks, and has
   * to be asked from front to back.
   *
   * @throws {GuestProblem} When two of them overlap.
   */
  finish(): (blocks: BlockRange) => BlockRange[]
}

/** Returns a collection with room for all groups of a file system. */
export function metadataBlocks(superblock: Superblock): MetadataBlocks {
  const tableBlocks = inodeTableBlocks(superblock)
  // Twice the first block, and 1 more for a table: sorts as numbers do, at the speed of a typed array.
  const keys = new Float64Array(groupCount(superblock) * 3)
  let count = 0
  const rangeAt = (index: number): BlockRange => {
    const key = keys[index] as number
    const isTable = key % 2 === 1
    return { start: Math.floor(key / 2), length: isTable ? tableBlocks : 1 }
  }
  return {
    add: ({ blockBitmap, inodeBitmap, inodeTable }) => {
      keys.set([blockBitmap * 2, inodeBitmap * 2, inodeTable * 2 + 1], count)
      count += 3
    },
    finish: () => {
      keys.sort()
      for (let index = 1; index < count; index++) {
        const { start, length } = rangeAt(index - 1)
        if (start + length <= rangeAt(index).start) continue
        throw new GuestProblem(
          damaged(`two of its bitmaps or inode tables share block ${rangeAt(index).start}`),
        )
      }
      let next = 0
      return blocks => {
        const end = blocks.start + blocks.length
        const touching: BlockRange[] = []
        for (; next < count; next++) {
          const range = rangeAt(next)
          if (range.start >= end) break
          if (range.start + range.length > blocks.start) touching.push(range)
          // A table may go on in the next group.
          if (range.start + range.length > end) break
        }
        return touching
      }
    },
  }
}
