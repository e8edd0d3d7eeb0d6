import {
  isSection,
  listIn,
  numberIn,
  parseMetadata,
  type Section,
  sectionsIn,
  stringIn,
  type TextList,
} from './metadata_text.ts'
import { damagedGroup, unsupportedGroup } from './problem.ts'

const SECTOR = 512

/** A device of a group, as the group describes it. */
export interface DescribedPv {
  /** As segments call it: `pv0`. */
  readonly name: string
  /** Without dashes. */
  readonly id: string
  /** Bytes from the start of the device to the first extent. */
  readonly start: number
  /** Number of extents. */
  readonly extents: number
}

/** A run of extents on a device. */
export interface Area {
  /** A device of the group; undefined when it is another logical volume. */
  readonly pv: string | undefined
  readonly firstExtent: number
}

/** A run of extents of a logical volume. */
export interface Segment {
  readonly type: string
  /** Extents of the logical volume. */
  readonly start: number
  readonly extents: number
  /** One if it is linear; none for other types than `striped`. */
  readonly areas: readonly Area[]
  /** Bytes that go to one area before the next one's turn. */
  readonly stripeSize: number
}

/** A logical volume. */
export interface LogicalVolume {
  readonly name: string
  /** Whether a user sees it: others are parts of those. */
  readonly isVisible: boolean
  readonly status: TextList
  readonly segments: readonly Segment[]
  /** Strings of its segments: names of other logical volumes are among them. */
  readonly names: readonly string[]
}

/** A group of logical volumes. */
export interface VolumeGroup {
  readonly name: string
  readonly id: string
  readonly version: number
  /** Bytes. */
  readonly extentSize: number
  readonly pvs: readonly DescribedPv[]
  readonly lvs: readonly LogicalVolume[]
}

const GROUP_STATUS: readonly unknown[] = ['RESIZEABLE', 'READ', 'WRITE']
const PV_STATUS: readonly unknown[] = ['ALLOCATABLE']

/**
 * Reads the description of a group.
 *
 * @throws {GuestProblem} When it contradicts itself or has a mark that is not known here.
 */
export function readGroup(text: string): VolumeGroup {
  const groups = [...parseMetadata(text)].filter(([, value]) => isSection(value))
  const [name, section] = groups[0] ?? []
  if (groups.length !== 1 || name === undefined || !isSection(section)) {
    throw damagedGroup('its metadata do not describe one group')
  }
  onlyKnown(section, 'status', GROUP_STATUS, 'the group')
  onlyKnown(section, 'flags', [], 'the group')
  if (section.has('lock_type') && section.get('lock_type') !== 'none') {
    throw unsupportedGroup('its group is shared with other machines', 'multiple_devices')
  }
  const extentSize = numberIn(section, 'extent_size') * SECTOR
  if (extentSize === 0) throw damagedGroup('its extents have no size')
  return {
    name,
    id: stringIn(section, 'id'),
    version: numberIn(section, 'seqno'),
    extentSize,
    pvs: sectionsIn(section, 'physical_volumes').map(readPv),
    lvs: sectionsIn(section, 'logical_volumes').map(([lv, inner]) => readLv(lv, inner, section)),
  }
}

function readPv([name, section]: readonly [string, Section]): DescribedPv {
  onlyKnown(section, 'status', PV_STATUS, `its part ${name}`)
  onlyKnown(section, 'flags', [], `its part ${name}`)
  return {
    name,
    id: stringIn(section, 'id').replaceAll('-', ''),
    start: numberIn(section, 'pe_start') * SECTOR,
    extents: numberIn(section, 'pe_count'),
  }
}

function readLv(name: string, section: Section, group: Section): LogicalVolume {
  const pvs = new Set(sectionsIn(group, 'physical_volumes').map(([pv]) => pv))
  const inner = [...section].filter(
    (entry): entry is [string, Section] => isSection(entry[1]) && /^segment\d+$/.test(entry[0]),
  )
  if (inner.length !== numberIn(section, 'segment_count')) {
    throw damagedGroup(`its volume "${name}" has another number of segments than it says`)
  }
  const status = [...listIn(section, 'status'), ...listIn(section, 'flags')]
  const segments = inner
    .map(([, segment]) => readSegment(name, segment, pvs))
    .sort((a, b) => a.start - b.start)
  let next = 0
  for (const { start, extents } of segments) {
    if (start !== next || extents === 0) throw damagedGroup(`the segments of its volume "${name}" have gaps`)
    next += extents
  }
  return {
    name,
    isVisible: status.includes('VISIBLE'),
    status,
    segments,
    names: inner.flatMap(([, segment]) => namesIn(segment)),
  }
}

function readSegment(volume: string, section: Section, pvs: ReadonlySet<string>): Segment {
  const type = stringIn(section, 'type')
  const segment = {
    type,
    start: numberIn(section, 'start_extent'),
    extents: numberIn(section, 'extent_count'),
  }
  if (type !== 'striped') {
    // Only stripes are known to lie on devices; what lies there in other ways is not understood.
    const onDevice = namesIn(section).find(name => pvs.has(name))
    if (onDevice)
      throw unsupportedGroup(`its volume "${volume}" of the type ${type} lies on ${onDevice} itself`)
    return { ...segment, areas: [], stripeSize: 0 }
  }
  const stripes = listIn(section, 'stripes')
  const count = numberIn(section, 'stripe_count')
  if (count === 0 || stripes.length !== 2 * count || segment.extents % count !== 0) {
    throw damagedGroup(`a segment of its volume "${volume}" has wrong stripes`)
  }
  const areas = Array.from({ length: count }, (_, index) => areaOf(volume, stripes, index, pvs))
  const stripeSize = count === 1 ? 0 : numberIn(section, 'stripe_size') * SECTOR
  if (count > 1 && stripeSize === 0)
    throw damagedGroup(`a segment of its volume "${volume}" has no stripe size`)
  return { ...segment, areas, stripeSize }
}

function areaOf(volume: string, stripes: TextList, index: number, pvs: ReadonlySet<string>): Area {
  const name = stripes[2 * index]
  const firstExtent = stripes[2 * index + 1]
  if (typeof name !== 'string' || typeof firstExtent !== 'number' || firstExtent < 0) {
    throw damagedGroup(`a segment of its volume "${volume}" has wrong stripes`)
  }
  return { pv: pvs.has(name) ? name : undefined, firstExtent }
}

/** All texts of a segment but those that are no names. */
function namesIn(section: Section): string[] {
  return [...section]
    .filter(([key]) => key !== 'type' && key !== 'tags')
    .flatMap(([, value]) => (isSection(value) ? namesIn(value) : Array.isArray(value) ? [...value] : [value]))
    .filter(value => typeof value === 'string')
}

function onlyKnown(section: Section, key: string, known: readonly unknown[], whose: string): void {
  const unknown = listIn(section, key).find(word => !known.includes(word))
  if (unknown === undefined) return
  const code = unknown === 'MISSING' || unknown === 'PARTIAL' ? 'multiple_devices' : 'unsupported_feature'
  throw unsupportedGroup(`${whose} is marked ${unknown}`, code)
}
