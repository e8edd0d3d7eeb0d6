import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { BlockPlan } from '../../blocks/block_plan.ts'
import { BlockSet } from '../../blocks/block_set.ts'
import { FREE, ZERO } from '../../blocks/constants.ts'
import type { ChainView } from '../../image/chain_view.ts'
import { type BlockLayout, blockOffset } from '../../image/vdi/block_table.ts'
import { isZero } from '../../image/zero.ts'
import { withAlignedBuffer } from '../../io/aligned_buffer.ts'
import type { OpenFile } from '../../io/files.ts'
import { inLanes } from '../../io/in_lanes.ts'

/** A disk that is read block by block, whatever it lies in. */
export interface BlockReader {
  /** Bytes. */
  readonly capacity: number
  /** Bytes. */
  readonly blockSize: number
  /** False for a block that is known to read as zeros. */
  mayHoldData(block: number): boolean
  /** Fills the whole buffer with what lies at byte `position` of the disk, inside one block. */
  read(buffer: Uint8Array, position: number): Promise<void>
}

/** How blocks are gone through. */
export interface DigestWork {
  readonly signal: AbortSignal | undefined
  /** Is told of bytes as they are read. */
  readonly onBytes: (bytes: number) => void
  /** Tells of blocks that are not looked at. */
  readonly skip: (block: number) => boolean
}

/** What every block of a disk reads as: the first 16 bytes of its SHA-256, or zeros for zeros. */
export type ViewDigests = Uint8Array

const DIGEST_BYTES = 16

/** Bytes read at once. */
const PIECE_BYTES = 4 * 1024 * 1024

/** Blocks under way at the same time. */
const LANES = 2

/** Reads a whole disk and returns what each block reads as. */
export async function digestBlocks(reader: BlockReader, work: DigestWork): Promise<ViewDigests> {
  const blocks = Math.ceil(reader.capacity / reader.blockSize)
  const digests = new Uint8Array(blocks * DIGEST_BYTES)
  await eachDigest(reader, work, (block, digest) => digests.set(digest, block * DIGEST_BYTES))
  return digests
}

/**
 * Reads a whole disk and returns the first block found that does not read as the digests say; undefined when there is
 * none.
 */
export async function findUnlikeBlock(
  reader: BlockReader,
  digests: ViewDigests,
  work: DigestWork,
): Promise<number | undefined> {
  const before = (block: number): Uint8Array =>
    digests.subarray(block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES)
  let unlike: number | undefined
  await eachDigest(reader, work, (block, digest) => {
    if (unlike === undefined && !isSame(before(block), digest)) unlike = block
  })
  return unlike
}

async function eachDigest(
  reader: BlockReader,
  { signal, onBytes, skip }: DigestWork,
  found: (block: number, digest: Uint8Array) => void,
): Promise<void> {
  const { capacity, blockSize } = reader
  const zeros = new Uint8Array(DIGEST_BYTES)
  const count = Math.ceil(capacity / blockSize)
  function* blocks(): Generator<number> {
    for (let block = 0; block < count; block++) {
      if (skip(block)) continue
      if (reader.mayHoldData(block)) yield block
      else found(block, zeros)
    }
  }
  await inLanes(LANES, blocks(), async block => {
    signal?.throwIfAborted()
    const start = block * blockSize
    const digest = await digestOf(reader, start, Math.min(capacity, start + blockSize))
    found(block, digest)
    onBytes(Math.min(blockSize, capacity - start))
    // Hashing blocks this thread, and a signal can be raised only when others get their turn.
    await setImmediate()
  })
  signal?.throwIfAborted()
}

async function digestOf(reader: BlockReader, start: number, end: number): Promise<Uint8Array> {
  const hash = createHash('sha256')
  let allZero = true
  await withAlignedBuffer(PIECE_BYTES, async memory => {
    for (let at = start; at < end; at += PIECE_BYTES) {
      const piece = memory.subarray(0, Math.min(PIECE_BYTES, end - at))
      await reader.read(piece, at)
      allZero &&= isZero(piece)
      hash.update(piece)
    }
  })
  return allZero ? new Uint8Array(DIGEST_BYTES) : hash.digest().subarray(0, DIGEST_BYTES)
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, at) => byte === right[at])
}

/** Reads a chain of images by blocks of a size. */
export function readerOfView(view: ChainView, blockSize: number): BlockReader {
  const { capacity } = view
  const data = new BlockSet(Math.ceil(capacity / blockSize))
  for (const { start, length, kind } of view.extents()) {
    if (kind === 'zero') continue
    const end = Math.ceil((start + length) / blockSize)
    for (let block = Math.floor(start / blockSize); block < end; block++) data.add(block)
  }
  return {
    capacity,
    blockSize,
    mayHoldData: block => data.has(block),
    read: async (buffer, position) => await view.read(buffer, position),
  }
}

/**
 * Reads what an image will read as once the table of a plan is on disk.
 *
 * @param file The image, in which the data of the plan are written.
 * @param layout Where blocks lie in it.
 * @param below The chain below it, which blocks of a differencing image are read from that it does not hold.
 */
export function readerOfPlan(
  plan: BlockPlan,
  file: OpenFile,
  layout: BlockLayout,
  below: ChainView | undefined,
): BlockReader {
  const { blockSize, variant } = plan.target
  const lower = variant === 'differencing' && below !== undefined ? readerOfView(below, blockSize) : undefined
  return {
    capacity: plan.capacity,
    blockSize,
    mayHoldData: block => {
      const entry = plan.table[block] ?? FREE
      return entry === FREE ? lower?.mayHoldData(block) === true : entry !== ZERO
    },
    read: async (buffer, position) => {
      const entry = plan.table[Math.floor(position / blockSize)] ?? FREE
      buffer.fill(0)
      if (entry === ZERO) return
      if (entry !== FREE) await file.read(buffer, blockOffset(layout, entry) + (position % blockSize))
      else if (lower !== undefined && position < lower.capacity) {
        await lower.read(buffer.subarray(0, lower.capacity - position), position)
      }
    },
  }
}
