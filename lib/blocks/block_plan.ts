import type { Piece } from './block_pieces.ts'
import type { FileLayout } from './layout.ts'
import type { OwnerMap } from './owner_map.ts'

/** The image that others are folded into, as it is on disk. */
export interface FoldTarget extends FileLayout {
  readonly variant: 'dynamic' | 'fixed' | 'differencing'
  /** Size of the virtual disk in bytes. */
  readonly capacity: number
  /** Bytes of a block, a power of two. */
  readonly blockSize: number
  /** Bytes in front of the data of every block. */
  readonly blockExtra: number
  /** Physical blocks that the header counts. */
  readonly allocatedBlocks: number
  /** Length of the file in bytes. */
  readonly fileSize: number
  /** The block table; references are below `allocatedBlocks` and unique. */
  readonly table: Uint32Array
}

/** What is to be folded. Images are numbered lowest first; no image is larger than one above it. */
export interface FoldRange {
  readonly target: FoldTarget
  /** Number of the target in its chain. */
  readonly targetIndex: number
  /** The images of the range above the target; undefined when the target is the whole range. */
  readonly above?: OwnerMap | undefined
  /** The images below the target; needed where `needsBelow` says so. */
  readonly below?: OwnerMap | undefined
  /** Size of the virtual disk of the range's top in bytes. */
  readonly capacity: number
  /**
   * Tells whether no kept view needs the content of a block of the target: it reads as zeros in each of
   * them or is free in their file systems. Not asked for a fixed image.
   */
  readonly dead?: ((block: number) => boolean) | undefined
}

/** What is done to an image before anything else when its virtual disk gets larger. */
export interface Growth {
  /** Entries from this block on are set to FREE. */
  readonly firstBlock: number
  /** Bytes of a physical block behind the old end of the disk, which are set to zeros. */
  readonly tail:
    | {
        readonly slot: number
        readonly offset: number
        readonly length: number
      }
    | undefined
}

/**
 * What to write so that the target alone reads as the whole range does.
 *
 * In place: growth, then `drops`, then the data of `writes`, then `entries`, then the count, then the
 * length, each flushed before the next. A fresh file: all at once.
 */
export interface BlockPlan extends FileLayout {
  readonly way: 'in-place' | 'fresh'
  readonly targetIndex: number
  readonly target: FoldTarget
  /** Size of the virtual disk afterwards, in bytes. */
  readonly capacity: number
  /** The block table afterwards: every slot below `allocatedBlocks` is in it exactly once. */
  readonly table: Uint32Array
  readonly allocatedBlocks: number
  /** Undefined when neither table nor disk get larger. */
  readonly growth: Growth | undefined
  /** Blocks whose entries are set to FREE or ZERO before data are written, ascending. */
  readonly drops: Uint32Array
  /** Blocks that get data, by ascending slot. */
  readonly writes: Uint32Array
  /** Blocks whose entries are set after their data were written, ascending. */
  readonly entries: Uint32Array
  /** Length of the file afterwards, in bytes. */
  readonly fileSize: number
  /** True when the table does not fit before the data any more: only `freshPlan` can be carried out. */
  readonly needsFresh: boolean
  /** False when the target is as wanted; its file may yet be longer or shorter than `fileSize`. */
  readonly changed: boolean
  readonly costs: BlockCosts
  /** Returns the bytes that a block of `writes` gets, in their order; the rest of the block stays. */
  pieces(block: number): Piece[]
}

/** What carrying out a plan reads, writes, needs and gives back, in bytes. */
export interface BlockCosts {
  /** Bytes of blocks that are read. */
  readonly readBytes: number
  /** Bytes of blocks and of table entries that are written. */
  readonly writtenBytes: number
  /** Bytes that have to be free on the file system of the target before the work begins. */
  readonly neededBytes: number
  /** Length of the target's file before minus after; negative when it grows. */
  readonly freedBytes: number
}
