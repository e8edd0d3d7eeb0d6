import type { Buffer } from 'node:buffer'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { viewOf } from '../../numbers.ts'
import { checksumOf, type IsSealed } from './checksums.ts'
import { checkFeatures, METADATA_UUID } from './features.ts'
import { bytesAt, damaged, u64At } from './fields.ts'
import {
  DEV,
  MAGIC,
  MAX_LEVELS,
  MAX_NODE_SIZE,
  MIN_SECTOR_SIZE,
  SB,
  SUPER_COPIES,
  SUPER_OFFSET,
  SUPER_SIZE,
  SYS_CHUNK_ARRAY_SIZE,
  TREE,
} from './layout.ts'

/** Where a tree is rooted, and what its root has to say of itself. */
export interface TreeRoot {
  /** Logical address. */
  readonly bytenr: number
  readonly level: number
  readonly generation: number
  /** Number of the tree. */
  readonly owner: number
}

/** The device as the superblock describes it. */
export interface Device {
  readonly devid: number
  /** Bytes that the file system takes up. */
  readonly totalBytes: number
  /** Bytes of all stripes. */
  readonly bytesUsed: number
  readonly uuid: Buffer
}

/** What the superblock says, checked. */
export interface Superblock {
  readonly generation: number
  readonly root: TreeRoot
  readonly chunkRoot: TreeRoot
  /** Bytes of all extents. */
  readonly bytesUsed: number
  readonly sectorsize: number
  readonly nodesize: number
  readonly device: Device
  /** What nodes carry as their fsid. */
  readonly nodeUuid: Buffer
  /** Keys and chunks of the system. */
  readonly systemChunks: DataView
  readonly isSealed: IsSealed
}

/** Reads the first superblock; undefined when it does not carry the signature. */
export async function readHead(device: BlockDevice): Promise<DataView | undefined> {
  if (device.size < SUPER_OFFSET + SUPER_SIZE) return undefined
  const head = viewOf(await readBytes(device, SUPER_OFFSET, SUPER_SIZE))
  return hasMagic(head) ? head : undefined
}

/** Returns label and size as the superblock has them, whatever else is wrong with it. */
export function appearanceOf(
  head: DataView,
  device: BlockDevice,
): { readonly label: string | undefined; readonly size: number } {
  const text = bytesAt(head, SB.label, 256)
  const end = text.indexOf(0)
  const label = text.toString('utf8', 0, end === -1 ? text.length : end)
  const claimed = Number(head.getBigUint64(SB.dev_item + DEV.total_bytes, true))
  return { label: label === '' ? undefined : label, size: Math.min(claimed, device.size) }
}

/**
 * Checks the first superblock against what is understood, and against its copies.
 *
 * @param head The first superblock.
 * @throws {GuestProblem} When it is damaged, says something that is not understood, or is not to be trusted.
 */
export async function readSuperblock(head: DataView, device: BlockDevice): Promise<Superblock> {
  const isSealed = checksumOf(head.getUint16(SB.csum_type, true))
  if (!isSealed(bytesAt(head, 0, SUPER_SIZE))) throw damaged('the checksum of its superblock is wrong')
  if (u64At(head, SB.bytenr) !== SUPER_OFFSET) throw damaged('its superblock is the copy of another place')
  checkFeatures(head)
  if (head.getBigUint64(SB.num_devices, true) !== 1n) {
    throw new GuestProblem({
      code: 'multiple_devices',
      found: `it has ${head.getBigUint64(SB.num_devices, true)} devices`,
    })
  }
  if (head.getBigUint64(SB.log_root, true) !== 0n) {
    throw new GuestProblem({ code: 'unclean', found: 'its log has to be replayed (log_root)' })
  }
  const superblock = decode(head, isSealed)
  checkSizes(superblock, head, device)
  await checkCopies(superblock, head, device)
  return superblock
}

