import type { KeepReason } from '../file_system.ts'
import type { LogicalVolume, VolumeGroup } from './volume_group.ts'

/** By the name of a logical volume those that name it in their segments. */
export type Readers = ReadonlyMap<string, readonly LogicalVolume[]>

/** Returns which logical volumes read which. */
export function readersOf({ lvs }: VolumeGroup): Readers {
  const readers = new Map<string, LogicalVolume[]>()
  for (const lv of lvs) {
    for (const name of new Set(lv.names)) {
      const others = readers.get(name)
      if (others) others.push(lv)
      else readers.set(name, [lv])
    }
  }
  return readers
}

/**
 * Returns why a logical volume is left alone whatever lies in it: the guest reads it by way of something that is not
 * understood here, or something else reads it.
 */
export function keepOfLogical(lv: LogicalVolume, readers: Readers): KeepReason | undefined {
  const other = lv.segments.find(({ type }) => type !== 'striped')
  if (other) return keepOfType(other.type)
  if (lv.segments.some(({ areas }) => areas.some(({ pv }) => pv === undefined))) {
    return unsupported('it lies on another logical volume')
  }
  if (lv.segments.length === 0) return unsupported('it has no extents')
  const others = readers.get(lv.name) ?? []
  if (others.some(({ segments }) => segments.some(({ type }) => type === 'snapshot'))) {
    return {
      code: 'snapshot_origin',
      found: 'a snapshot of LVM2 reads what is free in it as well',
    }
  }
  if (others[0]) return unsupported(`the logical volume "${others[0].name}" reads it as well`)
  return undefined
}

function keepOfType(type: string): KeepReason {
  if (type.startsWith('raid') || type === 'mirror') {
    return { code: 'raid_member', found: `it is a RAID of LVM2 (${type})` }
  }
  return unsupported(`it is of the type ${type}`)
}

function unsupported(found: string): KeepReason {
  return { code: 'unsupported_feature', found }
}
