import type { Uuid } from '../machine/machine.ts'

/** An image after work on it, with what the work reads and writes, in bytes. */
export interface ImageFigures {
  readonly readBytes: number
  readonly writtenBytes: number
  readonly allocatedBytes: number
  readonly fileSize: number
}

/** What folding a run of images, or compacting one, comes to. */
export interface FoldFigures {
  /** Lowest first; the first one stays. One image alone is only compacted. */
  readonly images: readonly Uuid[]
  /** Without compaction. */
  readonly merge: ImageFigures
  /** With compaction, where that is worth while. */
  readonly final: ImageFigures
  /** The most that the image can be after VirtualBox did the work. */
  readonly upperBound: ImageFigures
  /** True when compaction is wanted of this image. */
  readonly mayCompact: boolean
  /** True when compaction is wanted and gives back enough to be worth while. */
  readonly compacts: boolean
  /** What compaction gives back. */
  readonly reclaimBytes: number
  /** Bytes that must be free on the file system of the image. */
  readonly neededBytes: number
}

/** The figures of a plan's images. */
export interface Figures {
  readonly folds: readonly FoldFigures[]
  /** File lengths of the differencing images that a restore makes. */
  readonly restoredLeaves: readonly number[]
  /** File lengths of the differencing images that the base snapshot makes. */
  readonly snapshotLeaves: readonly number[]
  /** Bytes that were read to find blocks of zeros. */
  readonly scannedBytes: number
}
