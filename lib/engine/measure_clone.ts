import type { BlockSet } from '../blocks/block_set.ts'
import type { ClonePlan, PlannedDisk } from '../ensure/plan_clone.ts'
import type { Progress } from '../ensure/progress.ts'
import type { DiskFreeSpace } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import { type DeadBlocks, findDeadBlocks } from './dead_blocks.ts'
import { type ToldVolumes, tellVolumes } from './describe_volumes.ts'
import { cloneBlocks, type OpenSource, openSource } from './direct/clone_blocks.ts'
import { canCopyDataBlocks } from './direct/clone_copy.ts'
import { presentGuestState } from './guest_states.ts'
import { unreadableDisk } from './open_guest_disks.ts'

/** A disk of a clone with what writing it comes to, in bytes. */
export interface MeasuredDisk {
  readonly disk: PlannedDisk
  /** Files of the chain that it is read from, lowest first. */
  readonly paths: readonly string[]
  /** Blocks that are not written although an image of the chain holds them. */
  readonly dead: DeadBlocks
  /** Whether blocks of zeros were looked for; if not, the figures count them as data. */
  readonly zerosKnown: boolean
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
  /** Whether to look for blocks of zeros, which reads the disks; those who write the clone find them on the way. */
  readonly findZeros: boolean
  /** An earlier measurement of the same state, whose scans are used again. */
  readonly previous: MeasuredClone | undefined
}

/** What a clone comes to. */
export interface MeasuredClone extends Examined {
  readonly disks: readonly MeasuredDisk[]
}

/** What was found inside of the disks. */
interface Examined extends ToldVolumes {
  /** By disk; undefined where it was not looked for. */
  readonly free: readonly DiskFreeSpace[] | undefined
}

/**
 * Reads the tables of the images that a clone is read from, and looks for what need not be written: what the guest's
 * file systems do not use, and blocks of zeros where they are asked for.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `chain_mismatch`, `unsupported`; the signal's reason.
 */
export async function measureClone(
  machine: Inspection,
  plan: ClonePlan,
  context: MeasureCloneContext,
): Promise<MeasuredClone> {
  const { free, volumes, warnings }: Examined = context.previous ?? (await examine(machine, plan, context))
  const disks: MeasuredDisk[] = []
  for (const [index, disk] of plan.disks.entries()) {
    disks.push(await measureDisk(machine, disk, free?.[index], context))
  }
  return { disks, free, volumes, warnings }
}

async function examine(
  machine: Inspection,
  { disks, snapshot }: ClonePlan,
  { files, freeSpace, signal }: MeasureCloneContext,
): Promise<Examined> {
  if (freeSpace === 'keep' || disks.length === 0) {
    return { free: undefined, volumes: [], warnings: [] }
  }
  const state = presentGuestState(machine, snapshot)
  const obstacle = unreadableDisk(machine, state)
  if (obstacle !== undefined) {
    const message = `No free space is discarded: ${obstacle}`
    return { free: undefined, volumes: [], warnings: [{ code: 'free_space_kept', message }] }
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
    const needsZeros = context.findZeros || !canCopyDataBlocks(compact)
    const isKnown = known !== undefined && (known.zerosKnown || !needsZeros)
    const zerosKnown = isKnown ? known.zerosKnown : needsZeros
    const isUnused = isFree ?? ((): boolean => false)
    const look = async (): Promise<DeadBlocks> =>
      needsZeros
        ? await findDeadBlocks(context, paths, compact, paths.at(-1) ?? '', isFree)
        : { has: isUnused, isUnused, readBytes: 0 }
    const dead = isKnown ? known.dead : await look()
    // Whoever writes a clone reads each block once, to find it empty as well.
    const { readBytes } = cloneBlocks(source, isFree).costs
    return { disk, paths, zerosKnown, dead, readBytes, ...figuresOf(source, dead) }
  } finally {
    await source.close()
  }
}

/** Returns what a disk comes to once blocks of zeros were found in the course of writing it. */
export function withoutZeros(disk: MeasuredDisk, source: OpenSource, zeros: BlockSet): MeasuredDisk {
  const { dead, zerosKnown } = disk
  if (zerosKnown) return disk
  const all = { ...dead, has: (block: number): boolean => dead.has(block) || zeros.has(block) }
  return { ...disk, zerosKnown: true, dead: all, ...figuresOf(source, all) }
}

type CloneFigures = Pick<
  MeasuredDisk,
  'writtenBytes' | 'neededBytes' | 'allocatedBytes' | 'fileSize' | 'capacity'
>

function figuresOf(source: OpenSource, dead: DeadBlocks): CloneFigures {
  const plan = cloneBlocks(source, dead.has)
  const { writtenBytes, neededBytes } = plan.costs
  return {
    writtenBytes,
    neededBytes,
    allocatedBytes: plan.allocatedBlocks * plan.target.blockSize,
    fileSize: plan.fileSize,
    capacity: plan.capacity,
  }
}

/** Only blocks with data are worth looking at, and in an image of fixed size all count as such. */
function dynamic<Header>({ header }: { readonly header: Header }): Header & { readonly variant: 'dynamic' } {
  return { ...header, variant: 'dynamic' }
}
