import type { ClonePlan, PlannedDisk } from '../ensure/plan_clone.ts'
import type { Progress } from '../ensure/progress.ts'
import type { DiskFreeSpace } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import { type DeadBlocks, findDeadBlocks } from './dead_blocks.ts'
import { type ToldVolumes, tellVolumes } from './describe_volumes.ts'
import { cloneBlocks, openSource } from './direct/clone_blocks.ts'
import { presentGuestState } from './guest_states.ts'
import { unreadableDisk } from './open_guest_disks.ts'

/** A disk of a clone with what writing it comes to, in bytes. */
export interface MeasuredDisk {
  readonly disk: PlannedDisk
  /** Files of the chain that it is read from, lowest first. */
  readonly paths: readonly string[]
  /** Blocks that are not written although an image of the chain holds them. */
  readonly dead: DeadBlocks
  readonly readBytes: number
  readonly writtenBytes: number
  readonly neededBytes: number
  readonly allocatedBytes: number
  readonly fileSize: number
  readonly capacity: number
}

/** What measuring a clone needs beside the machine. */
export interface MeasureCloneContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
  /** Whether to leave out what the guest's file systems do not use. */
  readonly freeSpace: 'keep' | 'discard'
  /** An earlier measurement of the same state, whose scans are used again. */
  readonly previous: MeasuredClone | undefined
}

/** What a clone comes to. */
export interface MeasuredClone extends ToldVolumes {
  readonly disks: readonly MeasuredDisk[]
}

/**
 * Reads the tables of the images that a clone is read from, and looks for what need not be written: blocks of zeros,
 * and what the guest's file systems do not use.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `chain_mismatch`, `unsupported`; the signal's reason.
 */
export async function measureClone(
  machine: Inspection,
  plan: ClonePlan,
  context: MeasureCloneContext,
): Promise<MeasuredClone> {
  const { free, ...found }: Examined = context.previous ?? (await examine(machine, plan, context))
  const disks: MeasuredDisk[] = []
  for (const [index, disk] of plan.disks.entries()) {
    disks.push(await measureDisk(machine, disk, free?.[index], context))
  }
  return { disks, ...found }
}

interface Examined extends ToldVolumes {
  readonly free?: readonly DiskFreeSpace[]
}

async function examine(
  machine: Inspection,
  { disks, snapshot }: ClonePlan,
  { files, freeSpace, signal }: MeasureCloneContext,
): Promise<Examined> {
  if (freeSpace === 'keep' || disks.length === 0) return { volumes: [], warnings: [] }
  const state = presentGuestState(machine, snapshot)
  const obstacle = unreadableDisk(machine, state)
  if (obstacle !== undefined) {
    const message = `No free space is discarded: ${obstacle}`
    return { volumes: [], warnings: [{ code: 'free_space_kept', message }] }
  }
  const { examineState } = await import('./examine_state.ts')
  const space = await examineState(machine, state, { files, signal })
  return { free: space.disks, ...tellVolumes(state, space.volumes, snapshot === undefined) }
}

async function measureDisk(
  machine: Inspection,
  disk: PlannedDisk,
  free: DiskFreeSpace | undefined,
  context: MeasureCloneContext,
): Promise<MeasuredDisk> {
  const paths = disk.chain.map(id => machine.images.get(id)?.medium.path ?? '')
  const source = await openSource(context.files, paths, disk.fixed, context.signal)
  try {
    const known = context.previous?.disks.find(
      earlier => earlier.disk.attachment.image === disk.attachment.image,
    )
    const isFree = free === undefined ? undefined : (block: number): boolean => free.isFree(block)
    const compact = cloneBlocks({ ...source, header: dynamic(source) })
    const dead = known?.dead ?? (await findDeadBlocks(context, paths, compact, paths.at(-1) ?? '', isFree))
    const plan = cloneBlocks(source, dead.has)
    const { readBytes, writtenBytes, neededBytes } = plan.costs
    return {
      disk,
      paths,
      dead,
      readBytes: readBytes + dead.readBytes,
      writtenBytes,
      neededBytes,
      allocatedBytes: plan.allocatedBlocks * plan.target.blockSize,
      fileSize: plan.fileSize,
      capacity: plan.capacity,
    }
  } finally {
    await source.close()
  }
}

/** Only blocks with data are worth looking at, and in an image of fixed size all count as such. */
function dynamic<Header>({ header }: { readonly header: Header }): Header & { readonly variant: 'dynamic' } {
  return { ...header, variant: 'dynamic' }
}
