import type { BlockPlan } from '../blocks/block_plan.ts'
import type { ClonePlan, PlannedDisk } from '../ensure/plan_clone.ts'
import type { Progress } from '../ensure/progress.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import { cloneBlocks, openSource } from './direct/clone_blocks.ts'
import { scanZeros, type ZeroBlocks } from './scan_zeros.ts'

/** A disk of a clone with what writing it comes to, in bytes. */
export interface MeasuredDisk {
  readonly disk: PlannedDisk
  /** Files of the chain that it is read from, lowest first. */
  readonly paths: readonly string[]
  /** Blocks that are not written although an image of the chain holds them. */
  readonly dead: ZeroBlocks
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
  /** An earlier measurement of the same state, whose scans are used again. */
  readonly previous: readonly MeasuredDisk[] | undefined
}

/**
 * Reads the tables of the images that a clone is read from and looks for blocks of zeros in them.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `chain_mismatch`, `unsupported`; the signal's reason.
 */
export async function measureClone(
  machine: Inspection,
  { disks }: ClonePlan,
  context: MeasureCloneContext,
): Promise<MeasuredDisk[]> {
  const measured: MeasuredDisk[] = []
  for (const disk of disks) measured.push(await measureDisk(machine, disk, context))
  return measured
}

async function measureDisk(
  machine: Inspection,
  disk: PlannedDisk,
  context: MeasureCloneContext,
): Promise<MeasuredDisk> {
  const paths = disk.chain.map(id => machine.images.get(id)?.medium.path ?? '')
  const source = await openSource(context.files, paths, disk.fixed, context.signal)
  try {
    const known = context.previous?.find(earlier => earlier.disk.attachment.image === disk.attachment.image)
    // Whatever else tells of blocks that no one needs, such as the file systems of the guest, joins `dead` here.
    const dead =
      known?.dead ?? (await scan(paths, cloneBlocks({ ...source, header: dynamic(source) }), context))
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

async function scan(
  paths: readonly string[],
  plan: BlockPlan,
  { files, onProgress, signal }: MeasureCloneContext,
): Promise<ZeroBlocks> {
  const total = plan.allocatedBlocks * plan.target.blockSize
  const subject = paths.at(-1) ?? ''
  let done = 0
  const onRead = (bytes: number): void => {
    done += bytes
    onProgress({ phase: 'scan', subject, done, total, unit: 'bytes' })
  }
  return await scanZeros(files, paths, plan, onRead, signal)
}
