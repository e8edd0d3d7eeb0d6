import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { blake2b } from '../../checksums/blake2b.ts'
import { invertedCrc32c } from '../../checksums/crc32c.ts'
import { xxhash64 } from '../../checksums/xxhash64.ts'
import { unsupported } from './fields.ts'

/** Bytes that every superblock and node begins with; a checksum takes as many as it needs. */
const ROOM = 32

/** By csum_type. */
const ALGORITHMS: Readonly<Record<number, (bytes: Uint8Array) => Buffer>> = {
  0: bytes => {
    const sum = Buffer.alloc(4)
    sum.writeUInt32LE(invertedCrc32c(bytes))
    return sum
  },
  1: bytes => {
    const sum = Buffer.alloc(8)
    sum.writeBigUInt64LE(xxhash64(bytes))
    return sum
  },
  2: bytes => createHash('sha256').update(bytes).digest(),
  3: bytes => Buffer.from(blake2b(bytes, 32)),
}

/** Tells whether a superblock or node begins with the checksum of the rest of it. */
export type IsSealed = (block: Uint8Array) => boolean

/**
 * Returns how the checksums of a file system are checked.
 *
 * @param type The csum_type of the superblock.
 * @throws {GuestProblem} When it is none that this project computes.
 */
export function checksumOf(type: number): IsSealed {
  const compute = ALGORITHMS[type]
  if (compute === undefined) {
    throw unsupported(`its checksums are of an unknown kind (csum_type ${type})`)
  }
  return block => {
    const sum = compute(block.subarray(ROOM))
    return sum.equals(block.subarray(0, sum.length))
  }
}
