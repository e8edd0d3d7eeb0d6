import type { BlockCosts, BlockPlan } from './block_plan.ts'

/** Bytes of a table entry. */
const ENTRY_BYTES = 4

/** What the costs of a plan depend on. */
type CostlyParts = Pick<
  BlockPlan,
  'way' | 'target' | 'table' | 'growth' | 'drops' | 'writes' | 'entries' | 'fileSize' | 'pieces'
>

/** Returns what carrying out a plan costs. */
export function costsOf(plan: CostlyParts): BlockCosts {
  let readBytes = 0
  let dataBytes = 0
  for (const block of plan.writes) {
    for (const { length, source } of plan.pieces(block)) {
      dataBytes += length
      if (source !== 'zero') readBytes += length
    }
  }
  const writtenBytes = dataBytes + tailBytes(plan) + ENTRY_BYTES * writtenEntries(plan)
  const freedBytes = plan.target.fileSize - plan.fileSize
  // A file of the target's length may have holes, which only its file system knows.
  const neededBytes = plan.way === 'fresh' ? plan.fileSize : Math.max(0, -freedBytes)
  return { readBytes, writtenBytes, neededBytes, freedBytes }
}

/**
 * Returns the cheaper of two plans for the same fold: the one in place, unless it cannot be carried out
 * or writes more.
 */
export function cheaperPlan(inPlace: BlockPlan, fresh: BlockPlan): BlockPlan {
  if (inPlace.needsFresh) return fresh
  return inPlace.costs.writtenBytes <= fresh.costs.writtenBytes ? inPlace : fresh
}

function tailBytes(plan: CostlyParts): number {
  return plan.growth?.tail?.length ?? 0
}

function writtenEntries(plan: CostlyParts): number {
  if (plan.way === 'fresh') return plan.table.length
  const grown = plan.growth === undefined ? 0 : plan.table.length - plan.growth.firstBlock
  return grown + plan.drops.length + plan.entries.length
}
