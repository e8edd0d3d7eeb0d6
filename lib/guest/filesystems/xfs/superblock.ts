import { Buffer } from 'node:buffer'
import { invertedCrc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { viewOf } from '../../numbers.ts'
import { checkFeatures } from './features.ts'
import {
  MAX_AG_BYTES,
  MAX_BLOCK_SIZE,
  MAX_LOG_BYTES,
  MAX_SECTOR_SIZE,
  MIN_AG_BLOCKS,
  MIN_SECTOR_SIZE,
  SB,
  SB_MAGIC,
} from './layout.ts'

/** What the superblock says, checked: nothing of it reaches beyond the device. */
export interface Superblock {
  /** 4 or 5; version 5 has checksums. */
  readonly version: number
  /** Bytes. */
  readonly blockSize: number
  /** Bytes of a sector, in which the heads of groups are laid out. */
  readonly sectorSize: number
  /** Blocks of the data device. */
  readonly dblocks: number
  readonly agblocks: number
  readonly agcount: number
  /** Bytes that the file system takes up. */
  readonly size: number
  readonly fdblocks: number
  readonly uuid: Buffer
  /** What metadata carry; mostly the same as `uuid`. */
  readonly metaUuid: Buffer
  readonly log: LogPlace
}

/** Where the log lies. */
export interface LogPlace {
  /** Allocation group. */
  readonly group: number
  /** First block inside the group. */
  readonly block: number
  readonly blocks: number
  /** Byte of the device. */
  readonly start: number
  /** Bytes. */
  readonly length: number
}

/** What may be told of a file system even when its superblock is not understood. */
export interface Appearance {
  readonly label: string | undefined
  /** Bytes, never more than the device has. */
  readonly size: number
}

/** Reads the first bytes of the superblock; undefined when they do not carry its signature. */
export async function readHead(device: BlockDevice): Promise<DataView | undefined> {
  if (device.size < MIN_SECTOR_SIZE) return undefined
  const head = viewOf(await readBytes(device, 0, MIN_SECTOR_SIZE))
  return head.getUint32(SB.sb_magicnum) === SB_MAGIC ? head : undefined
}

/** Returns label and size as the superblock has them, whatever else is wrong with it. */
export function appearanceOf(head: DataView, device: BlockDevice): Appearance {
  const name = Buffer.from(head.buffer, head.byteOffset + SB.sb_fname, 12)
  const end = name.indexOf(0)
  const label = name.toString('utf8', 0, end === -1 ? name.length : end)
  const claimed = Number(head.getBigUint64(SB.sb_dblocks)) * head.getUint32(SB.sb_blocksize)
  return { label: label === '' ? undefined : label, size: Math.min(claimed, device.size) }
}

/**
 * Reads and checks the superblock.
 *
 * @param head The first 512 bytes.
 * @throws {GuestProblem} When it is damaged or says something that is not understood.
 */
export async function readSuperblock(head: DataView, device: BlockDevice): Promise<Superblock> {
  const version = head.getUint16(SB.sb_versionnum) % 16
  if (version !== 4 && version !== 5) {
    throw new GuestProblem({ code: 'unsupported_feature', found: `it is XFS of version ${version}` })
  }
  const sectorSize = powerOfTwo(head, 'sb_sectsize', head.getUint16(SB.sb_sectsize), SB.sb_sectlog)
  if (sectorSize < MIN_SECTOR_SIZE || sectorSize > MAX_SECTOR_SIZE) throw wrong('sb_sectsize', sectorSize)
  if (version === 5) await checkSum(device, sectorSize)
  checkFeatures(head, version)

  const blockSize = powerOfTwo(head, 'sb_blocksize', head.getUint32(SB.sb_blocksize), SB.sb_blocklog)
  if (blockSize < sectorSize || blockSize > MAX_BLOCK_SIZE) throw wrong('sb_blocksize', blockSize)
  const groups = readGroups(head, blockSize, device)
  const uuid = uuidAt(head, SB.sb_uuid)
  const hasMetaUuid = version === 5 && Math.floor(head.getUint32(SB.sb_features_incompat) / 4) % 2 === 1
  const fdblocks = Number(head.getBigUint64(SB.sb_fdblocks))
  if (fdblocks > groups.dblocks) throw wrong('sb_fdblocks', fdblocks)
  return {
    version,
    blockSize,
    sectorSize,
    ...groups,
    size: groups.dblocks * blockSize,
    fdblocks,
    uuid,
    metaUuid: hasMetaUuid ? uuidAt(head, SB.sb_meta_uuid) : uuid,
    log: readLogPlace(head, blockSize, groups),
  }
}

/** Blocks of an allocation group: the last one takes what is left. */
export function blocksOfGroup(
  { dblocks, agblocks, agcount }: Pick<Superblock, 'dblocks' | 'agblocks' | 'agcount'>,
  group: number,
): number {
  return group === agcount - 1 ? dblocks - agblocks * group : agblocks
}

type Groups = Pick<Superblock, 'dblocks' | 'agblocks' | 'agcount'>

function readGroups(head: DataView, blockSize: number, device: BlockDevice): Groups {
  const dblocks = Number(head.getBigUint64(SB.sb_dblocks))
  const agblocks = head.getUint32(SB.sb_agblocks)
  const agcount = head.getUint32(SB.sb_agcount)
  // Beyond 2^53 the product is not exact, but then it is larger than any device as well.
  if (dblocks * blockSize > device.size) {
    throw new GuestProblem({
      code: 'damaged',
      found: `its ${dblocks} blocks of ${blockSize} bytes are more than the ${device.size} bytes it lies on`,
    })
  }
  if (agblocks < MIN_AG_BLOCKS || agblocks * blockSize > MAX_AG_BYTES) throw wrong('sb_agblocks', agblocks)
  if (agcount !== Math.ceil(dblocks / agblocks)) throw wrong('sb_agcount', agcount)
  const agblklog = head.getUint8(SB.sb_agblklog)
  if (agblklog !== Math.ceil(Math.log2(agblocks))) throw wrong('sb_agblklog', agblklog)
  return { dblocks, agblocks, agcount }
}

function readLogPlace(head: DataView, blockSize: number, groups: Groups): LogPlace {
  const logstart = head.getBigUint64(SB.sb_logstart)
  if (logstart === 0n) {
    throw new GuestProblem({ code: 'multiple_devices', found: 'its log is on another device' })
  }
  const perGroup = 2n ** BigInt(head.getUint8(SB.sb_agblklog))
  const group = Number(logstart / perGroup)
  const block = Number(logstart % perGroup)
  const blocks = head.getUint32(SB.sb_logblocks)
  const isInside = group < groups.agcount && block + blocks <= blocksOfGroup(groups, group)
  if (!isInside) throw wrong('sb_logstart', logstart)
  if (blocks === 0 || blocks * blockSize > MAX_LOG_BYTES) throw wrong('sb_logblocks', blocks)
  const start = (group * groups.agblocks + block) * blockSize
  return { group, block, blocks, start, length: blocks * blockSize }
}

async function checkSum(device: BlockDevice, sectorSize: number): Promise<void> {
  if (sectorSize <= device.size && hasRightCrc(await readBytes(device, 0, sectorSize), SB.sb_crc)) return
  throw new GuestProblem({ code: 'damaged', found: 'the checksum of its superblock is wrong' })
}

/** Tells whether a sector or block of version 5 carries its checksum, which leaves out its own four bytes. */
export function hasRightCrc(bytes: Uint8Array, at: number): boolean {
  const stored = viewOf(bytes).getUint32(at, true)
  return stored === invertedCrc32c(bytes.subarray(0, at), new Uint8Array(4), bytes.subarray(at + 4))
}

/** Returns the UUID at an offset, as a view of the same bytes. */
export function uuidAt(view: DataView, at: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + at, 16)
}

function powerOfTwo(head: DataView, name: string, value: number, logAt: number): number {
  if (value !== 2 ** head.getUint8(logAt)) throw wrong(name, value)
  return value
}

function wrong(field: string, value: number | bigint): GuestProblem {
  return new GuestProblem({ code: 'damaged', found: `its superblock has an impossible ${field}, ${value}` })
}
