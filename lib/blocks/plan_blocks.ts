import { costsOf } from './block_costs.ts'
import { allPieces, type BlockView, changedPieces, type Piece } from './block_pieces.ts'
import type { BlockPlan, FoldRange, FoldTarget, Growth } from './block_plan.ts'
import { assignSlots, blocksBySlot } from './block_slots.ts'
import { FREE, ZERO } from './constants.ts'
import { type FinalEntries, finalEntries } from './final_entries.ts'
import { type FileLayout, freshLayout } from './layout.ts'

/**
 * Tells whether blocks of the target can be covered by the range in part only, so that a plan has to know
 * what lies below.
 *
 * @param smallestBlock Bytes of the smallest block of all images of the range.
 */
export function needsBelow(
  target: Pick<FoldTarget, 'variant' | 'blockSize'>,
  smallestBlock: number,
): boolean {
  return target.variant === 'differencing' && smallestBlock < target.blockSize
}

/**
 * Returns how to fold a range of images into its lowest one where that lies.
 *
 * The newest owner of a block wins. A block whose data the target holds and shows stays in its slot, a
 * block that no one needs goes, and blocks behind the new end move into free slots, so that no
 * physical block is left over. No block is read or written twice. A range of one image is compacted.
 *
 * At every moment of the work the disk reads right through the top of the range: what is overwritten or
 * dropped first is hidden by an image above or needed by no view, and a slot that gets another block is
 * named by no entry of the flushed table.
 *
 * @throws {RangeError} When the input contradicts itself, or needs `below` and lacks it.
 */
export function planBlocks(range: FoldRange): BlockPlan {
  const view = viewOf(range)
  const final = finalEntries(range, view)
  const table = assignSlots(final, view.before)
  const growth = growthOf(range.target, view)
  const drops = changedEntries(view.before, table, slot => slot >= final.dataBlocks)
  const entries = changedEntries(view.before, table, slot => slot < final.dataBlocks)
  const pieces = (block: number): Piece[] =>
    view.before[block] === table[block] ? changedPieces(view, block) : allPieces(view, block)
  const writes = blocksBySlot(table, final.dataBlocks, block => {
    return table[block] !== view.before[block] || final.covered(block)
  })
  const { tableOffset, dataOffset } = range.target
  const changed =
    growth !== undefined ||
    drops.length + writes.length + entries.length > 0 ||
    final.dataBlocks !== range.target.allocatedBlocks
  const needsFresh = tableOffset + 4 * table.length > dataOffset
  const parts = { drops, writes, entries, growth, changed, needsFresh, pieces }
  return complete('in-place', range, { tableOffset, dataOffset }, table, final, parts)
}

/**
 * Returns how to write the outcome of a fold as a new file, blocks in the order of the disk.
 *
 * @throws {RangeError} As `planBlocks` does.
 */
export function freshPlan(range: FoldRange): BlockPlan {
  const view = viewOf(range)
  const final = finalEntries(range, view)
  const table = assignSlots(final)
  const writes = blocksBySlot(table, final.dataBlocks, () => true)
  const parts = {
    drops: new Uint32Array(0),
    writes,
    entries: new Uint32Array(0),
    growth: undefined,
    changed: true,
    needsFresh: true,
    pieces: (block: number): Piece[] => allPieces(view, block),
  }
  return complete('fresh', range, freshLayout(range.target, table.length), table, final, parts)
}

type PlanParts = Pick<
  BlockPlan,
  'drops' | 'writes' | 'entries' | 'growth' | 'changed' | 'needsFresh' | 'pieces'
>

