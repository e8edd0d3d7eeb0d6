// UEFI specification 2.10, 5.3.2 "GPT Header" and 5.3.3 "GPT Partition Entry Array".
import { invertedCrc32 } from '../checksums/crc32.ts'
import { type BlockDevice, readBytes } from '../device.ts'
import { hasText, u64, viewOf } from '../numbers.ts'
import { damagedTable } from './partition.ts'

/** The 92 bytes that every header has. */
const HEADER_SIZE = 92

/** Far beyond the 128 entries of 128 bytes that are usual. */
const LARGEST_ARRAY = 2 ** 20

/** One of the two headers, with its entries. Positions are in sectors. */
export interface GptHeader {
  readonly other: number
  readonly firstUsable: number
  readonly lastUsable: number
  /** 32 hexadecimal digits in the order of the bytes. */
  readonly diskId: string
  readonly entriesAt: number
  readonly entrySize: number
  /** All entries, used or not. */
  readonly entries: Uint8Array
}

/** Whether a header begins at a byte. */
export async function hasGptSignature(device: BlockDevice, position: number): Promise<boolean> {
  if (position < 0 || position + 8 > device.size) return false
  return hasText(await readBytes(device, position, 8), 0, 'EFI PART')
}

/**
 * Reads a header and its entries, and checks both sums.
 *
 * @param name How problems call it: `main` or `backup`.
 * @throws {GuestProblem} When it is not what a guest would have written there.
 */
export async function readGptHeader(
  device: BlockDevice,
  name: string,
  sector: number,
  sectorSize: number,
): Promise<GptHeader> {
  const wrong = (what: string): Error => damagedTable(`the ${name} header of its GPT ${what}`)
  const sectors = Math.floor(device.size / sectorSize)
  if (!(sector >= 1 && sector < sectors)) throw wrong('is outside the disk')
  const bytes = await readBytes(device, sector * sectorSize, sectorSize)
  const view = viewOf(bytes)
  if (!hasText(bytes, 0, 'EFI PART')) throw wrong('is missing')
  const revision = view.getUint32(8, true)
  if (revision !== 0x00010000) throw wrong(`has the revision 0x${revision.toString(16)}`)
  const headerSize = view.getUint32(12, true)
  if (headerSize < HEADER_SIZE || headerSize > sectorSize) throw wrong(`says that it has ${headerSize} bytes`)
  const sum = view.getUint32(16, true)
  view.setUint32(16, 0, true)
  if (invertedCrc32(bytes.subarray(0, headerSize)) !== sum) throw wrong('has a wrong checksum')
  if (u64(view, 24) !== sector) throw wrong('says that it is in another sector')
  const firstUsable = u64(view, 40)
  const lastUsable = u64(view, 48)
  if (!(firstUsable <= lastUsable && lastUsable < sectors))
    throw wrong('says that more is usable than there is')
  const entriesAt = u64(view, 72)
  const entrySize = view.getUint32(84, true)
  const arraySize = view.getUint32(80, true) * entrySize
  if (entrySize < 128 || entrySize % 128 !== 0) throw wrong(`says that an entry has ${entrySize} bytes`)
  if (arraySize > LARGEST_ARRAY) throw wrong(`says that its entries have ${arraySize} bytes`)
  const arraySectors = Math.ceil(arraySize / sectorSize)
  const isOutside = entriesAt < 2 || entriesAt + arraySectors > sectors
  const isAmongPartitions = entriesAt <= lastUsable && entriesAt + arraySectors > firstUsable
  if (isOutside || isAmongPartitions) throw wrong(`says that its entries begin in sector ${entriesAt}`)
  const entries = await readBytes(device, entriesAt * sectorSize, arraySize)
  if (invertedCrc32(entries) !== view.getUint32(88, true)) throw wrong('has a wrong checksum of its entries')
  return {
    other: u64(view, 32),
    firstUsable,
    lastUsable,
    diskId: Array.from(bytes.subarray(56, 72), byte => byte.toString(16).padStart(2, '0')).join(''),
    entriesAt,
    entrySize,
    entries,
  }
}
