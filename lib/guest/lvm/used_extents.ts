import { damagedGroup, unsupportedGroup } from './problem.ts'
import type { LogicalVolume, VolumeGroup } from './volume_group.ts'

/** A run of extents of a device. */
export interface ExtentRun {
  readonly first: number
  readonly count: number
}

/** A limit of this project: each volume is looked into. */
const MOST_VOLUMES = 10_000

/** Types of segments of which it is known that they lie on nothing but other volumes, or on nothing. */
const KNOWN_TYPES: ReadonlySet<string> = new Set([
  'striped',
  'error',
  'zero',
  'snapshot',
  'mirror',
  'thin',
  'thin-pool',
  'cache',
  'cache-pool',
  'cache-pool+METADATA_FORMAT',
  'writecache',
  'integrity',
  'vdo',
  'vdo-pool',
  'raid0',
  'raid0_meta',
  'raid1',
  'raid10',
  ...['raid4', 'raid5', 'raid5_la', 'raid5_ra', 'raid5_ls', 'raid5_rs', 'raid5_n'],
  ...['raid6', 'raid6_zr', 'raid6_nr', 'raid6_nc', 'raid6_n_6'],
])

/** Marks that say nothing of where a volume lies. */
const KNOWN_STATUS: ReadonlySet<unknown> = new Set([
  'READ',
  'WRITE',
  'VISIBLE',
  'FIXED_MINOR',
  'ACTIVATION_SKIP',
])

/**
 * Returns which extents of each device of a group belong to volumes, in order; by the name of the device.
 *
 * @throws {GuestProblem} When a volume is of a kind that is not known here, or two volumes share extents: then
 *   no extent is surely free, and no volume surely where it seems to be.
 */
export function usedExtents(group: VolumeGroup): ReadonlyMap<string, readonly ExtentRun[]> {
  if (group.lvs.length > MOST_VOLUMES) throw unsupportedGroup(`it has more than ${MOST_VOLUMES} volumes`)
  const used = new Map<string, ExtentRun[]>(group.pvs.map(({ name }) => [name, []]))
  for (const lv of group.lvs) {
    checkKnown(lv)
    for (const { areas, extents } of lv.segments) {
      for (const { pv, firstExtent } of areas) {
        if (pv !== undefined) used.get(pv)?.push({ first: firstExtent, count: extents / areas.length })
      }
    }
  }
  for (const { name, extents } of group.pvs) {
    const runs = (used.get(name) ?? []).sort((a, b) => a.first - b.first)
    let end = 0
    for (const { first, count } of runs) {
      if (first < end) throw damagedGroup('two of its volumes share extents')
      end = first + count
    }
    if (end > extents) throw damagedGroup('its volumes have more extents than there are')
  }
  return used
}

/** Returns the extents between others. */
export function freeExtents(used: readonly ExtentRun[], extents: number): ExtentRun[] {
  const free: ExtentRun[] = []
  let next = 0
  for (const { first, count } of [...used, { first: extents, count: 0 }]) {
    if (first > next) free.push({ first: next, count: first - next })
    next = first + count
  }
  return free
}

function checkKnown({ name, status, segments }: LogicalVolume): void {
  const mark = status.find(word => !KNOWN_STATUS.has(word))
  if (mark !== undefined) throw unsupportedGroup(`its volume "${name}" is marked ${mark}`)
  const { type } = segments.find(segment => !KNOWN_TYPES.has(segment.type)) ?? {}
  if (type !== undefined) throw unsupportedGroup(`its volume "${name}" is of the unknown type ${type}`)
}
