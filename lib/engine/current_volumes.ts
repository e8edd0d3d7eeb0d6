import { listVolumes, type VolumeReport } from '../guest/free_space.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Attachment } from '../machine/machine.ts'
import { describeVolume } from './describe_volumes.ts'
import { type ExamineContext, examineState } from './examine_state.ts'
import { type GuestState, presentGuestState } from './guest_states.ts'
import { guestDisks, openGuestDisks, unreadableDisk } from './open_guest_disks.ts'

/** What looking at volumes needs beside the machine. */
export interface VolumesContext extends ExamineContext {
  /** Whether to find out what each could give back, which reads more. */
  readonly scan: boolean
}

/**
 * Tells the volumes of a machine's current state; none where its disks cannot all be read here.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function currentVolumes(machine: Inspection, context: VolumesContext): Promise<VolumeInfo[]> {
  const state = presentGuestState(machine)
  if (unreadableDisk(machine, state) !== undefined) return []
  const { volumes: reports } = context.scan
    ? await examineState(machine, state, context)
    : await listed(state, context)
  return reports.map(report => describeVolume(report, state.disks[report.disk]?.attachment as Attachment))
}

async function listed(
  state: GuestState,
  { files, signal }: VolumesContext,
): Promise<{ readonly volumes: readonly VolumeReport[] }> {
  const views = await openGuestDisks(files, state, signal)
  try {
    const devices = guestDisks(views, []).map(({ device }) => device)
    return { volumes: await listVolumes(devices, { signal }) }
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}
