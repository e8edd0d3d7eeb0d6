import { FREE } from '../../blocks/constants.ts'
import type { FileStat, Files, OpenFile } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import type { ImageHeader } from '../image.ts'
import { randomUuid } from '../uuid.ts'
import { encodeEntries, slotSize } from './block_table.ts'
import { checkHeader } from './check_header.ts'
import { type DiskGeometry, encodeHeader, type VdiHeader } from './header.ts'
import {
  DEFAULT_ALIGNMENT,
  DEFAULT_BLOCK_SIZE,
  ENTRY_SIZE,
  HEADER_SIZE_PLUS,
  IMAGE_TYPE,
  PRE_HEADER_SIZE,
  SECTOR_SIZE,
  VERSION_1_1,
  ZERO_EXPAND_FLAG,
} from './layout.ts'

/** What a new base image is to be. */
export interface BaseImage {
  /** Size of the virtual disk in bytes, a multiple of 512. */
  readonly capacity: number
  /** Bytes of a block, a power of two from 128 KiB to 128 MiB. Default 1 MiB. */
  readonly blockSize?: number
  /** Whether every block is allocated from the start. Default false. */
  readonly fixed?: boolean
  /** Default: a random one. */
  readonly id?: Uuid
  /** Bytes in front of the data of every block. Default 0. */
  readonly blockExtra?: number
  /** Bytes of the header, at least 400. Default 400. */
  readonly cbHeader?: number
  /** File offset of the block table. Default 1 MiB. */
  readonly tableOffset?: number
  /** File offset of the first physical block. Default: the first whole MiB behind the table. */
  readonly dataOffset?: number
}

/** What a child takes over from its parent; flags and geometry only where they are known. */
export type ParentHeader = ImageHeader & Partial<Pick<VdiHeader, 'flags' | 'geometry'>>

/** What a new differencing image is to be. */
export interface DifferencingImage {
  readonly parent: ParentHeader
  /** Default: a random one. */
  readonly id?: Uuid
  /** Whose mode, owner and group the file gets. Default: private to this user. */
  readonly like?: FileStat
}

/** Text at the start of the images of VirtualBox 7.2, which no program looks at. */
const TEXT = '<<< Oracle VirtualBox Disk Image >>>\n'

/** Entries written at once. */
const PART_ENTRIES = 262144

const UNSET_GEOMETRY = { cylinders: 0, heads: 0, sectors: 0, sectorSize: SECTOR_SIZE }

/**
 * Makes an empty base image as VirtualBox does, and returns its header. The file must not exist yet and is
 * on stable storage when this resolves; its name is not, until its folder is flushed too.
 *
 * @throws `image_corrupt`, `unsupported` or a RangeError when the wishes make no legal image; an error of the
 *   file system, and then no file is left.
 */
export function createBase(files: Files, path: string, base: BaseImage, like?: FileStat): Promise<VdiHeader> {
  return createImage(files, path, baseHeader(base), like)
}

/**
 * Makes an empty differencing image as VirtualBox does for a snapshot, and returns its header. VirtualBox
 * (7.2.22) gives it the size of the parent, blocks of 1 MiB whatever the parent's are, the parent's geometry
 * where that is set, its zero-expand flag, and no comment. The file must not exist yet and is on stable
 * storage when this resolves; its name is not, until its folder is flushed too.
 *
 * @throws An error of the file system, and then no file is left.
 */
export function createDifferencing(files: Files, path: string, image: DifferencingImage): Promise<VdiHeader> {
  return createImage(files, path, differencingHeader(image), image.like)
}

/**
 * Makes an image with this header and an empty block table; that of a fixed image refers to every block in
 * its order. `allocatedBlocks` of the header is not looked at. The engine makes the fresh copy of an image so.
 *
 * @param like Whose mode, owner and group the file gets. Default: private to this user.
 * @returns The header as written.
 * @throws `image_corrupt`, `unsupported` or a RangeError when the header is not legal; an error of the file
 *   system, and then no file is left.
 */
