import { FREE, ZERO } from './constants.ts'
import { NO_OWNER, type OwnedRange, type OwnerMap, ZERO_OWNER } from './owner_map.ts'

/** Where bytes come from: a physical block of an image, and the byte in it. */
export interface BlockSource {
  /** Number of the image in its chain. */
  readonly image: number
  readonly slot: number
  readonly offset: number
}

/** Bytes of a block of the target and where they come from. */
export interface Piece {
  /** First byte, from the start of the block. */
  readonly offset: number
  readonly length: number
  readonly source: BlockSource | 'zero'
}

/** What is seen by whoever fills a block of the target. */
export interface BlockView {
  /** Number of the target in its chain. */
  readonly targetIndex: number
  readonly blockSize: number
  /** Bytes of the target's own disk that can be seen through the images above it. */
  readonly visible: number
  /** Size of the virtual disk afterwards, in bytes. */
  readonly capacity: number
  /** The target's entries before. */
  readonly before: Uint32Array
  /** The images of the range above the target. */
  readonly above: OwnerMap | undefined
  /** The images below the target; undefined where nothing below can be seen. */
  readonly below: OwnerMap | undefined
}

/** Returns what images above the target change in a block; the rest of it stays as it is. */
export function changedPieces(view: BlockView, block: number): Piece[] {
  const pieces: Piece[] = []
  const start = block * view.blockSize
  for (const range of rangesAbove(view, start)) {
    if (range.owner !== NO_OWNER) push(pieces, range, range.start - start)
  }
  return pieces
}

/** Returns the whole content of a block. Behind the end of the disk it is filled with zeros. */
export function allPieces(view: BlockView, block: number): Piece[] {
  const pieces: Piece[] = []
  const start = block * view.blockSize
  let end = start
  for (const range of rangesAbove(view, start)) {
    const own = range.owner === NO_OWNER ? ownRanges(view, block, range) : [range]
    for (const part of own) push(pieces, part, part.start - start)
    end = range.start + range.length
  }
  const rest = start + view.blockSize - end
  if (rest > 0) push(pieces, zeros(end, rest), end - start)
  return pieces
}

function rangesAbove(view: BlockView, start: number): OwnedRange[] {
  const end = Math.min(start + view.blockSize, view.capacity)
  if (end <= start) return []
  return view.above?.ranges(start, end) ?? [unowned(start, end - start)]
}

/** What the target, or whatever lies below it, shows in a range that nothing above it holds. */
function ownRanges(view: BlockView, block: number, range: OwnedRange): OwnedRange[] {
  const end = range.start + range.length
  const seen = Math.max(range.start, Math.min(end, view.visible))
  const entry = view.before[block] ?? FREE
  const ranges: OwnedRange[] = []
  if (seen > range.start) {
    if (entry === FREE) ranges.push(...rangesBelow(view, range.start, seen))
    else if (entry === ZERO) ranges.push(zeros(range.start, seen - range.start))
    else ranges.push(ownRange(view, entry, range.start, seen))
  }
  if (end > seen) ranges.push(zeros(seen, end - seen))
  return ranges
}

function ownRange(view: BlockView, slot: number, start: number, end: number): OwnedRange {
  return {
    start,
    length: end - start,
    owner: view.targetIndex,
    slot,
    offset: start % view.blockSize,
  }
}

function rangesBelow(view: BlockView, start: number, end: number): OwnedRange[] {
  return view.below?.ranges(start, end) ?? [zeros(start, end - start)]
}

function push(pieces: Piece[], range: OwnedRange, offset: number): void {
  const { owner, slot, length } = range
  const isData = owner !== NO_OWNER && owner !== ZERO_OWNER
  const source = isData ? { image: owner, slot, offset: range.offset } : 'zero'
  const last = pieces.at(-1)
  if (last !== undefined && last.offset + last.length === offset && continues(last, source)) {
    pieces[pieces.length - 1] = { ...last, length: last.length + length }
  } else {
    pieces.push({ offset, length, source })
  }
}

function continues(last: Piece, source: BlockSource | 'zero'): boolean {
  if (last.source === 'zero' || source === 'zero') return last.source === source
  const sameBlock = last.source.image === source.image && last.source.slot === source.slot
  return sameBlock && last.source.offset + last.length === source.offset
}

function zeros(start: number, length: number): OwnedRange {
  return { start, length, owner: ZERO_OWNER, slot: 0, offset: 0 }
}

function unowned(start: number, length: number): OwnedRange {
  return { start, length, owner: NO_OWNER, slot: 0, offset: 0 }
}
