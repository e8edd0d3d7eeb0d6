import type { ByteRange } from '../device.ts'
import { GuestProblem, type KeepReason } from '../file_system.ts'

/** A partition of a disk. */
export interface Partition {
  /** As the guest's tools count: 1 to 4 for the entries of an MBR, logical ones from 5. */
  readonly number: number
  /** Bytes of the disk. */
  readonly range: ByteRange
  /** Two hexadecimal digits in an MBR, an upper-case GUID in a GPT. What is in it is told by its content alone. */
  readonly type: string
  /** Why it is kept, whatever is found in it. */
  readonly keep: KeepReason | undefined
}

/** What divides a disk. */
export interface PartitionTable {
  readonly kind: 'gpt' | 'mbr'
  readonly partitions: readonly Partition[]
}

/** A disk that takes part in LDM is described by a database of its own: nothing on it is looked at. */
export const DYNAMIC_DISK: KeepReason = {
  code: 'unsupported_feature',
  found: 'it is a Windows dynamic disk (LDM)',
}

/** Returns the problem of a table in which the disk's parts cannot be told for sure. */
export function damagedTable(found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found })
}

/** Returns two ranges that share a byte, or undefined. */
export function overlapOf<T extends { readonly range: ByteRange }>(
  parts: readonly T[],
): readonly [T, T] | undefined {
  const sorted = [...parts].sort((a, b) => a.range.start - b.range.start)
  for (const [index, part] of sorted.entries()) {
    const next = sorted[index + 1]
    if (next && part.range.start + part.range.length > next.range.start) return [part, next]
  }
  return undefined
}
