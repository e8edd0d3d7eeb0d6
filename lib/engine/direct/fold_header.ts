import type { BlockPlan } from '../../blocks/block_plan.ts'
import type { OpenImage } from '../../image/image.ts'
import { readWhole } from '../../image/read_whole.ts'
import { AT, HEADER_SIZE, PRE_HEADER_SIZE } from '../../image/vdi/layout.ts'
import { type HeaderChanges, type Patch, patchHeader } from '../../image/vdi/patch_header.ts'
import type { Uuid } from '../../machine/machine.ts'

/**
 * Changes fields of the header of an open image in one write. All fields lie in the first sector, so that
 * a crash leaves all of the changes or none. Nothing is flushed.
 *
 * @throws {VboxmergeError} `image_corrupt` when the file has no whole header any more.
 */
export async function writeHeader(
  image: Pick<OpenImage, 'file' | 'path'>,
  changes: HeaderChanges,
): Promise<void> {
  const patches = patchHeader(changes)
  const first = Math.min(...patches.map(({ offset }) => offset))
  const end = Math.max(...patches.map(({ offset, bytes }) => offset + bytes.length))
  const bytes = new Uint8Array(end - first)
  await readWhole(image, bytes, first)
  for (const patch of patches) bytes.set(patch.bytes, patch.offset - first)
  await image.file.write(bytes, first)
}

/** Changes a copy of a header so that it fits the file that a plan for a fresh image describes. */
export function patchFreshHeader(bytes: Uint8Array, plan: BlockPlan, modification: Uuid): void {
  const { allocatedBlocks, capacity, table, tableOffset, dataOffset, target } = plan
  const grown = capacity === target.capacity ? {} : { capacity }
  const patches: Patch[] = [
    ...patchHeader({
      ...grown,
      blockCount: table.length,
      allocatedBlocks,
      modification,
    }),
  ]
  for (const { offset, bytes: value } of patches) bytes.set(value, offset)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setUint32(AT.offBlocks, tableOffset, true)
  view.setUint32(AT.offData, dataOffset, true)
}

/** Bytes at the start of every image that hold all fields which a fold changes. */
export const CHANGED_HEADER_BYTES: number = PRE_HEADER_SIZE + HEADER_SIZE
