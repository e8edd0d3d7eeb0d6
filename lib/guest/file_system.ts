import type { BlockDevice } from './device.ts'

/** Why nothing of a volume is called free; stable names. */
export type KeepCode =
  | 'ambiguous'
  | 'damaged'
  | 'encrypted'
  | 'hibernated'
  | 'multiple_devices'
  | 'raid_member'
  | 'snapshot_origin'
  | 'unclean'
  | 'unknown'
  | 'unsupported_feature'

/** Why every block of a volume is kept. */
export interface KeepReason {
  readonly code: KeepCode
  /**
   * What was found, as a phrase about the volume that ends no sentence: `its journal has to be replayed
   * (needs_recovery)`. Names the feature and its value where that is the reason.
   */
  readonly found: string
  /** True when nothing of the whole disk may be called free: a guest sleeps that remembers its bitmaps. */
  readonly wholeDisk?: boolean
}

/** What is told of each run of bytes that the file system does not use. */
export type FreeRangeListener = (start: number, length: number) => void

/** A file system or container on a device, as its own headers describe it. */
export interface FileSystem {
  /** Lower-case name as the tools of the format have it: `ext4`, `ntfs`, `swap`, `luks`. */
  readonly kind: string
  /** Undefined when it has none. */
  readonly label: string | undefined
  /** Bytes of the device that it takes up; never more than the device has. */
  readonly size: number
  /** Bytes that its own counters call free; undefined when it has none or they are not trusted. */
  readonly freeBytes: number | undefined
  /** Why all of it is kept; `freeRanges` tells nothing then. */
  readonly keep: KeepReason | undefined
  /**
   * True when a guest may have it mounted and still be right about it (a journal that was looked through, a format
   * without a mark of being mounted). Such a volume counts only where no guest can sleep unseen.
   */
  readonly mayBeMounted?: boolean
  /**
   * Tells each run of bytes that holds nothing that is needed: positions on the device, in any order, none twice.
   * What it told is worth nothing unless it returns: checks of counters come last.
   *
   * Reads in bounded pieces; memory does not grow with the size that a header claims.
   *
   * @throws {GuestProblem} When something is found that makes the volume one to keep.
   * @throws The signal's reason; what reading the device throws.
   */
  freeRanges(found: FreeRangeListener, signal?: AbortSignal): Promise<void>
}

/** Thrown while a volume is read when all of it has to be kept. */
export class GuestProblem extends Error {
  /** What was found. */
  readonly reason: KeepReason

  constructor(reason: KeepReason) {
    super(reason.found)
    this.name = 'GuestProblem'
    this.reason = reason
  }
}

/** A format of file systems or containers. Every format is one of these, so knowing one is knowing all. */
export interface Format {
  readonly kind: string
  /**
   * Looks for the format on a device.
   *
   * @returns Undefined when the device does not carry the format's signature. What carries it and is not
   *   understood, damaged or not clean is returned with `keep`.
   * @throws What reading the device throws, and nothing else, whatever the bytes are.
   */
  probe(device: BlockDevice): Promise<FileSystem | undefined>
}

/** A file system of which everything is kept. */
export function keptFileSystem(
  about: Pick<FileSystem, 'kind' | 'size'> & Partial<Pick<FileSystem, 'label' | 'freeBytes'>>,
  keep: KeepReason,
): FileSystem {
  return {
    kind: about.kind,
    label: about.label,
    size: about.size,
    freeBytes: about.freeBytes,
    keep,
    freeRanges: async () => {},
  }
}
