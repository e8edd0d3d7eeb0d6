import { type BlockDevice, readBytes } from '../../device.ts'
import { viewOf } from '../../numbers.ts'
import { type ChunkMap, chunkOf } from './chunks.ts'
import { bytesAt, damaged, partOfView, u64At } from './fields.ts'
import { HEADER, ITEM, KEY, MAX_LEVELS, POINTER } from './layout.ts'
import type { Superblock, TreeRoot } from './superblock.ts'

/** What trees are read from. */
export interface Volume {
  readonly device: BlockDevice
  readonly superblock: Superblock
  readonly chunks: ChunkMap
}

/** An item of a leaf. */
export interface Item {
  readonly type: number
  /** Where its key begins in `leaf`. */
  readonly at: number
  readonly leaf: DataView
  readonly data: DataView
}

/** Returns the objectid of an item's key. */
export function objectidOf({ leaf, at }: Item): number {
  return u64At(leaf, at + KEY.objectid)
}

/** Returns the offset of an item's key. */
export function offsetOf({ leaf, at }: Item): number {
  return u64At(leaf, at + KEY.offset)
}

/** Tells whether an item has a key; the numbers may be anything, unlike those of {@link objectidOf}. */
export function hasKey({ leaf, at }: Item, objectid: bigint, type: number): boolean {
  return leaf.getUint8(at + KEY.type) === type && leaf.getBigUint64(at + KEY.objectid, true) === objectid
}

interface Walk {
  readonly volume: Volume
  readonly owner: number
  readonly visit: (item: Item) => void
  readonly signal: AbortSignal | undefined
  /** The key of the last item. */
  last: { readonly view: DataView; readonly at: number } | undefined
}

/** What a node has to be. */
interface Expected {
  readonly bytenr: number
  readonly level: number
  readonly generation: number
  /** The key of its first item, as the node above has it; undefined at the root. */
  readonly key: { readonly view: DataView; readonly at: number } | undefined
}

/**
 * Visits the items of a tree in the order of their keys.
 *
 * No tree can make it go round in circles: each node has to be one level below the one that names it, and each
 * key has to be greater than the one before. One node of each level is in memory.
 *
 * @throws {GuestProblem} When a node is not what it should be; what `visit` throws.
 */
export async function walkTree(
  volume: Volume,
  root: TreeRoot,
  visit: (item: Item) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (root.level >= MAX_LEVELS) throw damaged(`its tree ${root.owner} has ${root.level + 1} levels`)
  const walk: Walk = { volume, owner: root.owner, visit, signal, last: undefined }
  await visitNode(walk, { ...root, key: undefined })
}

async function visitNode(walk: Walk, expected: Expected): Promise<void> {
  walk.signal?.throwIfAborted()
  const node = await readNode(walk, expected)
  const count = node.getUint32(HEADER.nritems, true)
  const { level, key } = expected
  const size = level === 0 ? ITEM.size : POINTER.size
  const isFilled = count <= (node.byteLength - HEADER.size) / size && (count > 0 || key === undefined)
  if (!isFilled) throw damagedNode(walk, expected, `has ${count} items`)
  if (key !== undefined && compareKeys(node, HEADER.size, key.view, key.at) !== 0) {
    throw damagedNode(walk, expected, 'begins with another key than the node above says')
  }
  if (level === 0) return visitItems(walk, expected, node, count)
  for (let index = 0; index < count; index++) {
    const at = HEADER.size + index * POINTER.size
    if (index > 0 && compareKeys(node, at - POINTER.size, node, at) >= 0) {
      throw damagedNode(walk, expected, 'has keys out of order')
    }
    const generation = u64At(node, at + POINTER.generation)
    if (generation > expected.generation) throw damagedNode(walk, expected, 'is older than what it names')
    const bytenr = u64At(node, at + POINTER.blockptr)
    await visitNode(walk, { bytenr, level: level - 1, generation, key: { view: node, at } })
  }
}

function visitItems(walk: Walk, expected: Expected, leaf: DataView, count: number): void {
  // Data fill a leaf from its end on, without gaps.
  let end = leaf.byteLength - HEADER.size
  for (let index = 0; index < count; index++) {
    const at = HEADER.size + index * ITEM.size
    if (walk.last !== undefined && compareKeys(walk.last.view, walk.last.at, leaf, at) >= 0) {
      throw damagedNode(walk, expected, 'has keys out of order')
    }
    walk.last = { view: leaf, at }
    const offset = leaf.getUint32(at + ITEM.offset, true)
    const length = leaf.getUint32(at + ITEM.length, true)
    if (offset + length !== end || offset < count * ITEM.size) {
      throw damagedNode(walk, expected, `has its item ${index} in a strange place`)
    }
    end = offset
    walk.visit({
      type: leaf.getUint8(at + KEY.type),
      at,
      leaf,
      data: partOfView(leaf, HEADER.size + offset, length),
    })
  }
}

async function readNode(walk: Walk, expected: Expected): Promise<DataView> {
  const { device, superblock, chunks } = walk.volume
  const { bytenr, level, generation } = expected
  const chunk = chunkOf(chunks, bytenr, superblock.nodesize)
  const copy = chunk?.copies[0]
  if (chunk === undefined || copy === undefined || bytenr % superblock.sectorsize !== 0) {
    throw damagedNode(walk, expected, 'lies in no chunk')
  }
  const bytes = await readBytes(device, copy + bytenr - chunk.start, superblock.nodesize)
  if (!superblock.isSealed(bytes)) throw damagedNode(walk, expected, 'has a wrong checksum')
  const node = viewOf(bytes)
  const isRight =
    u64At(node, HEADER.bytenr) === bytenr &&
    node.getUint8(HEADER.level) === level &&
    u64At(node, HEADER.generation) === generation &&
    node.getBigUint64(HEADER.owner, true) === BigInt(walk.owner) &&
    bytesAt(node, HEADER.fsid, 16).equals(superblock.nodeUuid)
  if (!isRight) throw damagedNode(walk, expected, 'is another node than it should be')
  return node
}

/** Compares two keys: negative when the first is the lesser. Numbers of 64 bits are compared by their halves. */
function compareKeys(a: DataView, atA: number, b: DataView, atB: number): number {
  return (
    compareHalves(a, atA + KEY.objectid, b, atB + KEY.objectid) ||
    a.getUint8(atA + KEY.type) - b.getUint8(atB + KEY.type) ||
    compareHalves(a, atA + KEY.offset, b, atB + KEY.offset)
  )
}

function compareHalves(a: DataView, atA: number, b: DataView, atB: number): number {
  return (
    a.getUint32(atA + 4, true) - b.getUint32(atB + 4, true) || a.getUint32(atA, true) - b.getUint32(atB, true)
  )
}

function damagedNode({ owner }: Walk, { bytenr }: Expected, found: string): Error {
  return damaged(`its tree ${owner} is damaged: the node at ${bytenr} ${found}`)
}
