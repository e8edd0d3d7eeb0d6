// The format of labels and metadata areas: lib/format_text/layout.h and lib/label/label.h of LVM2.
import { crc32 } from '../checksums/crc32.ts'
import { type BlockDevice, type ByteRange, readBytes } from '../device.ts'
import { hasText, u64, viewOf } from '../numbers.ts'
import { CRC_START, readMetadataArea } from './metadata_area.ts'
import { damagedGroup, unsupportedGroup } from './problem.ts'

const SECTOR = 512

/** A device that belongs to a group of logical volumes. */
export interface PhysicalVolume {
  /** 32 letters and digits. */
  readonly id: string
  readonly device: BlockDevice
  /** Descriptions of the group, one for each area of the device that is in use. */
  readonly texts: readonly string[]
  /** Parts of the device that hold no extents. */
  readonly reserved: readonly ByteRange[]
}

/**
 * Finds the label of a physical volume.
 *
 * @returns The sector it is in; undefined when there is none.
 * @throws {GuestProblem} When there are several.
 */
export async function findLabel(device: BlockDevice): Promise<number | undefined> {
  const bytes = await readBytes(device, 0, Math.min(4 * SECTOR, device.size))
  const sectors = [0, 1, 2, 3].filter(sector => {
    const at = sector * SECTOR
    return hasText(bytes, at, 'LABELONE') && hasText(bytes, at + 24, 'LVM2 001')
  })
  if (sectors.length > 1) throw unsupportedGroup('it has more than one label of LVM2', 'ambiguous')
  return sectors[0]
}

/**
 * Reads what a physical volume says of itself and of its group.
 *
 * @param sector Where its label is.
 * @throws {GuestProblem} When a sum is wrong, or a change of the group was not finished.
 */
export async function readPhysicalVolume(device: BlockDevice, sector: number): Promise<PhysicalVolume> {
  const label = await readBytes(device, sector * SECTOR, SECTOR)
  const view = viewOf(label)
  if (crc32(label.subarray(20), CRC_START) !== view.getUint32(16, true)) {
    throw damagedGroup('its label has a wrong checksum')
  }
  if (u64(view, 8) !== sector) throw damagedGroup('its label says that it is in another sector')
  const header = view.getUint32(20, true)
  if (header < 32 || header > SECTOR - 40) throw damagedGroup('its label has no header')
  const size = u64(view, header + 32)
  if (size > device.size) throw damagedGroup(`it says that it has ${size} of ${device.size} bytes`)
  const lists = areaLists(view, header + 40)
  const texts: string[] = []
  for (const area of lists.metadata) {
    const text = await readMetadataArea(device, area)
    if (text !== undefined) texts.push(text)
  }
  return {
    id: new TextDecoder('latin1').decode(label.subarray(header, header + 32)),
    device,
    texts,
    reserved: [{ start: 0, length: 4 * SECTOR }, ...lists.metadata, ...lists.bootLoader],
  }
}

interface AreaLists {
  readonly metadata: readonly ByteRange[]
  readonly bootLoader: readonly ByteRange[]
}

/** The lists of areas for data, for metadata and, behind an extension of the header, for boot loaders. */
function areaLists(view: DataView, start: number): AreaLists {
  const data = areasFrom(view, start)
  const metadata = areasFrom(view, data.end)
  const hasExtension = metadata.end + 8 <= SECTOR && view.getUint32(metadata.end, true) > 0
  const bootLoader = hasExtension ? areasFrom(view, metadata.end + 8) : { areas: [] }
  return { metadata: metadata.areas, bootLoader: bootLoader.areas }
}

function areasFrom(view: DataView, start: number): { readonly areas: ByteRange[]; readonly end: number } {
  const areas: ByteRange[] = []
  for (let at = start; at + 16 <= SECTOR; at += 16) {
    const area = { start: u64(view, at), length: u64(view, at + 8) }
    if (area.start === 0) return { areas, end: at + 16 }
    areas.push(area)
  }
  throw damagedGroup('its label has a list without an end')
}
