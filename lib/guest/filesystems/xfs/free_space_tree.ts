import { type BlockDevice, readBytes } from '../../device.ts'
import { viewOf } from '../../numbers.ts'
import { damagedGroup, type Group } from './group.ts'
import {
  BASIC_BLOCK,
  BTREE,
  BTREE_HEADER_V4,
  BTREE_HEADER_V5,
  BTREE_MAGIC_V4,
  BTREE_MAGIC_V5,
  NULL_BLOCK,
  POINTER_SIZE,
  RECORD_SIZE,
} from './layout.ts'
import { hasRightCrc, type Superblock, uuidAt } from './superblock.ts'

/** Is told of each free extent of a group, in ascending order: blocks inside the group. */
export type ExtentListener = (startblock: number, blockcount: number) => void

/** What has been seen of a tree on the way from left to right. */
interface Walk {
  readonly device: BlockDevice
  readonly superblock: Superblock
  readonly group: Group
  readonly signal: AbortSignal | undefined
  readonly found: ExtentListener
  /** For each level its last block so far, and the right sibling that it names. */
  readonly last: { readonly block: number; readonly rightsib: number }[]
  /** The block behind the last free extent. */
  end: number
}

/**
 * Walks through the tree of free space by block number of an allocation group.
 *
 * No tree can make it go round in circles: each block has to be one level below the one that names it, and each
 * leaf has to begin behind the end of the one before.
 *
 * @throws {GuestProblem} When a block is not what it should be, or extents are out of order, overlap or lie
 *   outside the group.
 */
export async function walkFreeSpace(
  device: BlockDevice,
  superblock: Superblock,
  group: Group,
  found: ExtentListener,
  signal?: AbortSignal,
): Promise<void> {
  const walk: Walk = { device, superblock, group, signal, found, last: [], end: 0 }
  await visit(walk, group.root, group.levels - 1, undefined)
  const open = walk.last.find(({ rightsib }) => rightsib !== NULL_BLOCK)
  if (open !== undefined) throw damagedBlock(walk, open.block, 'names a sibling that no node knows')
}

/** @param key The start of the first extent below this block, as the node above has it; undefined at the root. */
async function visit(walk: Walk, block: number, level: number, key: number | undefined): Promise<void> {
  walk.signal?.throwIfAborted()
  const view = await readBlock(walk, block, level)
  const isV5 = walk.superblock.version === 5
  const from = isV5 ? BTREE_HEADER_V5 : BTREE_HEADER_V4
  const room = walk.superblock.blockSize - from
  const records = view.getUint16(BTREE.bb_numrecs)
  const most = Math.floor(room / (level === 0 ? RECORD_SIZE : RECORD_SIZE + POINTER_SIZE))
  // Only a group without any free space has a tree without records, a single leaf then.
  const least = level === 0 && key === undefined ? 0 : 1
  if (records > most || records < least) throw damagedBlock(walk, block, `has ${records} records`)
  if (key !== undefined && view.getUint32(from) !== key) {
    throw damagedBlock(walk, block, `begins at ${view.getUint32(from)} and not at ${key}`)
  }
  if (level === 0) return tellExtents(walk, view, from, records, block)
  for (let index = 0; index < records; index++) {
    const childKey = view.getUint32(from + index * RECORD_SIZE)
    const child = view.getUint32(from + most * RECORD_SIZE + index * POINTER_SIZE)
    await visit(walk, child, level - 1, childKey)
  }
}

function tellExtents(walk: Walk, view: DataView, from: number, records: number, block: number): void {
  for (let index = 0; index < records; index++) {
    const start = view.getUint32(from + index * RECORD_SIZE)
    const count = view.getUint32(from + index * RECORD_SIZE + 4)
    const isInOrder = start >= walk.end && count > 0 && start + count <= walk.group.length
    if (!isInOrder) {
      throw damagedBlock(walk, block, `has a strange free extent, ${count} blocks from ${start} on`)
    }
    walk.end = start + count
    walk.found(start, count)
  }
}

async function readBlock(walk: Walk, block: number, level: number): Promise<DataView> {
  const { device, superblock, group } = walk
  const { version, blockSize, agblocks } = superblock
  if (block >= group.length) throw damagedGroup(group.number, `names block ${block} of ${group.length}`)
  const position = (group.number * agblocks + block) * blockSize
  const bytes = await readBytes(device, position, blockSize)
  const view = viewOf(bytes)
  const isRight =
    view.getUint32(BTREE.bb_magic) === (version === 5 ? BTREE_MAGIC_V5 : BTREE_MAGIC_V4) &&
    view.getUint16(BTREE.bb_level) === level
  if (!isRight) throw damagedBlock(walk, block, `is no block of level ${level}`)
  const isSealed =
    version === 4 ||
    (view.getBigUint64(BTREE.bb_blkno) === BigInt(position / BASIC_BLOCK) &&
      view.getUint32(BTREE.bb_owner) === group.number &&
      uuidAt(view, BTREE.bb_uuid).equals(superblock.metaUuid) &&
      hasRightCrc(bytes, BTREE.bb_crc))
  if (!isSealed) throw damagedBlock(walk, block, 'has a wrong checksum, place, owner or UUID')

  const left = walk.last[level]
  const leftsib = view.getUint32(BTREE.bb_leftsib)
  const isChained =
    left === undefined ? leftsib === NULL_BLOCK : leftsib === left.block && left.rightsib === block
  if (!isChained) throw damagedBlock(walk, block, 'is not the sibling of the block before it')
  walk.last[level] = { block, rightsib: view.getUint32(BTREE.bb_rightsib) }
  return view
}

function damagedBlock({ group }: Walk, block: number, found: string): Error {
  return damagedGroup(group.number, `has a damaged tree of free space: block ${block} ${found}`)
}
