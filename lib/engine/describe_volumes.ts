import type { Warning } from '../ensure/result.ts'
import type { VolumeReport } from '../guest/free_space.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Attachment } from '../machine/machine.ts'
import type { GuestStateDisk } from './guest_states.ts'

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

/** Returns the warning for a volume of which every block is kept; undefined where none is due. */
export function keptWarning(
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