function complete(
  way: BlockPlan['way'],
  range: FoldRange,
  layout: FileLayout,
  table: Uint32Array,
  final: FinalEntries,
  parts: PlanParts,
): BlockPlan {
  const { target, targetIndex, capacity } = range
  const { tableOffset, dataOffset } = layout
  const allocatedBlocks = final.dataBlocks
  const fileSize = dataOffset + allocatedBlocks * (target.blockExtra + target.blockSize)
  const { drops, writes, entries, growth, changed, needsFresh, pieces } = parts
  const costs = costsOf({ way, target, table, growth, drops, writes, entries, fileSize, pieces })
  return {
    way,
    targetIndex,
    target,
    capacity,
    tableOffset,
    dataOffset,
    table,
    allocatedBlocks,
    fileSize,
    growth,
    drops,
    writes,
    entries,
    needsFresh,
    changed,
    costs,
    pieces,
  }
}

function viewOf(range: FoldRange): BlockView {
  const { target, targetIndex, above, below, capacity } = range
  if (target.capacity > capacity) {
    throw new RangeError(`Cannot fold into a disk of ${target.capacity} bytes: the top has ${capacity} bytes`)
  }
  if (above !== undefined && above.capacity !== capacity) {
    throw new RangeError('Cannot fold: the map of the range is made for a disk of another size')
  }
  const visible = Math.min(target.capacity, above?.reach ?? capacity)
  const blockSize = target.blockSize
  const before = entriesSeen(target, visible, capacity)
  checkSlots(before, target)
  // Whatever a caller knows of images below a base, a base does not ask them.
  const asked = target.variant === 'differencing' ? below : undefined
  return {
    targetIndex,
    blockSize,
    visible,
    capacity,
    before,
    above,
    below: asked,
  }
}

/** The entries of the target as they are once its table has grown and what was behind its end is reset. */
function entriesSeen(target: FoldTarget, visible: number, capacity: number): Uint32Array {
  if (target.table.length < Math.ceil(target.capacity / target.blockSize)) {
    throw new RangeError('Cannot fold: the table of the target is shorter than its disk')
  }
  if (visible === capacity) return target.table
  const seen = new Uint32Array(Math.max(target.table.length, Math.ceil(capacity / target.blockSize))).fill(
    FREE,
  )
  seen.set(target.table.subarray(0, Math.ceil(visible / target.blockSize)))
  return seen
}

/** Slots named twice would be overwritten while they are needed. */
function checkSlots(entries: Uint32Array, { allocatedBlocks }: FoldTarget): void {
  if (allocatedBlocks > entries.length) {
    throw new RangeError(`Cannot fold: the target counts ${allocatedBlocks} of ${entries.length} blocks`)
  }
  const isNamed = new Uint8Array(allocatedBlocks)
  for (const entry of entries) {
    if (entry === FREE || entry === ZERO) continue
    if (entry >= allocatedBlocks) throw new RangeError(`Cannot fold: slot ${entry} is not in the target`)
    if (isNamed[entry] === 1) throw new RangeError(`Cannot fold: two blocks are in slot ${entry}`)
    isNamed[entry] = 1
  }
}

function growthOf(target: FoldTarget, view: BlockView): Growth | undefined {
  if (view.visible === view.capacity) return undefined
  const { blockSize } = target
  const firstBlock = Math.ceil(view.visible / blockSize)
  const offset = view.visible % blockSize
  const slot = view.before[firstBlock - 1] ?? FREE
  const hasTail = offset > 0 && slot < target.allocatedBlocks
  return {
    firstBlock,
    tail: hasTail ? { slot, offset, length: blockSize - offset } : undefined,
  }
}

function changedEntries(
  before: Uint32Array,
  after: Uint32Array,
  wanted: (entry: number) => boolean,
): Uint32Array {
  const isChanged = (entry: number, block: number): boolean => entry !== before[block] && wanted(entry)
  let count = 0
  for (let block = 0; block < after.length; block++) {
    if (isChanged(after[block] ?? FREE, block)) count++
  }
  const blocks = new Uint32Array(count)
  for (let block = 0, at = 0; block < after.length; block++) {
    if (isChanged(after[block] ?? FREE, block)) blocks[at++] = block
  }
  return blocks
}
