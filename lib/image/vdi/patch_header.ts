import type { Uuid } from '../../machine/machine.ts'
import { encodeUuid, NIL_UUID } from '../uuid.ts'
import { AT } from './layout.ts'

/** Fields of a header that are to get new values. `null` stands for no parent. */
export interface HeaderChanges {
  readonly allocatedBlocks?: number
  /** Bytes. */
  readonly capacity?: number
  readonly blockCount?: number
  readonly modification?: Uuid
  readonly parent?: Uuid | null
  readonly parentModification?: Uuid | null
}

/** Bytes that are to be written at an offset of a file. */
export interface Patch {
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * Returns the writes that give fields of a header new values and leave every other byte as it is, those that
 * this project does not know included. All lie within the first 512 bytes, a sector that disks write whole.
 * The capacity is written before the count of blocks as in the file; callers that change both write one
 * sector, not two.
 */
export function patchHeader(changes: HeaderChanges): readonly Patch[] {
  const { allocatedBlocks, capacity, blockCount, modification, parent, parentModification } = changes
  return [
    ...(capacity === undefined ? [] : [{ offset: AT.cbDisk, bytes: u64(capacity) }]),
    ...(blockCount === undefined ? [] : [{ offset: AT.cBlocks, bytes: u32(blockCount) }]),
    ...(allocatedBlocks === undefined ? [] : [{ offset: AT.cBlocksAllocated, bytes: u32(allocatedBlocks) }]),
    ...(modification === undefined ? [] : [{ offset: AT.uuidModify, bytes: encodeUuid(modification) }]),
    ...uuidPatch(AT.uuidLinkage, parent),
    ...uuidPatch(AT.uuidParentModify, parentModification),
  ]
}

function uuidPatch(offset: number, id: Uuid | null | undefined): Patch[] {
  return id === undefined ? [] : [{ offset, bytes: encodeUuid(id ?? NIL_UUID) }]
}

function u32(value: number): Uint8Array {
  if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) {
    throw new RangeError(`Cannot encode ${value}: 32 bits without a sign are expected`)
  }
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function u64(value: number): Uint8Array {
  if (!(Number.isSafeInteger(value) && value >= 0)) {
    throw new RangeError(`Cannot encode ${value}: a whole number of bytes is expected`)
  }
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}
