import { type FileSystem, GuestProblem, type KeepReason, keptFileSystem } from '../file_system.ts'
import type { DeviceGuard } from '../guarded_device.ts'
import { type Formats, probeDevice } from '../probe.ts'
import type { Volume } from '../volume.ts'
import { type FoundGroup, findGroups, type Member } from './find_groups.ts'
import { keepOfLogical, readersOf } from './keep_logical.ts'
import { layoutOf, logicalDevice } from './logical_device.ts'
import { isLvmMember, lvm2 } from './lvm2.ts'
import { type ExtentRun, freeExtents, usedExtents } from './used_extents.ts'
import type { LogicalVolume, VolumeGroup } from './volume_group.ts'

type Whole = NonNullable<FoundGroup['group']>

/**
 * Puts the groups of LVM2 together, and looks into their logical volumes.
 *
 * @param volumes All of the machine.
 * @returns These, where physical volumes tell their free extents or are kept, and then the logical volumes.
 * @throws What reading a device throws.
 */
export async function findLogicalVolumes(
  volumes: readonly Volume[],
  guard: DeviceGuard,
  formats?: Formats,
): Promise<Volume[]> {
  const replaced = new Map<Volume, FileSystem>()
  const logical: Volume[] = []
  for (const found of findGroups(volumes)) {
    const { members, name, group, keep } = found
    const used = group ? extentsOf(group.description, guard) : undefined
    const reason = keep ?? (used && 'reason' in used ? used.reason : undefined)
    for (const member of members) {
      replaced.set(
        member,
        group && used && !('reason' in used)
          ? freeExtentsOf(member, group, used)
          : keptFileSystem({ kind: lvm2.kind, size: member.device.size, label: name }, reason ?? unseen),
      )
    }
    if (group === undefined) continue
    const readers = readersOf(group.description)
    for (const lv of group.description.lvs) {
      if (!lv.isVisible) continue
      const known = reason ?? keepOfLogical(lv, readers)
      const isMapped = reason === undefined && isOnDevices(lv)
      logical.push(
        isMapped ? await mapped(lv, group, known, guard, formats) : unmapped(lv, group, known ?? unseen),
      )
    }
  }
  return [
    ...volumes.map(volume => ({ ...volume, fileSystem: replaced.get(volume) ?? volume.fileSystem })),
    ...logical,
  ]
}

const unseen: KeepReason = { code: 'unknown', found: 'its group was not understood' }

function extentsOf(
  group: VolumeGroup,
  guard: DeviceGuard,
): ReadonlyMap<string, readonly ExtentRun[]> | { readonly reason: KeepReason } {
  try {
    return usedExtents(group)
  } catch (error) {
    return { reason: guard.reasonOf(error) }
  }
}

/** The extents of a physical volume that no logical volume has, hidden ones included. */
function freeExtentsOf(
  member: Member,
  { description, devices }: Whole,
  used: ReadonlyMap<string, readonly ExtentRun[]>,
): FileSystem {
  const pv = description.pvs.find(({ name }) => devices.get(name) === member)
  const free = pv ? freeExtents(used.get(pv.name) ?? [], pv.extents) : []
  const { extentSize, name } = description
  return {
    kind: lvm2.kind,
    label: name,
    size: member.device.size,
    freeBytes: free.reduce((sum, { count }) => sum + count, 0) * extentSize,
    keep: undefined,
    freeRanges: async found => {
      for (const { first, count } of free) found((pv?.start ?? 0) + first * extentSize, count * extentSize)
    },
  }
}

/** Whether all its bytes lie on devices of the group, one by one or in stripes. */
function isOnDevices({ segments }: LogicalVolume): boolean {
  return segments.every(({ type, areas }) => type === 'striped' && areas.every(({ pv }) => pv !== undefined))
}

async function mapped(
  lv: LogicalVolume,
  { description, devices }: Whole,
  keep: KeepReason | undefined,
  guard: DeviceGuard,
  formats: Formats | undefined,
): Promise<Volume> {
  const layout = layoutOf(lv, description)
  const device = logicalDevice(layout, new Map([...devices].map(([name, member]) => [name, member.device])))
  const probed = await probeDevice(device, guard, formats)
  return {
    disk: devices.get(lv.segments[0]?.areas[0]?.pv ?? '')?.disk ?? 0,
    where: whereOf(lv, description),
    device,
    fileSystem: isLvmMember(probed) ? keptFileSystem(probed, nested) : probed,
    keep,
    toDisks: (start, length, found) => {
      layout.pieces(start, length, (pv, position, run) => devices.get(pv)?.toDisks(position, run, found))
    },
  }
}

/** A volume that is there and cannot be read here. */
function unmapped(lv: LogicalVolume, { description, devices }: Whole, keep: KeepReason): Volume {
  const size = lv.segments.reduce((sum, { extents }) => sum + extents, 0) * description.extentSize
  const [first] = devices.values()
  return {
    disk: first?.disk ?? 0,
    where: whereOf(lv, description),
    device: { size, read: async () => Promise.reject(new GuestProblem(keep)) },
    fileSystem: keptFileSystem({ kind: lv.segments[0]?.type ?? 'empty', size }, keep),
    keep,
    toDisks: () => {},
  }
}

function whereOf({ name }: LogicalVolume, group: VolumeGroup): string {
  return `logical volume "${group.name}/${name}"`
}

const nested: KeepReason = {
  code: 'unsupported_feature',
  found: 'it is a physical volume of LVM2 within a logical volume',
}
