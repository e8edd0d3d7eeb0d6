import { Buffer } from 'node:buffer'
import { endianness } from 'node:os'
import { FREE, ZERO } from '../../blocks/constants.ts'
import { VboxmergeError } from '../../errors.ts'
import type { ImageHeader, OpenImage } from '../image.ts'
import { ENTRY_SIZE } from './layout.ts'

/** Entries of a whole block table, or of a part of it. */
export interface TablePart {
  /** Number of the block that the first entry is for. */
  readonly first: number
  readonly entries: Uint32Array
}

/** What a sound block table holds, in blocks. */
export interface TableFacts {
  /** Entries that refer to a physical block. */
  readonly referenced: number
  /** Physical blocks that no entry refers to, as a crash of VirtualBox leaves them. */
  readonly orphans: number
  readonly free: number
  readonly zero: number
}

/** The header fields that place physical blocks in a file. */
export type BlockLayout = Pick<ImageHeader, 'dataOffset' | 'blockSize' | 'blockExtra'>

/** Entries read at once: 256 KiB of the file. */
const PART_ENTRIES = 65536

const IS_BIG_ENDIAN = endianness() === 'BE'

/** Returns the file offset of the data of a physical block, in bytes. */
export function blockOffset(layout: BlockLayout, slot: number): number {
  return layout.dataOffset + slot * slotSize(layout) + layout.blockExtra
}

/** Returns the bytes that a physical block takes in the file. */
export function slotSize(layout: Pick<BlockLayout, 'blockSize' | 'blockExtra'>): number {
  return layout.blockExtra + layout.blockSize
}

/**
 * Returns the whole block table.
 *
 * @param into Is filled and returned, where it is long enough, so that the tables of a long chain can share
 *   their memory. Must not be used by two calls at once.
 * @throws `image_corrupt` when the file ends inside the table; the signal's reason.
 */
export async function readTable(
  image: OpenImage,
  signal?: AbortSignal,
  into?: Uint32Array,
): Promise<Uint32Array> {
  const { blockCount } = image.header
  const reusable = into !== undefined && into.length >= blockCount
  const table = reusable ? into.subarray(0, blockCount) : new Uint32Array(blockCount)
  for (let first = 0; first < blockCount; first += PART_ENTRIES) {
    signal?.throwIfAborted()
    await readEntries(image, first, table.subarray(first, first + PART_ENTRIES))
  }
  return table
}

/**
 * Yields the block table in parts of at most 65536 entries, in their order. The memory of a part is used
 * again for the next one.
 *
 * @throws `image_corrupt` when the file ends inside the table; the signal's reason.
 */
export async function* readTableParts(image: OpenImage, signal?: AbortSignal): AsyncGenerator<TablePart> {
  const { blockCount } = image.header
  const buffer = new Uint32Array(Math.min(PART_ENTRIES, blockCount))
  for (let first = 0; first < blockCount; first += PART_ENTRIES) {
    signal?.throwIfAborted()
    const entries = buffer.subarray(0, Math.min(PART_ENTRIES, blockCount - first))
    await readEntries(image, first, entries)
    yield { first, entries }
  }
}

/** What entries are compared with by the piece: `FREE` has the same bytes in either order. */
const FREE_ENTRIES = new Uint32Array(PART_ENTRIES).fill(FREE)

/**
 * Tells whether no entry of a block table refers to anything, not even to zeros.
 *
 * @throws `image_corrupt` when the file ends inside the table.
 */
export async function isTableFree(image: OpenImage): Promise<boolean> {
  for await (const { entries } of readTableParts(image)) {
    const free = FREE_ENTRIES.subarray(0, entries.length)
    if (Buffer.compare(bytesOf(entries), bytesOf(free)) !== 0) return false
  }
  return true
}

function bytesOf(entries: Uint32Array): Uint8Array {
  return new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength)
}

/** Returns the bytes that store entries of a block table. */
export function encodeEntries(entries: Uint32Array): Uint8Array {
  return swapOnBigEndian(new Uint8Array(entries.slice().buffer))
}

/**
 * Checks that every reference of a block table can be followed and that no two lead to the same place.
 * Physical blocks without a reference are legal. A physical block may be cut short by the end of the file
 * only in what lies behind the end of the virtual disk.
 *
 * @throws `image_corrupt`; the message names the block and what its entry says.
 */
export function checkTable(
  header: ImageHeader,
  table: Uint32Array,
  fileSize: number,
  path: string,
): TableFacts {
  const { allocatedBlocks } = header
  const wholeSlots = Math.floor((fileSize - header.dataOffset) / slotSize(header))
  const seen = new Uint8Array(Math.ceil(allocatedBlocks / 8))
  let referenced = 0
  let free = 0
  let zero = 0
  for (let block = 0; block < table.length; block++) {
    const slot = table[block] ?? FREE
    if (slot === FREE) {
      free++
      continue
    }
    if (slot === ZERO) {
      zero++
      continue
    }
    if (slot >= allocatedBlocks) throw beyondCount(header, block, slot, path)
    if (slot >= wholeSlots && dataEnd(header, block, slot) > fileSize) {
      throw beyondFile(header, block, slot, fileSize, path)
    }
    const bit = 1 << (slot & 7)
    const byte = seen[slot >>> 3] ?? 0
    if ((byte & bit) !== 0) throw sharedSlot(table, block, slot, path)
    seen[slot >>> 3] = byte | bit
    referenced++
  }
  return { referenced, orphans: allocatedBlocks - referenced, free, zero }
}

async function readEntries(image: OpenImage, first: number, entries: Uint32Array): Promise<void> {
  const bytes = bytesOf(entries)
  const offset = image.header.tableOffset + first * ENTRY_SIZE
  const done = await image.file.read(bytes, offset)
  if (done < bytes.length) {
    const problem = `the file ends at byte ${offset + done}, inside its block table`
    throw new VboxmergeError(
      'image_corrupt',
      `Cannot read ${JSON.stringify(image.path)}: ${problem}; restore it from a backup`,
    )
  }
  swapOnBigEndian(bytes)
}

/** Entries are little-endian in the file and in the order of this computer in memory. */
function swapOnBigEndian(bytes: Uint8Array): Uint8Array {
  if (IS_BIG_ENDIAN) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap32()
  return bytes
}

/** The end in the file of what the virtual disk shows of a block. */
function dataEnd(header: ImageHeader, block: number, slot: number): number {
  const shown = Math.min(header.blockSize, header.capacity - block * header.blockSize)
  return shown <= 0 ? 0 : blockOffset(header, slot) + shown
}

function beyondCount(header: ImageHeader, block: number, slot: number, path: string): VboxmergeError {
  return corrupt(path, `block ${block} refers to physical block ${slot} of ${header.allocatedBlocks}`)
}

function beyondFile(
  header: ImageHeader,
  block: number,
  slot: number,
  fileSize: number,
  path: string,
): VboxmergeError {
  const end = dataEnd(header, block, slot)
  const place = `physical block ${slot}, whose data ends at byte ${end}`
  return corrupt(path, `block ${block} refers to ${place}, but the file is ${fileSize} bytes long`)
}

function sharedSlot(table: Uint32Array, block: number, slot: number, path: string): VboxmergeError {
  return corrupt(path, `blocks ${table.indexOf(slot)} and ${block} both refer to physical block ${slot}`)
}

function corrupt(path: string, problem: string): VboxmergeError {
  return new VboxmergeError(
    'image_corrupt',
    `Cannot read ${JSON.stringify(path)}: ${problem}; restore it from a backup`,
  )
}
