import type { BlockPlan, FoldRange, FoldTarget } from '../../blocks/block_plan.ts'
import { FREE } from '../../blocks/constants.ts'
import { freshPlan } from '../../blocks/plan_blocks.ts'
import { checkLinks } from '../../image/check_links.ts'
import type { OpenVdi } from '../../image/open_image.ts'
import { openImages } from '../../image/open_images.ts'
import { baseHeader } from '../../image/vdi/create.ts'
import type { VdiHeader } from '../../image/vdi/header.ts'
import type { Files } from '../../io/files.ts'
import { readChainOwners } from './fold_range.ts'

/** The images of a disk that is to be cloned, open for reading. */
export interface OpenSource {
  /** Lowest first. */
  readonly chain: readonly OpenVdi[]
  /** Of the coming image, with UUIDs of its own and no block. */
  readonly header: VdiHeader
  readonly range: FoldRange
  close(): Promise<void>
}

/**
 * Opens a chain of images and says what the one image is that reads like it: an empty one below the chain, into
 * which all of the chain is folded.
 *
 * @param paths Lowest first, down to the base.
 * @param fixed Whether every block of the coming image is allocated.
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `chain_mismatch`, `unsupported`; the signal's reason.
 */
export async function openSource(
  files: Files,
  paths: readonly string[],
  fixed: boolean,
  signal: AbortSignal | undefined,
): Promise<OpenSource> {
  const chain = await openImages(files, paths)
  const close = async (): Promise<void> => {
    for (const image of chain) await image.file.close()
  }
  try {
    checkLinks(chain)
    const above = await readChainOwners(chain, signal)
    const { capacity } = above
    const header = headerOf(chain, capacity, fixed)
    const range = { target: emptyTarget(header), targetIndex: chain.length, above, capacity }
    return { chain, header, range, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Returns how the clone's image is written. In one of fixed size the blocks without data are left as holes, which
 * read as zeros.
 *
 * @param dead Tells of blocks that need not be written: they read as zeros, or no file system needs them.
 */
export function cloneBlocks(
  { range, header }: Pick<OpenSource, 'range' | 'header'>,
  dead?: (block: number) => boolean,
): BlockPlan {
  const compact = freshPlan(dead === undefined ? range : { ...range, dead })
  if (header.variant !== 'fixed') return compact
  const whole = freshPlan({ ...range, target: { ...range.target, variant: 'fixed' } })
  const { writes } = compact
  // Not every file system has holes.
  return { ...whole, writes, costs: { ...compact.costs, neededBytes: whole.fileSize } }
}

function headerOf(chain: readonly OpenVdi[], capacity: number, fixed: boolean): VdiHeader {
  const base = chain[0]?.header
  const header = baseHeader({
    capacity,
    fixed,
    ...(base === undefined ? {} : { blockSize: base.blockSize }),
  })
  // Old guests find their system by cylinders, heads and sectors.
  const keepsGeometry = base?.geometry !== undefined && base.capacity === capacity
  return keepsGeometry ? { ...header, geometry: base.geometry } : header
}

function emptyTarget({ capacity, blockSize, blockCount, tableOffset, dataOffset }: VdiHeader): FoldTarget {
  const table = new Uint32Array(blockCount).fill(FREE)
  const shape = { variant: 'dynamic', capacity, blockSize, blockExtra: 0, tableOffset, dataOffset } as const
  return { ...shape, allocatedBlocks: 0, fileSize: 0, table }
}
