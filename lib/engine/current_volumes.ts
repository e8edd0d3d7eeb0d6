import { findFreeSpace, listVolumes } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Attachment } from '../machine/machine.ts'
import { describeVolume } from './describe_volumes.ts'
import { currentGuestState } from './guest_states.ts'
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
  const state = currentGuestState(machine)
  if (unreadableDisk(machine, state) !== undefined) return []
  const views = await openGuestDisks(files, state, signal)
  try {
    const blockSizes = state.disks.map(
      ({ chain }) => machine.images.get(chain[0]?.id ?? '')?.header?.blockSize,
    )
    const disks = guestDisks(views, blockSizes)
    const reports = scan
      ? (await findFreeSpace(disks, { signal })).volumes
      : await listVolumes(
          disks.map(({ device }) => device),
          { signal },
        )
    return reports.map(report => describeVolume(report, state.disks[report.disk]?.attachment as Attachment))
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}
