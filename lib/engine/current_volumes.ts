import { listVolumes, type VolumeReport } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Attachment } from '../machine/machine.ts'
import { describeVolume } from './describe_volumes.ts'
import { examineState } from './examine_state.ts'
import { type GuestState, presentGuestState } from './guest_states.ts'
import { guestDisks, openGuestDisks, unreadableDisk } from './open_guest_disks.ts'

/** What looking at volumes needs beside the machine. */
export interface VolumesContext {
  readonly files: Files
  readonly signal: AbortSignal | undefined
  /** Whether to find out what each could give back, which reads more. */
  readonly scan: boolean
}

/**
 * Tells the volumes of a machine's current state; none where its disks cannot all be read here.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function currentVolumes(
  machine: Inspection,
  { files, signal, scan }: VolumesContext,
): Promise<VolumeInfo[]> {
  const state = presentGuestState(machine)
  if (unreadableDisk(machine, state) !== undefined) return []
  const reports = scan ? await scanned(machine, state, files, signal) : await listed(state, files, signal)
  return reports.map(report => describeVolume(report, state.disks[report.disk]?.attachment as Attachment))
}

async function scanned(
  machine: Inspection,
  state: GuestState,
  files: Files,
  signal: AbortSignal | undefined,
): Promise<readonly VolumeReport[]> {
  const blockSizes = state.disks.map(({ chain }) => machine.images.get(chain[0]?.id ?? '')?.header?.blockSize)
  return (await examineState(files, state, blockSizes, signal)).volumes
}

async function listed(
  state: GuestState,
  files: Files,
  signal: AbortSignal | undefined,
): Promise<readonly VolumeReport[]> {
  const views = await openGuestDisks(files, state, signal)
  try {
    const devices = guestDisks(views, []).map(({ device }) => device)
    return await listVolumes(devices, { signal })
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}
