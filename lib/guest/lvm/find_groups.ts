import { GuestProblem, type KeepReason } from '../file_system.ts'
import type { Volume } from '../volume.ts'
import { isLvmMember, type LvmMember } from './lvm2.ts'
import { damagedGroup, unsupportedGroup } from './problem.ts'
import { type DescribedPv, readGroup, type VolumeGroup } from './volume_group.ts'

/** A partition or disk that is a physical volume. */
export interface Member extends Volume {
  readonly fileSystem: LvmMember
}

/** A group of which all devices are there; or physical volumes that are left alone. */
export interface FoundGroup {
  readonly members: readonly Member[]
  readonly name: string | undefined
  /** By the name of the device in the group. */
  readonly group:
    | { readonly description: VolumeGroup; readonly devices: ReadonlyMap<string, Member> }
    | undefined
  /** Why all of it is left alone. */
  readonly keep: KeepReason | undefined
}

/** Puts the physical volumes of a machine together to groups. Every one of them is in exactly one. */
export function findGroups(volumes: readonly Volume[]): FoundGroup[] {
  const members = volumes.filter(isMember)
  const described = new Map<string, { readonly text: string; readonly members: Member[] }>()
  const found: FoundGroup[] = []
  for (const member of members) {
    for (const text of member.fileSystem.physicalVolume.texts) {
      const known = described.get(text)
      if (known === undefined) described.set(text, { text, members: [member] })
      else if (!known.members.includes(member)) known.members.push(member)
    }
  }
  const groups: VolumeGroup[] = []
  const broken = new Map<Member, KeepReason>()
  for (const { text, members: carriers } of described.values()) {
    try {
      groups.push(readGroup(text))
    } catch (error) {
      if (!(error instanceof GuestProblem)) throw error
      for (const carrier of carriers) broken.set(carrier, error.reason)
    }
  }
  const claimed = new Set<Member>()
  for (const group of groups) {
    const own = members.filter(({ fileSystem }) => isOf(group, fileSystem))
    for (const member of own) claimed.add(member)
    found.push(completeGroup(group, own, groups, broken))
  }
  const rest = members.filter(member => !claimed.has(member))
  for (const member of rest) {
    const keep =
      broken.get(member) ?? unsupportedGroup('no disk describes its group', 'multiple_devices').reason
    found.push({ members: [member], name: undefined, group: undefined, keep })
  }
  return found
}

function completeGroup(
  description: VolumeGroup,
  members: readonly Member[],
  groups: readonly VolumeGroup[],
  broken: ReadonlyMap<Member, KeepReason>,
): FoundGroup {
  const { name } = description
  try {
    const problem = members.map(member => broken.get(member)).find(Boolean)
    if (problem) throw new GuestProblem(problem)
    const ids = new Set(description.pvs.map(({ id }) => id))
    const rival = groups.find(
      other =>
        other !== description && (other.id === description.id || other.pvs.some(({ id }) => ids.has(id))),
    )
    if (rival) throw unsupportedGroup(`its group "${name}" is described in two ways`, 'ambiguous')
    if (ids.size !== description.pvs.length) throw damagedGroup(`its group "${name}" has a device twice`)
    const devices = new Map(description.pvs.map(pv => [pv.name, memberOf(pv, description, members)]))
    return { members, name, group: { description, devices }, keep: undefined }
  } catch (error) {
    if (!(error instanceof GuestProblem)) throw error
    return { members, name, group: undefined, keep: error.reason }
  }
}

/** The one device that a group means, with room for all its extents. */
function memberOf(pv: DescribedPv, { name, extentSize }: VolumeGroup, members: readonly Member[]): Member {
  const [member, second] = members.filter(({ fileSystem }) => fileSystem.physicalVolume.id === pv.id)
  if (member === undefined) {
    throw unsupportedGroup(`a part of its group "${name}" is not on these disks`, 'multiple_devices')
  }
  if (second) throw unsupportedGroup(`a part of its group "${name}" is there twice`, 'ambiguous')
  const end = pv.start + pv.extents * extentSize
  const { reserved } = member.fileSystem.physicalVolume
  const isFree = reserved.every(({ start, length }) => start + length <= pv.start || start >= end)
  if (end > member.device.size || !isFree)
    throw damagedGroup(`the extents of its group "${name}" are not inside it`)
  return member
}

function isOf({ pvs }: VolumeGroup, { physicalVolume }: LvmMember): boolean {
  return pvs.some(({ id }) => id === physicalVolume.id)
}

function isMember(volume: Volume): volume is Member {
  return volume.keep === undefined && isLvmMember(volume.fileSystem)
}
