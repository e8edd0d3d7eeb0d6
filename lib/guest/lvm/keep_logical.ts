import type { KeepReason } from '../file_system.ts'
import type { LogicalVolume, VolumeGroup } from './volume_group.ts'

/**
 * Returns why a logical volume is left alone whatever lies in it: the guest reads it by way of something that is not
 * understood here, or something else reads it.
 */
export function keepOfLogical(lv: LogicalVolume, group: VolumeGroup): KeepReason | undefined {
  const other = lv.segments.find(({ type }) => type !== 'striped')
  if (other) return keepOfType(other.type)
  if (lv.segments.some(({ areas }) => areas.some(({ pv }) => pv === undefined))) {
    return unsupported('it lies on another logical volume')
  }
  if (lv.segments.length === 0) return unsupported('it has no extents')
  const users = group.lvs.filter(({ names }) => names.includes(lv.name))
  const snapshot = users.find(({ segments }) => segments.some(({ type }) => type === 'snapshot'))
  if (snapshot) {
    return {
      code: 'snapshot_origin',
      found: 'a snapshot of LVM2 reads what is free in it as well',
    }
  }
  if (users[0]) return unsupported(`the logical volume "${users[0].name}" reads it as well`)
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
