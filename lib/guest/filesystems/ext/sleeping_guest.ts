import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { areBitsSet } from './bitmap.ts'
import { type GroupDescriptor, readDescriptors } from './descriptors.ts'
import { littleEndian } from './fields.ts'
import { decodeInode, type Inode } from './inode.ts'
import {
  DIRECT_BLOCKS,
  EXTENT,
  EXTENT_HEADER,
  EXTENT_INDEX,
  EXTENT_MAGIC,
  EXTENT_SIZE,
  MAX_EXTENT_DEPTH,
} from './layout.ts'
import type { Superblock } from './superblock.ts'

/** What the last bytes of the first page of a swap file are while it holds the memory of a guest that sleeps. */
const SIGNATURES = ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001'] as const

const SIGNATURE_SIZE = 10

/** Bytes of a page on the processors that Linux runs on. */
const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536] as const

/** Bytes that no memory of a guest fits into. */
const LEAST_SIZE: number = 2 ** 20

/** Bytes of a table of inodes that are read at once. */
const PIECE = 256 * 1024

/**
 * Looks for a guest that sleeps on the disk: in the swap files of a file system that was not unmounted. When it
 * wakes up it does not replay its journals; it goes on with the bitmaps that it remembers, in which more may be
 * used than the disk knows of. Only a file system in use can hold such a file.
 *
 * Reads the inodes that are in use, and of large files one block.
 *
 * @throws {GuestProblem} With the code `hibernated` when there is one, and for a damaged group.
 * @throws The signal's reason; what reading the device throws.
 */
export async function checkNobodySleeps(
  device: BlockDevice,
  superblock: Superblock,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const descriptor of readDescriptors(device, superblock)) {
    for await (const inode of inodesInUse(device, superblock, descriptor)) {
      signal?.throwIfAborted()
      const isLargeFile = inode.isRegularFile && inode.size >= LEAST_SIZE
      if (!isLargeFile || inode.hasInlineData) continue
      const signature = await signatureOf(device, superblock, inode)
      if (signature === undefined) continue
      const found = `its swap file, inode ${inode.number}, holds the memory of a guest that sleeps (${signature})`
      throw new GuestProblem({ code: 'hibernated', found, wholeDisk: true })
    }
  }
}

async function* inodesInUse(
  device: BlockDevice,
  superblock: Superblock,
  { group, inodeBitmap, inodeTable, unusedInodes }: GroupDescriptor,
): AsyncGenerator<Inode, void, undefined> {
  const { blockSize, inodesPerGroup, inodeSize } = superblock
  const count = inodesPerGroup - Math.min(unusedInodes, inodesPerGroup)
  if (count === 0) return
  const bitmap = await readBytes(device, inodeBitmap * blockSize, blockSize)
  const step = PIECE / inodeSize
  for (let first = 0; first < count; first += step) {
    const behind = Math.min(first + step, count)
    const inUse = range(first, behind).filter(index => areBitsSet(bitmap, index, index + 1))
    if (inUse.length === 0) continue
    const position = inodeTable * blockSize + first * inodeSize
    const bytes = await readBytes(device, position, (behind - first) * inodeSize)
    for (const index of inUse) {
      const at = (index - first) * inodeSize
      yield decodeInode(superblock, bytes.subarray(at, at + inodeSize), group * inodesPerGroup + index + 1)
    }
  }
}

async function signatureOf(
  device: BlockDevice,
  superblock: Superblock,
  inode: Inode,
): Promise<string | undefined> {
  const { blockSize, blocksCount } = superblock
  const blockAt = await firstBlocks(device, superblock, inode)
  for (const pageSize of PAGE_SIZES) {
    const place = pageSize - SIGNATURE_SIZE
    const block = blockAt(Math.floor(place / blockSize))
    if (block === undefined || block >= blocksCount) continue
    const bytes = await readBytes(device, block * blockSize + (place % blockSize), SIGNATURE_SIZE)
    const text = String.fromCharCode(...bytes)
    const signature = SIGNATURES.find(name => text.startsWith(name))
    if (signature !== undefined) return signature
  }
  return undefined
}

/** Returns a function that tells where the first blocks of a file lie, as far as one node of its map says. */
async function firstBlocks(
  device: BlockDevice,
  { blockSize, blocksCount }: Superblock,
  inode: Inode,
): Promise<(block: number) => number | undefined> {
  if (!inode.hasExtents) {
    const { u32 } = littleEndian(inode.blocks)
    return block => (block < DIRECT_BLOCKS ? u32(block * 4) || undefined : undefined)
  }
  let node = littleEndian(inode.blocks)
  let room = inode.blocks.length
  for (let depth = 0; depth < MAX_EXTENT_DEPTH; depth++) {
    if (node.u16(EXTENT_HEADER.eh_magic) !== EXTENT_MAGIC || node.u16(EXTENT_HEADER.eh_depth) === 0) break
    const at = EXTENT_SIZE
    const child = node.joined(at + EXTENT_INDEX.ei_leaf_lo, at + EXTENT_INDEX.ei_leaf_hi, 16)
    if (child === 0 || child >= blocksCount) return () => undefined
    node = littleEndian(await readBytes(device, child * blockSize, blockSize))
    room = blockSize
  }
  const isLeaf = node.u16(EXTENT_HEADER.eh_magic) === EXTENT_MAGIC && node.u16(EXTENT_HEADER.eh_depth) === 0
  const entries = isLeaf
    ? Math.min(node.u16(EXTENT_HEADER.eh_entries), Math.floor(room / EXTENT_SIZE) - 1)
    : 0
  return block => {
    for (const entry of range(1, entries + 1)) {
      const at = entry * EXTENT_SIZE
      const inside = block - node.u32(at + EXTENT.ee_block)
      if (inside < 0 || inside >= node.u16(at + EXTENT.ee_len)) continue
      return node.joined(at + EXTENT.ee_start_lo, at + EXTENT.ee_start_hi, 16) + inside
    }
    return undefined
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at)
}