export async function createImage(
  files: Files,
  path: string,
  wanted: VdiHeader,
  like?: FileStat,
): Promise<VdiHeader> {
  const header = { ...wanted, allocatedBlocks: wanted.variant === 'fixed' ? wanted.blockCount : 0 }
  checkHeader(header, path)
  const bytes = encodeHeader(header)
  const file = await files.open(path, 'create')
  try {
    await fill(file, header, bytes, like)
  } catch (error) {
    // The failure is what the caller must hear of; an empty image left behind would only be litter.
    await files.unlink(path).catch(() => undefined)
    throw error
  }
  return header
}

/** Returns the header of a new base image. */
export function baseHeader(base: BaseImage): VdiHeader {
  const blockSize = base.blockSize ?? DEFAULT_BLOCK_SIZE
  const cbHeader = base.cbHeader ?? HEADER_SIZE_PLUS
  const blockCount = Math.ceil(base.capacity / blockSize)
  const tableOffset = base.tableOffset ?? align(PRE_HEADER_SIZE + cbHeader)
  return {
    format: 'VDI',
    variant: base.fixed === true ? 'fixed' : 'dynamic',
    text: TEXT,
    version: VERSION_1_1,
    cbHeader,
    imageType: base.fixed === true ? IMAGE_TYPE.fixed : IMAGE_TYPE.normal,
    flags: 0,
    comment: '',
    tableOffset,
    dataOffset: base.dataOffset ?? align(tableOffset + blockCount * ENTRY_SIZE),
    legacyGeometry: UNSET_GEOMETRY,
    translation: 0,
    diskSize: base.capacity,
    capacity: base.capacity,
    blockSize,
    blockExtra: base.blockExtra ?? 0,
    blockCount,
    allocatedBlocks: 0,
    id: base.id ?? randomUuid(),
    modification: randomUuid(),
    parent: undefined,
    parentModification: undefined,
    geometry: UNSET_GEOMETRY,
  }
}

/** Returns the header of a new differencing image. */
export function differencingHeader({ parent, id }: DifferencingImage): VdiHeader {
  return {
    ...baseHeader({ capacity: parent.capacity, ...(id === undefined ? {} : { id }) }),
    variant: 'differencing',
    imageType: IMAGE_TYPE.differencing,
    flags: (parent.flags ?? 0) & ZERO_EXPAND_FLAG,
    parent: parent.id,
    parentModification: parent.modification,
    geometry: inheritedGeometry(parent.geometry),
  }
}

/** VirtualBox takes a geometry with a zero for none, and clips heads and sectors to what a BIOS can say. */
function inheritedGeometry(geometry: DiskGeometry = UNSET_GEOMETRY): DiskGeometry {
  const { cylinders, heads, sectors } = geometry
  if (cylinders === 0 || heads === 0 || sectors === 0) return UNSET_GEOMETRY
  return { cylinders, heads: Math.min(heads, 255), sectors: Math.min(sectors, 63), sectorSize: SECTOR_SIZE }
}

async function fill(file: OpenFile, header: ImageHeader, head: Uint8Array, like?: FileStat): Promise<void> {
  try {
    await file.truncate(header.dataOffset + header.allocatedBlocks * slotSize(header))
    await file.write(head, 0)
    await writeTable(file, header)
    if (like !== undefined) await file.copyOwner(like)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function writeTable(file: OpenFile, header: ImageHeader): Promise<void> {
  const isFixed = header.variant === 'fixed'
  for (let first = 0; first < header.blockCount; first += PART_ENTRIES) {
    const length = Math.min(PART_ENTRIES, header.blockCount - first)
    const entries = isFixed ? ascending(first, length) : new Uint32Array(length).fill(FREE)
    await file.write(encodeEntries(entries), header.tableOffset + first * ENTRY_SIZE)
  }
}

function ascending(first: number, length: number): Uint32Array {
  const entries = new Uint32Array(length)
  for (let at = 0; at < length; at++) entries[at] = first + at
  return entries
}

function align(offset: number): number {
  return Math.ceil(offset / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT
}
