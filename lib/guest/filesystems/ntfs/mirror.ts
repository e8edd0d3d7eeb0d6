import { readBytes } from '../../device.ts'
import { damaged, type Fields } from '../windows/fields.ts'
import { readContent } from './content.ts'
import { MIRRORED_RECORDS, PROTECTED, RECORD, RECORD_MAGIC } from './layout.ts'
import type { Volume } from './mft.ts'
import { unprotect } from './update_sequence.ts'

/**
 * Checks that $MFTMirr repeats the first records of $MFT.
 *
 * @throws A GuestProblem when it does not.
 */
export async function checkMirror(volume: Volume): Promise<void> {
  const { device, geometry, mft } = volume
  const { recordSize, mirrorLcn, clusterSize, clusters } = geometry
  const start = mirrorLcn * clusterSize
  const length = MIRRORED_RECORDS * recordSize
  if (start + length > clusters * clusterSize) throw damaged(`its $MFTMirr begins at cluster ${mirrorLcn}`)
  const original = await readContent(volume, mft, 0, length)
  const mirror = await readBytes(device, start, length)
  for (let record = 0; record < MIRRORED_RECORDS; record++) {
    const at = record * recordSize
    const one = unprotect(original.subarray(at, at + recordSize), RECORD_MAGIC, `MFT record ${record}`)
    const other = unprotect(
      mirror.subarray(at, at + recordSize),
      RECORD_MAGIC,
      `mirrored MFT record ${record}`,
    )
    if (!isSame(meaningOf(one), meaningOf(other)))
      throw damaged(`its $MFTMirr has another MFT record ${record}`)
  }
}

/** What a record says; update sequences count on with each write, and the end is not in use. */
function meaningOf(record: Fields): Uint8Array {
  const bytes = record.slice(0, record.u32(RECORD.bytes_in_use)).slice()
  const sequenceAt = record.u16(PROTECTED.usa_ofs)
  return bytes.fill(0, sequenceAt, sequenceAt + 2 * record.u16(PROTECTED.usa_count))
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at])
}
