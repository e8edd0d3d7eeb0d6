import type { BlockDevice, ByteRange } from './device.ts'
import type { FileSystem, KeepReason } from './file_system.ts'

/** What is told of free bytes, by the disk they are on. */
export type DiskRangeListener = (disk: number, start: number, length: number) => void

/** A place where a file system can lie: a whole disk, a partition, a logical volume. */
export interface Volume {
  /** Number of the disk that it begins on. */
  readonly disk: number
  /** As a phrase: `partition 2`, `logical volume "vg0/root"`, `the whole disk`. */
  readonly where: string
  readonly device: BlockDevice
  /** Undefined when no signature was found. */
  readonly fileSystem: FileSystem | undefined
  /** Why it is kept whatever lies in it. */
  readonly keep: KeepReason | undefined
  /** Tells which bytes of which disks a run of its bytes is. */
  toDisks(start: number, length: number, found: DiskRangeListener): void
}

/** Returns the mapping of a volume that is one run of a disk. */
export function runOfDisk(disk: number, { start: first }: ByteRange): Volume['toDisks'] {
  return (start, length, found) => found(disk, first + start, length)
}
