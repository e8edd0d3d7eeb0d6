import { type AllocationMap, allocationMap } from '../blocks/allocation_map.ts'
import { VboxmergeError } from '../errors.ts'
import { openChain } from '../image/chain_view.ts'
import type { Files } from '../io/files.ts'
import type { Inspection, Problem } from '../machine/inspection.ts'
import type { Attachment, Medium, Uuid } from '../machine/machine.ts'
import { chainOf, indexMedia } from '../machine/media_graph.ts'

/** An image of a disk's chain in bytes. */
export interface MappedImage {
  readonly id: Uuid
  /** Absolute path. */
  readonly path: string
  /** Length of the file. */
  readonly bytes: number
  /** Bytes of its allocated blocks; null where its format is not read here. */
  readonly allocatedBytes: number | null
  /**
   * Bytes of the disk that are read from it, because nothing newer lies above them; null where that is not known.
   * The rest of its blocks is hidden, or behind the end of the disk.
   */
  readonly ownBytes: number | null
}

/** A disk of the current state and what it is made of. */
export interface DiskMap {
  /** Where it is attached. */
  readonly controller: string
  readonly port: number
  readonly device: number
  /** The images that it is read through, lowest first; a share's `level` counts them from 0. */
  readonly images: readonly MappedImage[]
  /** Null where the images cannot be read. */
  readonly map: AllocationMap | null
  /** Whether it was looked for what the guest does not use. */
  readonly knowsFree: boolean
  /** Why the images cannot be read. */
  readonly problem: Problem | null
}

/** What guests are known not to use of a disk. */
export interface KnownFree {
  /** Bytes of the blocks that `has` counts. */
  readonly blockSize: number
  has(block: number): boolean
}

/** What mapping needs beside the machine. */
export interface DiskMapsContext {
  readonly files: Files
  readonly signal: AbortSignal | undefined
  /** The most parts that a map may have. Default 1024. */
  readonly cells?: number
  /** What is known to be free on the disk of a chain (lowest image first); nothing is looked for. */
  readonly freeOf?: (chain: readonly Uuid[]) => KnownFree | undefined
}

/**
 * Tells for each disk of the current state what its parts are made of. Reads headers and block tables, one after the
 * other into the same memory: some ten bytes a block of the disk, however long its chain is. A disk that cannot be
 * read has a `problem`.
 *
 * @throws The signal's reason.
 */
export async function currentDiskMaps(machine: Inspection, context: DiskMapsContext): Promise<DiskMap[]> {
  const media = indexMedia([[...machine.images.values()].map(({ medium }) => medium)])
  const disks: DiskMap[] = []
  for (const attachment of machine.settings.currentState.attachments) {
    disks.push(await mapDisk(machine, attachment, chainOf(media, attachment.image), context))
  }
  return disks
}

async function mapDisk(
  machine: Inspection,
  { controller, port, device, image }: Attachment,
  chain: readonly Medium[],
  { files, signal, cells, freeOf }: DiskMapsContext,
): Promise<DiskMap> {
  const free = freeOf?.(chain.map(({ id }) => id))
  const disk = { controller, port, device, knowsFree: free !== undefined }
  const paths = chain.map(({ path }) => path)
  try {
    checkReadable(machine, image, chain)
    const view = await openChain(files, paths, {
      links: 'ignore',
      ...(signal === undefined ? {} : { signal }),
    })
    try {
      const isFree = free && ((start: number): boolean => free.has(Math.floor(start / free.blockSize)))
      const map = allocationMap(view.owners, { levels: chain.length, cells, isFree })
      return { ...disk, images: imagesOf(machine, chain, map), map, problem: null }
    } finally {
      await view.close()
    }
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    const problem = { code: error.code, message: error.message }
    return { ...disk, images: imagesOf(machine, chain, undefined), map: null, problem }
  }
}

function checkReadable({ images }: Inspection, image: Uuid, chain: readonly Medium[]): void {
  const base = chain[0]
  if (base === undefined || base.parent !== undefined) {
    const missing = base?.parent ?? image
    throw new VboxmergeError('image_missing', `Cannot map a disk: {${missing}} is in no media registry`)
  }
  const broken = chain.map(({ id }) => images.get(id)?.problem).find(problem => problem !== undefined)
  if (broken !== undefined) throw new VboxmergeError(broken.code, broken.message)
  const foreign = chain.find(({ id }) => images.get(id)?.header === undefined)
  if (foreign === undefined) return
  const problem = `its format is ${foreign.format}, and only VDI images are read`
  throw new VboxmergeError('unsupported', `Cannot map "${foreign.path}": ${problem}`)
}

function imagesOf(
  { images }: Inspection,
  chain: readonly Medium[],
  map: AllocationMap | undefined,
): MappedImage[] {
  return chain.map(({ id, path }, level) => {
    const image = images.get(id)
    const header = image?.header
    return {
      id,
      path,
      bytes: image?.fileSize ?? 0,
      allocatedBytes: header === undefined ? null : header.allocatedBlocks * header.blockSize,
      ownBytes: map?.visible[level] ?? null,
    }
  })
}
