import { crc32 } from '../checksums/crc32.ts'
import { type BlockDevice, type ByteRange, readBytes } from '../device.ts'
import { u64, viewOf } from '../numbers.ts'
import { damagedGroup, unsupportedGroup } from './problem.ts'

const HEADER = 512
/** What the sums of LVM2 begin with. */
export const CRC_START = 0xf597a6cf

/** A group of ten thousand volumes needs some 5 MiB. */
const LONGEST_TEXT = 8 * 2 ** 20

/** " LVM2 x[5A%r0N*>" */
const MAGIC: readonly number[] = [
  0x20, 0x4c, 0x56, 0x4d, 0x32, 0x20, 0x78, 0x5b, 0x35, 0x41, 0x25, 0x72, 0x30, 0x4e, 0x2a, 0x3e,
]

/** Where a description lies in its area, and its sum. */
interface RawLocation {
  readonly offset: number
  readonly size: number
  readonly sum: number
  readonly flags: number
}

const IGNORED = 1

/**
 * Reads the description of the group from a metadata area.
 *
 * @returns Undefined when the area is not in use.
 * @throws {GuestProblem} When a sum is wrong, or a newer description waits to be committed.
 */
export async function readMetadataArea(device: BlockDevice, area: ByteRange): Promise<string | undefined> {
  if (!(area.length > HEADER && area.start + area.length <= device.size)) {
    throw damagedGroup('its label says that metadata are where there are none')
  }
  const header = await readBytes(device, area.start, HEADER)
  const view = viewOf(header)
  if (crc32(header.subarray(4), CRC_START) !== view.getUint32(0, true)) {
    throw damagedGroup('the header of its metadata has a wrong checksum')
  }
  const isHeader =
    MAGIC.every((byte, index) => header[4 + index] === byte) &&
    view.getUint32(20, true) === 1 &&
    u64(view, 24) === area.start &&
    u64(view, 32) === area.length
  if (!isHeader) throw damagedGroup('the header of its metadata is none of LVM2')
  const committed = locationAt(view, 40)
  const pending = locationAt(view, 64)
  if (committed.flags & IGNORED) return undefined
  if (committed.offset === 0) return undefined
  if (pending.offset !== 0) throw unsupportedGroup('a change of its group was not finished', 'unclean')
  return await readText(device, area, committed)
}

/** The text may reach the end of the area, and then goes on behind the header. */
async function readText(device: BlockDevice, area: ByteRange, location: RawLocation): Promise<string> {
  const { offset, size, sum } = location
  const isInside = offset >= HEADER && offset < area.length && size > 0 && size <= area.length - HEADER
  if (!isInside || size > LONGEST_TEXT) throw damagedGroup('its metadata are not in their area')
  const first = Math.min(size, area.length - offset)
  const text = new Uint8Array(size)
  await device.read(text.subarray(0, first), area.start + offset)
  await device.read(text.subarray(first), area.start + HEADER)
  if (crc32(text, CRC_START) !== sum) throw damagedGroup('its metadata have a wrong checksum')
  return new TextDecoder().decode(text)
}

function locationAt(view: DataView, at: number): RawLocation {
  return {
    offset: u64(view, at),
    size: u64(view, at + 8),
    sum: view.getUint32(at + 16, true),
    flags: view.getUint32(at + 20, true),
  }
}
