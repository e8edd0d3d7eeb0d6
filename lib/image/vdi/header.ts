import { VboxmergeError } from '../../errors.ts'
import type { ImageHeader, ImageVariant } from '../image.ts'
import { decodeUuid, encodeUuid, NIL_UUID } from '../uuid.ts'
import { checkHeader, checkSignature } from './check_header.ts'
import {
  AT,
  COMMENT_SIZE,
  HEADER_SIZE,
  HEADER_SIZE_PLUS,
  IMAGE_TYPE,
  PRE_HEADER_SIZE,
  SECTOR_SIZE,
  SIGNATURE,
  TEXT_SIZE,
  VERSION_1_1,
} from './layout.ts'

/** Cylinders, heads, sectors of a track, bytes of a sector. Zero sectors mean that it is not set. */
export interface DiskGeometry {
  readonly cylinders: number
  readonly heads: number
  readonly sectors: number
  readonly sectorSize: number
}

/** What the header of a VDI file says. */
export interface VdiHeader extends ImageHeader {
  /** The text that the file begins with. */
  readonly text: string
  /** Major version in the upper, minor version in the lower 16 bits. */
  readonly version: number
  /** Bytes of the header behind the 72 bytes of the pre-header. */
  readonly cbHeader: number
  /** 1 normal, 2 fixed, 3 undo, 4 differencing. */
  readonly imageType: number
  readonly flags: number
  readonly comment: string
  readonly legacyGeometry: DiskGeometry
  /** Formerly the BIOS translation mode. */
  readonly translation: number
  /** The size of the virtual disk as written, which `capacity` rounds down to whole sectors. */
  readonly diskSize: number
  /** Undefined when the header has no room for it. */
  readonly geometry: DiskGeometry | undefined
}

/**
 * Returns what the header of a VDI file says.
 *
 * @param bytes The first 512 bytes of the file, or all of a shorter file.
 * @param path Names the file in messages.
 * @throws `image_corrupt` with field and value for what VirtualBox calls an invalid header, `unsupported`
 *   for a version, type, flag or size that this project does not know.
 */
export function decodeHeader(bytes: Uint8Array, path: string): VdiHeader {
  checkSignature(bytes, path)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u32 = (offset: number): number => view.getUint32(offset, true)
  const imageType = u32(AT.u32Type)
  const diskSize = toNumber(view.getBigUint64(AT.cbDisk, true), path)
  const header: VdiHeader = {
    format: 'VDI',
    variant: variantOf(imageType),
    text: decodeText(bytes.subarray(AT.szFileInfo, AT.szFileInfo + TEXT_SIZE)),
    version: u32(AT.u32Version),
    cbHeader: u32(AT.cbHeader),
    imageType,
    flags: u32(AT.fFlags),
    comment: decodeText(bytes.subarray(AT.szComment, AT.szComment + COMMENT_SIZE)),
    tableOffset: u32(AT.offBlocks),
    dataOffset: u32(AT.offData),
    legacyGeometry: decodeGeometry(view, AT.LegacyGeometry),
    translation: u32(AT.u32Dummy),
    diskSize,
    capacity: wholeSectors(diskSize),
    blockSize: u32(AT.cbBlock),
    blockExtra: u32(AT.cbBlockExtra),
    blockCount: u32(AT.cBlocks),
    allocatedBlocks: u32(AT.cBlocksAllocated),
    id: decodeUuid(bytes, AT.uuidCreate),
    modification: decodeUuid(bytes, AT.uuidModify),
    parent: uuidOrNone(decodeUuid(bytes, AT.uuidLinkage)),
    parentModification: uuidOrNone(decodeUuid(bytes, AT.uuidParentModify)),
    geometry: hasGeometry(view) ? decodeGeometry(view, AT.LCHSGeometry) : undefined,
  }
  checkHeader(header, path)
  return header
}

/**
 * Returns the bytes of pre-header and header, up to the last known field; bytes that a larger cbHeader adds
 * are not known and not returned. Of `variant` and `imageType`, and of `capacity` and `diskSize`, the latter
 * are written.
 *
 * @throws A RangeError when these contradict each other, or when the text or the comment is too long.
 */
