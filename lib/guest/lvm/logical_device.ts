import type { BlockDevice } from '../device.ts'
import type { Area, LogicalVolume, Segment, VolumeGroup } from './volume_group.ts'

/** Is told a run of bytes of a device of the group. */
type PieceListener = (pv: string, position: number, length: number) => void

/** A volume of which all bytes lie on devices of the group. */
export interface LogicalLayout {
  /** Bytes. */
  readonly size: number
  /** Tells where a run of its bytes lies, in order. */
  pieces(start: number, length: number, found: PieceListener): void
}

/** Returns where the bytes of a linear or striped volume lie. */
export function layoutOf(lv: LogicalVolume, group: VolumeGroup): LogicalLayout {
  const { extentSize } = group
  const starts = new Map(group.pvs.map(({ name, start }) => [name, start]))
  const pieceIn = (segment: Segment, offset: number, left: number, found: PieceListener): number => {
    const { areas, stripeSize } = segment
    const stripe = Math.floor(offset / stripeSize)
    const isLinear = areas.length === 1
    const area = (isLinear ? areas[0] : areas[stripe % areas.length]) as Area & { pv: string }
    const inStripe = offset % stripeSize
    const inArea = isLinear ? offset : Math.floor(stripe / areas.length) * stripeSize + inStripe
    const length = isLinear ? left : Math.min(left, stripeSize - inStripe)
    found(area.pv, (starts.get(area.pv) as number) + area.firstExtent * extentSize + inArea, length)
    return length
  }
  return {
    size: lv.segments.reduce((sum, { extents }) => sum + extents, 0) * extentSize,
    pieces: (start, length, found) => {
      const end = start + length
      let index = segmentAt(lv.segments, Math.floor(start / extentSize))
      for (let at = start; at < end; ) {
        const segment = lv.segments[index] as Segment
        const first = segment.start * extentSize
        const segmentEnd = first + segment.extents * extentSize
        at += pieceIn(segment, at - first, Math.min(end, segmentEnd) - at, found)
        if (at === segmentEnd) index++
      }
    },
  }
}

/** Returns a logical volume as a device. */
export function logicalDevice(layout: LogicalLayout, devices: ReadonlyMap<string, BlockDevice>): BlockDevice {
  return {
    size: layout.size,
    read: async (buffer, position) => {
      if (!(position >= 0 && position + buffer.length <= layout.size)) {
        throw new RangeError(`Cannot read ${buffer.length} bytes from byte ${position} on`)
      }
      const pieces: (readonly [pv: string, position: number, length: number])[] = []
      layout.pieces(position, buffer.length, (...piece) => pieces.push(piece))
      let done = 0
      for (const [pv, at, length] of pieces) {
        await devices.get(pv)?.read(buffer.subarray(done, done + length), at)
        done += length
      }
    },
  }
}

/** The segments have no gaps and are in order. */
function segmentAt(segments: readonly Segment[], extent: number): number {
  let low = 0
  let high = segments.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((segments[middle] as Segment).start <= extent) low = middle
    else high = middle - 1
  }
  return low
}
