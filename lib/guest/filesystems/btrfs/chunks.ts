import { bytesAt, damaged, partOfView, u64At, unsupported } from './fields.ts'
import { CHUNK, CHUNK_TYPE, DUP, FIRST_CHUNK_TREE_OBJECTID, KEY, PROFILES, STRIPE, TYPE } from './layout.ts'
import type { Superblock } from './superblock.ts'

/** A run of logical addresses, and where it lies on the device: once, or twice with the same content. */
export interface Chunk {
  /** First logical address. */
  readonly start: number
  /** Bytes. */
  readonly length: number
  /** Bits of what it holds, and of its profile. */
  readonly type: number
  /** Bytes of the device at which its copies begin. */
  readonly copies: readonly number[]
}

/** All chunks, in order of their logical addresses. */
export type ChunkMap = readonly Chunk[]

/** More chunks than this are not read, a limit of this project: there is one for each GiB or so. */
const MAX_CHUNKS: number = 2 ** 20

/**
 * Returns the chunk that a chunk item describes.
 *
 * @param start The offset of the item's key.
 * @throws {GuestProblem} When it is damaged, or made for more than one device.
 */
export function decodeChunk(start: number, item: DataView, { device, sectorsize }: Superblock): Chunk {
  if (item.byteLength < CHUNK.stripes) throw damaged(`its chunk at ${start} is cut off`)
  const length = u64At(item, CHUNK.length)
  const type = u64At(item, CHUNK.type)
  const stripes = item.getUint16(CHUNK.num_stripes, true)
  checkType(start, type)
  if (stripes !== copiesOf(type) || item.byteLength !== CHUNK.stripes + stripes * STRIPE.size) {
    throw damaged(`its chunk at ${start} has ${stripes} stripes`)
  }
  const copies = Array.from({ length: stripes }, (_, index) => {
    const stripe = partOfView(item, CHUNK.stripes + index * STRIPE.size, STRIPE.size)
    const isOurs =
      u64At(stripe, STRIPE.devid) === device.devid && bytesAt(stripe, STRIPE.dev_uuid, 16).equals(device.uuid)
    if (!isOurs) throw damaged(`its chunk at ${start} lies on another device`)
    return u64At(stripe, STRIPE.offset)
  })
  const isInside =
    length > 0 &&
    Number.isSafeInteger(start + length) &&
    [start, length, ...copies].every(bytes => bytes % sectorsize === 0) &&
    copies.every(copy => copy + length <= device.totalBytes)
  if (!isInside) throw damaged(`its chunk at ${start} has an impossible place or length`)
  return { start, length, type, copies }
}

/**
 * Returns the chunks of the system that the superblock itself names, by which the chunk tree is found.
 *
 * @throws {GuestProblem} When one is damaged.
 */
export function readSystemChunks(superblock: Superblock): ChunkMap {
  const { systemChunks: array } = superblock
  const chunks: Chunk[] = []
  for (let at = 0; at < array.byteLength; ) {
    const head = array.byteLength - at
    if (head < KEY.size + CHUNK.stripes) throw damaged('its superblock has half a chunk')
    const isChunk =
      u64At(array, at + KEY.objectid) === FIRST_CHUNK_TREE_OBJECTID &&
      array.getUint8(at + KEY.type) === TYPE.CHUNK_ITEM
    if (!isChunk) throw damaged('its superblock has a strange key among its chunks')
    const stripes = array.getUint16(at + KEY.size + CHUNK.num_stripes, true)
    const length = CHUNK.stripes + stripes * STRIPE.size
    if (length > head - KEY.size) throw damaged('its superblock has half a chunk')
    chunks.push(
      decodeChunk(u64At(array, at + KEY.offset), partOfView(array, at + KEY.size, length), superblock),
    )
    at += KEY.size + length
  }
  return sortChunks(chunks)
}

/**
 * Returns chunks in order of their logical addresses.
 *
 * @throws {GuestProblem} When two have an address or a byte of the device in common, or there are too many.
 */
export function sortChunks(chunks: readonly Chunk[]): ChunkMap {
  if (chunks.length > MAX_CHUNKS) throw unsupported(`it has ${chunks.length} chunks, more than ${MAX_CHUNKS}`)
  const sorted = [...chunks].sort((a, b) => a.start - b.start)
  checkApart(sorted)
  checkApart(placesOf(sorted))
  return sorted
}

/** Returns every run of bytes of the device that a chunk lies on, in order. */
export function placesOf(chunks: ChunkMap): { readonly start: number; readonly length: number }[] {
  return chunks
    .flatMap(({ copies, length }) => copies.map(start => ({ start, length })))
    .sort((a, b) => a.start - b.start)
}

/** Returns the chunk that holds a run of logical addresses whole; undefined when none does. */
export function chunkOf(chunks: ChunkMap, start: number, length: number): Chunk | undefined {
  const chunk = chunks[chunkIndexOf(chunks, start)]
  return chunk !== undefined && start + length <= chunk.start + chunk.length ? chunk : undefined
}

/** Returns the index of the chunk that holds a logical address; -1 when none does. */
export function chunkIndexOf(chunks: ChunkMap, address: number): number {
  let low = 0
  let high = chunks.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const chunk = chunks[middle] as Chunk
    if (chunk.start + chunk.length <= address) low = middle + 1
    else high = middle
  }
  const chunk = chunks[low]
  return chunk !== undefined && chunk.start <= address ? low : -1
}

function checkType(start: number, type: number): void {
  const held = type % 8
  const profile = type - held
  const names = Object.entries(PROFILES).filter(([bit]) => Math.floor(profile / Number(bit)) % 2 === 1)
  if (names.length > 0)
    throw unsupported(`its chunks are of profile ${names.map(([, name]) => name).join(', ')}`)
  const isKnown = (profile === 0 || profile === DUP) && held > 0
  const isPure = held === CHUNK_TYPE.SYSTEM || Math.floor(held / CHUNK_TYPE.SYSTEM) % 2 === 0
  if (!isKnown || !isPure) throw unsupported(`its chunk at ${start} is of type ${type}`)
}

function copiesOf(type: number): number {
  return type >= DUP ? 2 : 1
}

function checkApart(runs: readonly { readonly start: number; readonly length: number }[]): void {
  for (const [index, { start }] of runs.entries()) {
    const before = runs[index - 1]
    if (before !== undefined && before.start + before.length > start) throw damaged('its chunks overlap')
  }
}
