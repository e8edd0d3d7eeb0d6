import type { BlockPlan } from '../blocks/block_plan.ts'
import { blockOffset } from '../image/vdi/block_table.ts'
import type { FileStat } from '../io/files.ts'

/**
 * Returns how many bytes of holes in the target's file a plan may fill, at most: what is written in place needs room
 * where nothing lies on the disk yet.
 */
export function filledHoles(plan: BlockPlan, { size, allocatedBytes }: FileStat): number {
  const holes = Math.max(0, size - allocatedBytes)
  if (plan.way === 'fresh' || holes === 0) return 0
  let overwritten = 0
  for (const block of plan.writes) {
    if (blockOffset(plan.target, plan.table[block] ?? 0) < size) overwritten += plan.target.blockSize
  }
  return Math.min(holes, overwritten)
}
