import type { FoldRange, FoldTarget } from '../../blocks/block_plan.ts'
import { OwnerMap } from '../../blocks/owner_map.ts'
import { needsBelow } from '../../blocks/plan_blocks.ts'
import { VboxmergeError } from '../../errors.ts'
import type { OpenImage } from '../../image/image.ts'
import { checkTable, readTable } from '../../image/vdi/block_table.ts'

/** Which images of a chain become one. */
export interface FoldBounds {
  /** Number of the image that stays, from 0 for the base. */
  readonly target: number
  /** Number of the highest image that is folded into it; the target itself for a compaction. */
  readonly top: number
}

/**
 * Reads the block tables of a range of a chain, newest first and each into the same memory, and returns what
 * `planBlocks` plans from; the caller may add `dead`.
 *
 * @param chain Open images, lowest first; those above the top of the range are not looked at.
 * @throws `image_corrupt` when a table cannot be followed; `unsupported` when a disk is larger than the one
 *   above it; the signal's reason.
 */
export async function readFoldRange(
  chain: readonly OpenImage[],
  bounds: FoldBounds,
  signal?: AbortSignal,
): Promise<FoldRange> {
  checkCapacities(chain, bounds)
  const target = imageAt(chain, bounds.target)
  const { capacity } = imageAt(chain, bounds.top).header
  const range = chain.slice(bounds.target, bounds.top + 1)
  const unit = smallestBlock(range)
  const above =
    bounds.top === bounds.target
      ? undefined
      : await readOwners(chain, bounds.target + 1, bounds.top, new OwnerMap(capacity, unit), signal)
  const table = await readTable(target, signal)
  checkTable(target.header, table, target.fileSize, target.path)
  const foldTarget: FoldTarget = {
    ...target.header,
    fileSize: target.fileSize,
    table,
  }
  const below = needsBelow(foldTarget, unit)
    ? await readOwners(chain, 0, bounds.target - 1, mapBelow(chain, bounds), signal)
    : undefined
  return {
    target: foldTarget,
    targetIndex: bounds.target,
    above,
    below,
    capacity,
  }
}

/**
 * Checks that no image is larger than the one above it, because what such an image shows behind the end of
 * the upper one is not defined. The target may be as large as the top already: an interrupted fold leaves
 * it so, with images of the old size between them.
 *
 * @throws `unsupported`, naming both images and their sizes.
 */
export function checkCapacities(chain: readonly OpenImage[], { target, top }: FoldBounds): void {
  for (let index = 1; index <= top; index++) {
    const lower = imageAt(chain, index - 1)
    const upper = imageAt(chain, index)
    const isGrown = index - 1 === target && lower.header.capacity === imageAt(chain, top).header.capacity
    if (isGrown || lower.header.capacity <= upper.header.capacity) continue
    const sizes = `its disk has ${lower.header.capacity} bytes, that of ${JSON.stringify(upper.path)} above it has only`
    throw new VboxmergeError(
      'unsupported',
      `Cannot fold into ${JSON.stringify(lower.path)}: ${sizes} ${upper.header.capacity}; enlarge the upper one first`,
    )
  }
}

/**
 * Reads the block tables of a whole chain into one map.
 *
 * @param chain Open images, lowest first.
 * @throws As `readFoldRange` does.
 */
export async function readChainOwners(
  chain: readonly OpenImage[],
  signal: AbortSignal | undefined,
): Promise<OwnerMap> {
  const top = chain.length - 1
  checkCapacities(chain, { target: 0, top })
  const map = new OwnerMap(imageAt(chain, top).header.capacity, smallestBlock(chain))
  return await readOwners(chain, 0, top, map, signal)
}

function mapBelow(chain: readonly OpenImage[], { target }: FoldBounds): OwnerMap {
  return new OwnerMap(imageAt(chain, target).header.capacity, smallestBlock(chain.slice(0, target)))
}

async function readOwners(
  chain: readonly OpenImage[],
  lowest: number,
  highest: number,
  map: OwnerMap,
  signal: AbortSignal | undefined,
): Promise<OwnerMap> {
  let memory = new Uint32Array(0)
  for (let index = highest; index >= lowest; index--) {
    const image = imageAt(chain, index)
    if (memory.length < image.header.blockCount) memory = new Uint32Array(image.header.blockCount)
    const table = await readTable(image, signal, memory)
    checkTable(image.header, table, image.fileSize, image.path)
    map.add(index, image.header, table)
  }
  return map
}

function smallestBlock(images: readonly OpenImage[]): number {
  return Math.min(...images.map(({ header }) => header.blockSize))
}

function imageAt(chain: readonly OpenImage[], index: number): OpenImage {
  const image = chain[index]
  if (image === undefined) throw new RangeError(`Cannot fold: the chain has no image ${index}`)
  return image
}
