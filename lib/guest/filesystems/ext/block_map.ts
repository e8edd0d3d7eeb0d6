import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged } from './check_superblock.ts'
import { type Fields, littleEndian } from './fields.ts'
import type { BlockRange } from './groups.ts'
import type { Inode } from './inode.ts'
import {
  DIRECT_BLOCKS,
  EXTENT,
  EXTENT_HEADER,
  EXTENT_INDEX,
  EXTENT_MAGIC,
  EXTENT_SIZE,
  I_BLOCK_SIZE,
  MAX_EXTENT_DEPTH,
  MAX_EXTENT_LENGTH,
} from './layout.ts'
import { hasRoCompat, type Superblock } from './superblock.ts'

/** Where the blocks of a file lie. */
export interface BlockMap {
  /** The file's blocks in their order, as few runs as possible. */
  readonly runs: readonly BlockRange[]
  /** Blocks that hold parts of the map itself. */
  readonly nodes: readonly number[]
}

/** Runs and blocks of the map that are read at most, limits of this project; a journal has a few dozen. */
const MAX_RUNS: number = 2 ** 17
const MAX_NODES: number = 2 ** 14

/**
 * Reads where the first `count` blocks of a file without holes lie.
 *
 * @throws {GuestProblem} When one of them is missing, was never written or lies outside the file system, and for
 *   a wrong checksum.
 * @throws What reading the device throws.
 */
export async function readBlockMap(
  device: BlockDevice,
  superblock: Superblock,
  inode: Inode,
  count: number,
): Promise<BlockMap> {
  const reader: MapReader = { device, superblock, inode, count, known: 0, runs: [], nodes: [] }
  if (inode.hasExtents) await readExtents(reader, inode.blocks, undefined)
  else await readPointers(reader)
  if (reader.known < count) throw bad(reader, `has no block ${reader.known} of ${count}`)
  return reader
}

interface MapReader extends BlockMap {
  readonly device: BlockDevice
  readonly superblock: Superblock
  readonly inode: Inode
  readonly count: number
  /** Blocks of the file found so far; they are found in their order. */
  known: number
  readonly runs: BlockRange[]
  readonly nodes: number[]
}

/** Reads a node of the tree of extents; `depth` is what its parent says, undefined for the root. */
async function readExtents(reader: MapReader, bytes: Uint8Array, depth: number | undefined): Promise<void> {
  const { u16, u32, joined } = littleEndian(bytes)
  const entries = u16(EXTENT_HEADER.eh_entries)
  const ownDepth = u16(EXTENT_HEADER.eh_depth)
  const room = Math.floor(bytes.length / EXTENT_SIZE) - 1
  const isSound =
    u16(EXTENT_HEADER.eh_magic) === EXTENT_MAGIC &&
    u16(EXTENT_HEADER.eh_max) <= room &&
    entries <= u16(EXTENT_HEADER.eh_max) &&
    (depth === undefined ? ownDepth <= MAX_EXTENT_DEPTH : ownDepth === depth)
  if (!isSound) throw bad(reader, 'has a damaged tree of extents')
  if (bytes.length > I_BLOCK_SIZE) checkNode(reader, bytes, u16(EXTENT_HEADER.eh_max))
  for (let entry = 1; entry <= entries && reader.known < reader.count; entry++) {
    const at = entry * EXTENT_SIZE
    if (ownDepth > 0) {
      if (u32(at + EXTENT_INDEX.ei_block) !== reader.known) throw bad(reader, 'has a damaged tree of extents')
      const child = joined(at + EXTENT_INDEX.ei_leaf_lo, at + EXTENT_INDEX.ei_leaf_hi, 16)
      const before = reader.known
      await readExtents(reader, await readNode(reader, child), ownDepth - 1)
      if (reader.known === before) throw bad(reader, 'has an empty node in its tree of extents')
      continue
    }
    const length = u16(at + EXTENT.ee_len)
    const isNext = u32(at + EXTENT.ee_block) === reader.known && length > 0 && length <= MAX_EXTENT_LENGTH
    if (!isNext) throw bad(reader, `has no block ${reader.known}`)
    addRun(reader, joined(at + EXTENT.ee_start_lo, at + EXTENT.ee_start_hi, 16), length)
  }
}

/** Checks the checksum behind the last entry that there is room for. */
function checkNode({ superblock, inode }: MapReader, bytes: Uint8Array, room: number): void {
  if (!hasRoCompat(superblock, 'metadata_csum')) return
  const at = (room + 1) * EXTENT_SIZE
  const isRight =
    at + 4 <= bytes.length &&
    littleEndian(bytes).u32(at) === crc32c(bytes.subarray(0, at), inode.checksumSeed)
  if (isRight) return
  throw new GuestProblem(damaged(`a checksum in the tree of extents of its inode ${inode.number} is wrong`))
}

/** Twelve block numbers, then one of a block of block numbers, one of a block of such blocks, and one more. */
async function readPointers(reader: MapReader): Promise<void> {
  const root = littleEndian(reader.inode.blocks)
  addPointers(reader, root, DIRECT_BLOCKS)
  for (let level = 1; level <= 3 && reader.known < reader.count; level++) {
    await readIndirect(reader, root.u32((DIRECT_BLOCKS + level - 1) * 4), level)
  }
}

async function readIndirect(reader: MapReader, block: number, level: number): Promise<void> {
  const bytes = await readNode(reader, block)
  const pointers = littleEndian(bytes)
  if (level === 1) return addPointers(reader, pointers, bytes.length / 4)
  for (let at = 0; at < bytes.length && reader.known < reader.count; at += 4) {
    await readIndirect(reader, pointers.u32(at), level - 1)
  }
}

function addPointers(reader: MapReader, pointers: Fields, room: number): void {
  for (let index = 0; index < room && reader.known < reader.count; index++)
    addRun(reader, pointers.u32(index * 4), 1)
}

async function readNode(reader: MapReader, block: number): Promise<Uint8Array> {
  const { device, superblock, nodes } = reader
  checkInside(reader, block, 1)
  if (nodes.length >= MAX_NODES) throw tooManyPieces(reader)
  nodes.push(block)
  return await readBytes(device, block * superblock.blockSize, superblock.blockSize)
}

function addRun(reader: MapReader, start: number, length: number): void {
  checkInside(reader, start, length)
  const { runs } = reader
  const last = runs.at(-1)
  const used = Math.min(length, reader.count - reader.known)
  if (last !== undefined && last.start + last.length === start) {
    runs[runs.length - 1] = { start: last.start, length: last.length + used }
  } else {
    if (runs.length >= MAX_RUNS) throw tooManyPieces(reader)
    runs.push({ start, length: used })
  }
  reader.known += used
}

function checkInside(reader: MapReader, start: number, length: number): void {
  const { blocksCount, firstDataBlock } = reader.superblock
  if (start > firstDataBlock && start + length <= blocksCount) return
  throw bad(reader, start === 0 ? `has no block ${reader.known}` : `has a block ${start}`)
}

function tooManyPieces({ inode }: MapReader): GuestProblem {
  const found = `its inode ${inode.number} is in more than ${MAX_RUNS} pieces`
  return new GuestProblem({ code: 'unsupported_feature', found })
}

function bad({ inode }: MapReader, found: string): GuestProblem {
  return new GuestProblem(damaged(`its inode ${inode.number} ${found}`))
}
