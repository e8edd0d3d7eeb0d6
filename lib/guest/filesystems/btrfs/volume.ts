import type { BlockDevice } from '../../device.ts'
import { type Chunk, chunkOf, decodeChunk, placesOf, readSystemChunks, sortChunks } from './chunks.ts'
import { damaged, u64At, unsupported } from './fields.ts'
import {
  CHUNK_TYPE,
  DEV,
  DEV_ITEMS_OBJECTID,
  FIRST_CHUNK_TREE_OBJECTID,
  ROOT_ITEM,
  TREE,
  TYPE,
} from './layout.ts'
import type { Superblock, TreeRoot } from './superblock.ts'
import { hasKey, objectidOf, offsetOf, type Volume, walkTree } from './tree.ts'

/**
 * Reads the chunk tree: what trees and extents are found by.
 *
 * @throws {GuestProblem} When it is damaged, or made for more than one device.
 */
export async function readVolume(device: BlockDevice, superblock: Superblock): Promise<Volume> {
  const system = readSystemChunks(superblock)
  const found: Chunk[] = []
  let devices = 0
  await walkTree({ device, superblock, chunks: system }, superblock.chunkRoot, item => {
    if (item.type === TYPE.DEV_ITEM && objectidOf(item) === DEV_ITEMS_OBJECTID) {
      devices++
      checkDevice(item.data, superblock)
    } else if (item.type === TYPE.CHUNK_ITEM && objectidOf(item) === FIRST_CHUNK_TREE_OBJECTID) {
      found.push(decodeChunk(offsetOf(item), item.data, superblock))
    } else {
      throw unsupported(`its chunk tree has an item of type ${item.type}`)
    }
  })
  if (devices !== 1) throw damaged(`its chunk tree has ${devices} devices`)
  const chunks = sortChunks(found)
  checkSystem(system, chunks)
  const bytes = placesOf(chunks).reduce((sum, { length }) => sum + length, 0)
  if (bytes !== superblock.device.bytesUsed) {
    throw damaged(`its chunks take up ${bytes} bytes, its superblock says ${superblock.device.bytesUsed}`)
  }
  return { device, superblock, chunks }
}

/**
 * Looks up where the extent tree is rooted.
 *
 * @throws {GuestProblem} When the tree of roots is damaged or has none.
 */
export async function findExtentTree(volume: Volume, signal?: AbortSignal): Promise<TreeRoot> {
  let root: TreeRoot | undefined
  await walkTree(
    volume,
    volume.superblock.root,
    item => {
      if (!hasKey(item, BigInt(TREE.extent), TYPE.ROOT_ITEM)) return
      if (root !== undefined || item.data.byteLength < ROOT_ITEM.size)
        throw damaged('its extent tree has no root')
      root = {
        bytenr: u64At(item.data, ROOT_ITEM.bytenr),
        level: item.data.getUint8(ROOT_ITEM.level),
        generation: u64At(item.data, ROOT_ITEM.generation),
        owner: TREE.extent,
      }
    },
    signal,
  )
  if (root === undefined) throw damaged('its extent tree has no root')
  return root
}

function checkDevice(item: DataView, { device }: Superblock): void {
  const isRight =
    item.byteLength === DEV.size &&
    u64At(item, DEV.devid) === device.devid &&
    u64At(item, DEV.total_bytes) === device.totalBytes &&
    u64At(item, DEV.bytes_used) === device.bytesUsed
  if (!isRight) throw damaged('its chunk tree describes its device in another way than its superblock')
}

/** The chunks of the system have to be the same in the superblock and in the tree. */
function checkSystem(system: readonly Chunk[], chunks: readonly Chunk[]): void {
  const inTree = chunks.filter(({ type }) => Math.floor(type / CHUNK_TYPE.SYSTEM) % 2 === 1)
  const isSame =
    inTree.length === system.length &&
    system.every(chunk => {
      const twin = chunkOf(chunks, chunk.start, chunk.length)
      return twin !== undefined && JSON.stringify(twin) === JSON.stringify(chunk)
    })
  if (!isSame) throw damaged('its superblock has other system chunks than its chunk tree')
}
