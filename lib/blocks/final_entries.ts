import type { BlockView } from './block_pieces.ts'
import type { FoldRange } from './block_plan.ts'
import { FREE, ZERO } from './constants.ts'
import { NO_OWNER, ZERO_OWNER } from './owner_map.ts'

/** In `FinalEntries.entries`: the block holds data and needs a slot. */
export const DATA = 0xfffffffd

/** What becomes of every block of the target, before slots are given out. */
export interface FinalEntries {
  /** By block: `FREE`, `ZERO` or `DATA`. */
  readonly entries: Uint32Array
  /** How many of them are `DATA`. */
  readonly dataBlocks: number
  /** Tells whether an image above the target holds anything in a block. */
  readonly covered: (block: number) => boolean
}

/** Which kinds of owner the units of a block have above the target. */
interface Cover {
  readonly data: boolean
  readonly zero: boolean
  readonly none: boolean
}

const UNCOVERED: Cover = { data: false, zero: false, none: true }

/**
 * Decides which blocks of the target hold data afterwards.
 *
 * @throws {RangeError} When a block has to be completed from below and `below` is missing.
 */
export function finalEntries(range: FoldRange, view: BlockView): FinalEntries {
  const entries = new Uint32Array(view.before.length)
  let dataBlocks = 0
  for (let block = 0; block < entries.length; block++) {
    const entry = finalEntry(range, view, block)
    entries[block] = entry
    if (entry === DATA) dataBlocks++
  }
  const covered = (block: number): boolean => {
    const cover = coverOf(view, block)
    return cover.data || cover.zero
  }
  return { entries, dataBlocks, covered }
}

function finalEntry(range: FoldRange, view: BlockView, block: number): number {
  const before = view.before[block] ?? FREE
  const { variant } = range.target
  if (variant === 'fixed') return DATA
  const unused = before === ZERO ? ZERO : FREE
  if (block * view.blockSize >= view.capacity) return unused
  const cover = coverOf(view, block)
  const isDead = range.dead?.(block) ?? false
  if (variant === 'dynamic') return !isDead && needsData(before, cover) ? DATA : unused
  if (isDead) return before === FREE && !cover.data && !cover.zero ? FREE : ZERO
  return differencingEntry(view, before, cover)
}

/** In a base FREE and ZERO read the same, so only data need a slot. */
function needsData(before: number, cover: Cover): boolean {
  return cover.data || (cover.none && isSlot(before))
}

/** In a differencing image FREE asks the parent, so a block that is zeros in part only becomes data. */
function differencingEntry(view: BlockView, before: number, cover: Cover): number {
  if (needsData(before, cover)) {
    if (cover.none && before === FREE) requireBelow(view)
    return DATA
  }
  if (!cover.none || before === ZERO) return ZERO
  if (!cover.zero) return FREE
  requireBelow(view)
  return DATA
}

function requireBelow(view: BlockView): void {
  if (view.below !== undefined) return
  throw new RangeError('Cannot fold: a block has to be completed from the images below, which are not given')
}

function coverOf(view: BlockView, block: number): Cover {
  const { above, blockSize, capacity } = view
  if (above === undefined) return UNCOVERED
  const first = (block * blockSize) / above.unitSize
  const end = Math.ceil(Math.min((block + 1) * blockSize, capacity) / above.unitSize)
  let data = false
  let zero = false
  let none = false
  for (let unit = first; unit < end; unit++) {
    const owner = above.owners[unit] ?? NO_OWNER
    if (owner === NO_OWNER) none = true
    else if (owner === ZERO_OWNER) zero = true
    else data = true
  }
  return { data, zero, none }
}

function isSlot(entry: number): boolean {
  return entry !== FREE && entry !== ZERO
}