function decode(head: DataView, isSealed: IsSealed): Superblock {
  const generation = u64At(head, SB.generation)
  const hasMetadataUuid = (head.getBigUint64(SB.incompat_flags, true) & METADATA_UUID) !== 0n
  const arraySize = head.getUint32(SB.sys_chunk_array_size, true)
  if (arraySize > SYS_CHUNK_ARRAY_SIZE) throw impossible('sys_chunk_array_size', arraySize)
  return {
    generation,
    root: {
      bytenr: u64At(head, SB.root),
      level: head.getUint8(SB.root_level),
      generation,
      owner: TREE.root,
    },
    chunkRoot: {
      bytenr: u64At(head, SB.chunk_root),
      level: head.getUint8(SB.chunk_root_level),
      generation: u64At(head, SB.chunk_root_generation),
      owner: TREE.chunk,
    },
    bytesUsed: u64At(head, SB.bytes_used),
    sectorsize: head.getUint32(SB.sectorsize, true),
    nodesize: head.getUint32(SB.nodesize, true),
    device: {
      devid: u64At(head, SB.dev_item + DEV.devid),
      totalBytes: u64At(head, SB.dev_item + DEV.total_bytes),
      bytesUsed: u64At(head, SB.dev_item + DEV.bytes_used),
      uuid: bytesAt(head, SB.dev_item + DEV.uuid, 16),
    },
    nodeUuid: bytesAt(head, hasMetadataUuid ? SB.metadata_uuid : SB.fsid, 16),
    systemChunks: new DataView(head.buffer, head.byteOffset + SB.sys_chunk_array, arraySize),
    isSealed,
  }
}

function checkSizes(superblock: Superblock, head: DataView, device: BlockDevice): void {
  const { sectorsize, nodesize, root, chunkRoot } = superblock
  const { totalBytes } = superblock.device
  if (!isPowerOfTwo(sectorsize) || sectorsize < MIN_SECTOR_SIZE) throw impossible('sectorsize', sectorsize)
  if (!isPowerOfTwo(nodesize) || nodesize < sectorsize || nodesize > MAX_NODE_SIZE) {
    throw impossible('nodesize', nodesize)
  }
  if (root.level >= MAX_LEVELS) throw impossible('root_level', root.level)
  if (chunkRoot.level >= MAX_LEVELS) throw impossible('chunk_root_level', chunkRoot.level)
  if (totalBytes > device.size) {
    throw damaged(`its ${totalBytes} bytes are more than the ${device.size} bytes it lies on`)
  }
  if (u64At(head, SB.total_bytes) !== totalBytes) {
    throw damaged(`its superblock has two sizes, ${u64At(head, SB.total_bytes)} and ${totalBytes} bytes`)
  }
}

/** A copy of a later generation means that the first superblock was damaged and put right from an old state. */
async function checkCopies(superblock: Superblock, head: DataView, device: BlockDevice): Promise<void> {
  for (const offset of SUPER_COPIES) {
    if (offset + SUPER_SIZE > device.size) continue
    const copy = viewOf(await readBytes(device, offset, SUPER_SIZE))
    const isCopy =
      hasMagic(copy) &&
      bytesAt(copy, SB.fsid, 16).equals(bytesAt(head, SB.fsid, 16)) &&
      superblock.isSealed(bytesAt(copy, 0, SUPER_SIZE))
    if (!isCopy) continue
    const generation = u64At(copy, SB.generation)
    if (generation <= superblock.generation) continue
    throw new GuestProblem({
      code: 'ambiguous',
      found: `its superblock is of generation ${superblock.generation}, a copy of generation ${generation}`,
    })
  }
}

function hasMagic(superblock: DataView): boolean {
  return bytesAt(superblock, SB.magic, MAGIC.length).toString('latin1') === MAGIC
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value))
}

function impossible(field: string, value: number): GuestProblem {
  return damaged(`its superblock has an impossible ${field}, ${value}`)
}
