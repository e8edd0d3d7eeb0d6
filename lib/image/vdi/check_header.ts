import { type ErrorCode, VboxmergeError } from '../../errors.ts'
import { NIL_UUID } from '../uuid.ts'
import type { VdiHeader } from './header.ts'
import {
  AT,
  DIFFERENCING_FLAG,
  ENTRY_SIZE,
  FIXED_FLAG,
  HEADER_SIZE,
  HEADER_SIZE_PLUS,
  IMAGE_TYPE,
  MAX_BLOCK_SIZE,
  MAX_BLOCKS,
  MIN_BLOCK_SIZE,
  PRE_HEADER_SIZE,
  SECTOR_SIZE,
  SIGNATURE,
  VERSION_1_0,
  VERSION_1_1,
  ZERO_EXPAND_FLAG,
} from './layout.ts'

const RESTORE = 'restore the file from a backup'

/** The flag that may repeat what the type says; with another type it would contradict it. */
const TYPE_FLAGS: Readonly<Record<number, number>> = {
  [IMAGE_TYPE.fixed]: FIXED_FLAG,
  [IMAGE_TYPE.differencing]: DIFFERENCING_FLAG,
}

/** What is wrong with a header: `problem` is a phrase that names field and value. */
interface HeaderProblem {
  readonly code: ErrorCode
  readonly problem: string
  readonly help: string
}

/**
 * Checks that a file begins as a VDI of version 1.x does and is long enough for its header.
 *
 * @param bytes The first 512 bytes of the file, or all of a shorter file.
 * @throws `image_corrupt` or `unsupported`.
 */
export function checkSignature(bytes: Uint8Array, path: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const short = corrupt(`it is ${bytes.length} bytes long, too short for the header of a VDI`)
  if (bytes.length < PRE_HEADER_SIZE) throw failure(short, path)
  const signature = view.getUint32(AT.u32Signature, true)
  if (signature !== SIGNATURE)
    throw failure(corrupt(`its u32Signature is ${hex(signature)}, not a VDI's`), path)
  const version = view.getUint32(AT.u32Version, true)
  if (version !== VERSION_1_0 && version !== VERSION_1_1) {
    throw failure(unknown(`its u32Version is ${hex(version)}`, 'versions 1.0 and 1.1 are known'), path)
  }
  if (bytes.length < PRE_HEADER_SIZE + HEADER_SIZE) throw failure(short, path)
  if (view.getUint32(AT.cbHeader, true) < HEADER_SIZE_PLUS) return
  if (bytes.length < PRE_HEADER_SIZE + HEADER_SIZE_PLUS) throw failure(short, path)
}

/**
 * Checks what VirtualBox checks when it opens an image (`vdiValidateHeader`), and that the parts of the file
 * which the header names do not overlap.
 *
 * @throws `image_corrupt` or `unsupported`; the message names field and value.
 */
export function checkHeader(header: VdiHeader, path: string): void {
  const found = places(header) ?? kinds(header) ?? sizes(header) ?? identities(header)
  if (found !== undefined) throw failure(found, path)
}

/**
 * Checks that the block table lies within a file of this many bytes, so that the memory a table takes is
 * never more than the file justifies.
 *
 * @throws `image_corrupt`.
 */
export function checkTableFits(header: VdiHeader, fileSize: number, path: string): void {
  const end = header.tableOffset + header.blockCount * ENTRY_SIZE
  if (end <= fileSize) return
  const claim = `its cBlocks is ${header.blockCount}, so that the block table ends at byte ${end}`
  throw failure(corrupt(`${claim}, but the file is ${fileSize} bytes long`), path)
}

function places(header: VdiHeader): HeaderProblem | undefined {
  const { cbHeader, tableOffset, dataOffset, blockCount } = header
  if (cbHeader < HEADER_SIZE) return corrupt(`its cbHeader is ${cbHeader}, less than ${HEADER_SIZE}`)
  if (tableOffset < PRE_HEADER_SIZE + cbHeader) {
    return corrupt(`its offBlocks is ${tableOffset}, inside a header of cbHeader ${cbHeader}`)
  }
  const tableEnd = tableOffset + blockCount * ENTRY_SIZE
  if (dataOffset >= tableEnd) return undefined
  return corrupt(`its offData is ${dataOffset}, inside a block table that ends at ${tableEnd}`)
}

function kinds(header: VdiHeader): HeaderProblem | undefined {
  const { imageType, flags, geometry } = header
  const types: readonly number[] = Object.values(IMAGE_TYPE)
  if (!types.includes(imageType)) return unknown(`its u32Type is ${imageType}`, 'types 1 to 4 are known')
  const known = ZERO_EXPAND_FLAG | (TYPE_FLAGS[imageType] ?? 0)
  if ((flags & ~known) !== 0) {
    return unknown(`its fFlags is ${hex(flags)}`, `with u32Type ${imageType} only ${hex(known)} is known`)
  }
  if (geometry === undefined || geometry.sectorSize === SECTOR_SIZE) return undefined
  return corrupt(`its LCHSGeometry.cbSector is ${geometry.sectorSize}, not ${SECTOR_SIZE}`)
}

function sizes(header: VdiHeader): HeaderProblem | undefined {
  const { diskSize, capacity, blockSize, blockExtra, blockCount, allocatedBlocks, dataOffset } = header
  if (capacity === 0) return corrupt(`its cbDisk is ${diskSize}, less than a sector`)
  if (!isPowerOfTwo(blockSize)) return corrupt(`its cbBlock is ${blockSize}, not a power of two`)
  if (blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
    return unknown(`its cbBlock is ${blockSize}`, `VirtualBox opens ${MIN_BLOCK_SIZE} to ${MAX_BLOCK_SIZE}`)
  }
  if (blockExtra !== 0 && !isPowerOfTwo(blockExtra)) {
    return corrupt(`its cbBlockExtra is ${blockExtra}, neither 0 nor a power of two`)
  }
  if (blockCount === 0) return corrupt('its cBlocks is 0')
  if (blockCount > MAX_BLOCKS) return unknown(`its cBlocks is ${blockCount}`, `up to ${MAX_BLOCKS} are read`)
  if (blockCount * blockSize < diskSize) {
    return corrupt(`its cBlocks is ${blockCount}, too few blocks of ${blockSize} for cbDisk ${diskSize}`)
  }
  if (allocatedBlocks > blockCount) {
    return corrupt(`its cBlocksAllocated is ${allocatedBlocks}, more than cBlocks ${blockCount}`)
  }
  if (Number.isSafeInteger(dataOffset + blockCount * (blockExtra + blockSize))) return undefined
  return unknown(`its cbBlockExtra is ${blockExtra}`, 'the file could grow beyond 2^53 bytes')
}

function identities({ id, modification }: VdiHeader): HeaderProblem | undefined {
  if (id === NIL_UUID) return corrupt(`its uuidCreate is ${id}`)
  return modification === NIL_UUID ? corrupt(`its uuidModify is ${modification}`) : undefined
}

/** VirtualBox takes 1 for no power of two. */
function isPowerOfTwo(value: number): boolean {
  return value >= 2 && Number.isInteger(Math.log2(value))
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

function corrupt(problem: string): HeaderProblem {
  return { code: 'image_corrupt', problem, help: RESTORE }
}

function unknown(problem: string, help: string): HeaderProblem {
  return { code: 'unsupported', problem, help }
}

function failure({ code, problem, help }: HeaderProblem, path: string): VboxmergeError {
  return new VboxmergeError(code, `Cannot read ${JSON.stringify(path)}: ${problem}; ${help}`)
}