export function encodeHeader(header: VdiHeader): Uint8Array {
  checkTwins(header)
  const known = header.geometry === undefined ? HEADER_SIZE : HEADER_SIZE_PLUS
  const bytes = new Uint8Array(PRE_HEADER_SIZE + known)
  const view = new DataView(bytes.buffer)
  const u32 = (offset: number, value: number): void => view.setUint32(offset, value, true)
  bytes.set(encodeText(header.text, TEXT_SIZE), AT.szFileInfo)
  u32(AT.u32Signature, SIGNATURE)
  u32(AT.u32Version, header.version)
  u32(AT.cbHeader, header.cbHeader)
  u32(AT.u32Type, header.imageType)
  u32(AT.fFlags, header.flags)
  bytes.set(encodeText(header.comment, COMMENT_SIZE), AT.szComment)
  u32(AT.offBlocks, header.tableOffset)
  u32(AT.offData, header.dataOffset)
  encodeGeometry(view, AT.LegacyGeometry, header.legacyGeometry)
  u32(AT.u32Dummy, header.translation)
  view.setBigUint64(AT.cbDisk, BigInt(header.diskSize), true)
  u32(AT.cbBlock, header.blockSize)
  u32(AT.cbBlockExtra, header.blockExtra)
  u32(AT.cBlocks, header.blockCount)
  u32(AT.cBlocksAllocated, header.allocatedBlocks)
  bytes.set(encodeUuid(header.id), AT.uuidCreate)
  bytes.set(encodeUuid(header.modification), AT.uuidModify)
  bytes.set(encodeUuid(header.parent ?? NIL_UUID), AT.uuidLinkage)
  bytes.set(encodeUuid(header.parentModification ?? NIL_UUID), AT.uuidParentModify)
  if (header.geometry !== undefined) encodeGeometry(view, AT.LCHSGeometry, header.geometry)
  return bytes
}

/** Guards against a changed copy of a header in which only one of two fields was changed. */
function checkTwins({ variant, imageType, capacity, diskSize }: VdiHeader): void {
  if (variant !== variantOf(imageType)) {
    throw new RangeError(`Cannot encode a header: its variant is ${variant}, its imageType ${imageType}`)
  }
  if (capacity !== wholeSectors(diskSize)) {
    throw new RangeError(`Cannot encode a header: its capacity is ${capacity}, its diskSize ${diskSize}`)
  }
}

function decodeGeometry(view: DataView, offset: number): DiskGeometry {
  return {
    cylinders: view.getUint32(offset, true),
    heads: view.getUint32(offset + 4, true),
    sectors: view.getUint32(offset + 8, true),
    sectorSize: view.getUint32(offset + 12, true),
  }
}

function encodeGeometry(view: DataView, offset: number, geometry: DiskGeometry): void {
  view.setUint32(offset, geometry.cylinders, true)
  view.setUint32(offset + 4, geometry.heads, true)
  view.setUint32(offset + 8, geometry.sectors, true)
  view.setUint32(offset + 12, geometry.sectorSize, true)
}

/** VirtualBox looks for LCHSGeometry in version 1.1 only, and only where cbHeader makes room for it. */
function hasGeometry(view: DataView): boolean {
  const roomy = view.byteLength >= PRE_HEADER_SIZE + HEADER_SIZE_PLUS
  const version = view.getUint32(AT.u32Version, true)
  return roomy && version === VERSION_1_1 && view.getUint32(AT.cbHeader, true) >= HEADER_SIZE_PLUS
}

function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end))
}

function encodeText(text: string, room: number): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length < room) return bytes
  throw new RangeError(`Cannot encode "${text}": it is ${bytes.length} bytes long, ${room - 1} fit`)
}

function variantOf(imageType: number): ImageVariant {
  if (imageType === IMAGE_TYPE.differencing) return 'differencing'
  return imageType === IMAGE_TYPE.fixed ? 'fixed' : 'dynamic'
}

function wholeSectors(size: number): number {
  return size - (size % SECTOR_SIZE)
}

function uuidOrNone(id: string): string | undefined {
  return id === NIL_UUID ? undefined : id
}

function toNumber(size: bigint, path: string): number {
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size)
  throw new VboxmergeError(
    'unsupported',
    `Cannot read ${JSON.stringify(path)}: its cbDisk is ${size}, more than 2^53 bytes`,
  )
}
