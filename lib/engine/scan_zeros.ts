import type { BlockPlan } from '../blocks/block_plan.ts'
import { BlockSet } from '../blocks/block_set.ts'
import { FREE, ZERO } from '../blocks/constants.ts'
import { openChain } from '../image/chain_view.ts'
import { isZero } from '../image/zero.ts'
import { withAlignedBuffer } from '../io/aligned_buffer.ts'
import type { Files } from '../io/files.ts'
import { inLanes } from '../io/in_lanes.ts'

/** Blocks of a disk that hold nothing but zeros, one bit each. */
export interface ZeroBlocks {
  has(block: number): boolean
  readonly count: number
  /** Bytes that were read to find them. */
  readonly readBytes: number
}

/** A block with data mostly shows it in its first bytes, so few blocks have to be read to their end. */
const FIRST_READ = 64 * 1024
const LARGEST_READ = 1024 * 1024
const IN_FLIGHT = 4

/**
 * Finds the blocks of a plan's outcome that hold nothing but zeros.
 *
 * @param paths Files of the range, lowest first, down to the base.
 * @param skip Tells of blocks that are not looked at.
 * @param onRead Is told the bytes of disk that were dealt with since the last call.
 * @throws The signal's reason.
 */
export async function scanZeros(
  files: Files,
  paths: readonly string[],
  plan: BlockPlan,
  onRead: (bytes: number) => void,
  signal: AbortSignal | undefined,
  skip: (block: number) => boolean = () => false,
): Promise<ZeroBlocks> {
  const view = await openChain(files, paths, { links: 'ignore', ...(signal === undefined ? {} : { signal }) })
  const found = new BlockSet(plan.table.length)
  const { blockSize } = plan.target
  let count = 0
  let readBytes = 0
  const scanBlock = async (block: number, buffer: Uint8Array): Promise<void> => {
    const start = block * blockSize
    const length = Math.min(blockSize, plan.capacity - start)
    for (let at = 0; at < length; ) {
      const part = buffer.subarray(
        0,
        at === 0 ? Math.min(FIRST_READ, length) : Math.min(buffer.length, length - at),
      )
      await view.read(part, start + at)
      readBytes += part.length
      if (!isZero(part)) return
      at += part.length
    }
    found.add(block)
    count += 1
  }
  try {
    await inLanes(IN_FLIGHT, dataBlocks(plan), async block => {
      signal?.throwIfAborted()
      if (!skip(block))
        await withAlignedBuffer(Math.min(blockSize, LARGEST_READ), buffer => scanBlock(block, buffer))
      onRead(blockSize)
    })
  } finally {
    await view.close()
  }
  return { has: block => found.has(block), count, readBytes }
}

function* dataBlocks({ table }: BlockPlan): Generator<number> {
  for (const [block, entry] of table.entries()) if (entry !== FREE && entry !== ZERO) yield block
}
