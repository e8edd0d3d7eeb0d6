/** How a branch of snapshots is to be merged. */
export interface WantedMerge {
  /** Leaves the N most recent snapshots. */
  readonly skip: number
  /** Merges at most N snapshots. */
  readonly count: number
  readonly discardCurrentState: boolean
  readonly branches: 'refuse' | 'stop' | 'discard'
  /** Name of the lone, unmoved snapshot that counts as merged, or false. */
  readonly baseSnapshot: string | false
  /** Name or UUID of the snapshot that is to be the current state first. */
  readonly from: string | undefined
}

/** How base images are compacted. */
export interface Compaction {
  /** `discard` gives back what the file systems of guests do not use too. */
  readonly freeSpace: 'keep' | 'discard'
  /** The least that makes it worth while: bytes, a share of the allocated bytes (0 to 1), or one block. */
  readonly minReclaim: { readonly bytes: number } | { readonly share: number } | 'one_block'
}

/** How base images are to be compacted. */
export interface WantedCompaction extends Omit<Compaction, 'freeSpace'> {
  /** `if_possible` discards where the engine can. */
  readonly freeSpace: Compaction['freeSpace'] | 'if_possible'
}

/** The base snapshot that is to shield the base images. */
export interface WantedSnapshot {
  readonly name: string
  readonly description: string
}

/** A wanted disk state of a machine; what is undefined is left as it is. */
export interface Wanted {
  readonly merged: WantedMerge | undefined
  readonly compacted: WantedCompaction | undefined
  readonly baseSnapshot: WantedSnapshot | undefined
  readonly discardSavedState: boolean
}

/** Nothing is wanted, but what an interrupted run left is finished. */
export const NOTHING: Wanted = {
  merged: undefined,
  compacted: undefined,
  baseSnapshot: undefined,
  discardSavedState: false,
}
