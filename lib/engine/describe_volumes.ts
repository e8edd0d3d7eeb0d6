import type { Warning } from '../ensure/result.ts'
import type { VolumeReport } from '../guest/free_space.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Attachment } from '../machine/machine.ts'
import type { GuestState, GuestStateDisk } from './guest_states.ts'

/** Reserved and boot partitions without a file system are that small, and nobody misses their space. */
const LARGEST_SILENT = 32 * 2 ** 20

/** Returns what is known of a volume in the words of results. */
export function describeVolume(report: VolumeReport, attachment: Attachment): VolumeInfo {
  const { where, kind, label, size, used, free, keep } = report
  const { controller, port, device } = attachment
  return {
    controller,
    port,
    device,
    where,
    kind,
    label: label ?? null,
    size,
    used: used ?? null,
    free: free ?? null,
    reclaimable: keep === undefined ? (report.reclaimable ?? null) : null,
    kept: keep === undefined ? null : { code: keep.code, reason: keep.found },
  }
}

/** What people are told of the volumes of a state. */
export interface ToldVolumes {
  readonly volumes: readonly VolumeInfo[]
  readonly warnings: readonly Warning[]
}

/**
 * Tells what was found on the disks of a state.
 *
 * @param isCurrent Whether it is the current state, which warnings need not name.
 */
export function tellVolumes(
  { name, disks }: GuestState,
  reports: readonly VolumeReport[],
  isCurrent: boolean,
): ToldVolumes {
  const volumes: VolumeInfo[] = []
  const warnings: Warning[] = []
  for (const report of reports) {
    const disk = disks[report.disk]
    if (disk === undefined) continue
    volumes.push(describeVolume(report, disk.attachment))
    const warning = keptWarning(report, disk, isCurrent ? undefined : name)
    if (warning !== undefined) warnings.push(warning)
  }
  return { volumes, warnings }
}

/** Returns the warning for a volume of which every block is kept; undefined where none is due. */
function keptWarning(
  { where, kind, label, size, keep }: VolumeReport,
  { attachment }: GuestStateDisk,
  snapshot: string | undefined,
): Warning | undefined {
  if (keep === undefined || (keep.code === 'unknown' && size <= LARGEST_SILENT)) return undefined
  const { controller, port, device } = attachment
  const disk = `the disk ${JSON.stringify(controller)} ${port}:${device}`
  const name = label === undefined ? kind : `${kind}, ${JSON.stringify(label)}`
  const seen = snapshot === undefined ? '' : `, as ${snapshot} has it`
  return {
    code: 'free_space_kept',
    message: `Kept every block of ${where} of ${disk} (${name}${seen}): ${keep.found}`,
  }
}
