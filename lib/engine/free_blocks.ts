import { BlockSet } from '../blocks/block_set.ts'
import type { TreePlan } from '../ensure/plan_tree.ts'
import type { Warning } from '../ensure/result.ts'
import type { DiskFreeSpace } from '../guest/free_space.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { tellVolumes } from './describe_volumes.ts'
import { type ExamineContext, examineState, factsOf } from './examine_state.ts'
import { type GuestState, type GuestStateDisk, guestStates } from './guest_states.ts'
import { unreadableDisk } from './open_guest_disks.ts'

/** An image whose unneeded blocks are looked for. */
export interface FreeBlocksTarget {
  readonly id: Uuid
  /** The newest image that is to be folded into it; itself when there is none. */
  readonly top: Uuid
  readonly blockSize: number
  /** Blocks that its disk will have. */
  readonly blockCount: number
}

/** What guests do not use. */
export interface FreeBlocksFound {
  /** By target: blocks that are free in every state that reads them. */
  readonly free: ReadonlyMap<Uuid, BlockSet>
  /** The volumes of the current state. */
  readonly volumes: readonly VolumeInfo[]
  readonly warnings: readonly Warning[]
  /** Changes when an image does that was looked at. */
  readonly identity: string
}

/**
 * Finds the blocks of images that the file systems of guests do not use, in any state that will be left and reads
 * them. A state whose guest only sleeps, and one whose disks cannot all be read, uses every block.
 *
 * @param previous What an earlier look found; it is handed back where no image changed.
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function findFreeBlocks(
  machine: Inspection,
  tree: TreePlan,
  targets: readonly FreeBlocksTarget[],
  context: ExamineContext,
  previous?: FreeBlocksFound,
): Promise<FreeBlocksFound> {
  const states = guestStates(machine, tree).filter(({ disks }) =>
    disks.some(disk => targets.some(({ id }) => reads(disk, id))),
  )
  const identity = identityOf(machine, states, targets)
  if (previous?.identity === identity) return previous
  const search = new Search(targets)
  for (const [index, state] of states.entries()) await search.look(machine, state, index === 0, context)
  return { free: search.found(), volumes: search.volumes, warnings: search.warnings, identity }
}

function reads({ chain }: GuestStateDisk, image: Uuid): boolean {
  return chain.some(({ id }) => id === image)
}

function identityOf(
  machine: Inspection,
  states: readonly GuestState[],
  targets: readonly FreeBlocksTarget[],
): string {
  const used = new Set(states.flatMap(({ disks }) => disks.flatMap(({ chain }) => chain.map(({ id }) => id))))
  const facts = [...used].map(id => factsOf(machine, id))
  const seen = states.map(({ name, isSaved, disks }) => [
    name,
    isSaved,
    ...disks.map(({ chain }) => chain.at(-1)?.id),
  ])
  return JSON.stringify([facts, seen, targets])
}

/** Looks through one state after the other and keeps what is free in all of them. */
class Search {
  readonly volumes: VolumeInfo[] = []
  readonly warnings: Warning[] = []
  readonly #targets: readonly FreeBlocksTarget[]
  readonly #free = new Map<Uuid, BlockSet>()
  readonly #needed = new Set<Uuid>()

  constructor(targets: readonly FreeBlocksTarget[]) {
    this.#targets = targets
  }

  found(): ReadonlyMap<Uuid, BlockSet> {
    return new Map([...this.#free].filter(([id]) => !this.#needed.has(id)))
  }

  async look(
    machine: Inspection,
    state: GuestState,
    isCurrent: boolean,
    context: ExamineContext,
  ): Promise<void> {
    const obstacle = state.isSaved
      ? `${state.name} is a saved one, whose guest remembers what is free`
      : unreadableDisk(machine, state)
    if (obstacle !== undefined) {
      this.warnings.push({ code: 'free_space_kept', message: `No free space is discarded: ${obstacle}` })
      for (const { id } of this.#targets) if (state.disks.some(disk => reads(disk, id))) this.#needed.add(id)
      return
    }
    const space = await examineState(machine, state, context)
    for (const [index, disk] of state.disks.entries()) {
      const blockSize = machine.images.get(disk.chain[0]?.id ?? '')?.header?.blockSize
      this.#keepWhatIsFree(disk, blockSize, space.disks[index])
    }
    const { volumes, warnings } = tellVolumes(state, space.volumes, isCurrent)
    if (isCurrent) this.volumes.push(...volumes)
    this.warnings.push(...warnings)
  }

  /** @param blockSize Bytes of the blocks that `free` tells of. */
  #keepWhatIsFree(
    disk: GuestStateDisk,
    blockSize: number | undefined,
    free: DiskFreeSpace | undefined,
  ): void {
    for (const target of this.#targets.filter(({ id }) => reads(disk, id))) {
      if (free === undefined || blockSize !== target.blockSize || !reads(disk, target.top)) {
        this.#needed.add(target.id)
        continue
      }
      const known = this.#free.get(target.id)
      const blocks = new BlockSet(target.blockCount)
      for (let block = 0; block < target.blockCount; block++) {
        if (free.isFree(block) && (known === undefined || known.has(block))) blocks.add(block)
      }
      this.#free.set(target.id, blocks)
    }
  }
}
