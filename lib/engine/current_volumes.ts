import { listVolumes, type VolumeReport } from '../guest/free_space.ts'
import type { VolumeInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Attachment, Uuid } from '../machine/machine.ts'
import { describeVolume } from './describe_volumes.ts'
import type { KnownFree } from './disk_maps.ts'
import { type ExamineContext, examineState } from './examine_state.ts'
import { type GuestState, presentGuestState } from './guest_states.ts'
import { guestDisks, openGuestDisks, unreadableDisk } from './open_guest_disks.ts'

/** What looking at volumes needs beside the machine. */
export interface VolumesContext extends ExamineContext {
  /** Whether to find out what each could give back, which reads more. */
  readonly scan: boolean
}

/** What was found on the disks of a machine's current state. */
export interface CurrentVolumes {
  readonly volumes: readonly VolumeInfo[]
  /** What the guest does not use of the disk with a chain; of none where nobody scanned. */
  readonly freeOf: (chain: readonly Uuid[]) => KnownFree | undefined
}

/**
 * Tells the volumes of a machine's current state, and what of its disks they leave free; none where its disks
 * cannot all be read here.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function lookAtVolumes(machine: Inspection, context: VolumesContext): Promise<CurrentVolumes> {
  const state = presentGuestState(machine)
  if (unreadableDisk(machine, state) !== undefined) return { volumes: [], freeOf: () => undefined }
  const { reports, free } = context.scan
    ? await scanned(machine, state, context)
    : { reports: await listed(state, context), free: new Map<Uuid, KnownFree>() }
  return {
    volumes: reports.map(report =>
      describeVolume(report, state.disks[report.disk]?.attachment as Attachment),
    ),
    freeOf: chain => free.get(chain.at(-1) ?? ''),
  }
}

interface Scanned {
  readonly reports: readonly VolumeReport[]
  /** By attached image. */
  readonly free: ReadonlyMap<Uuid, KnownFree>
}

async function scanned(machine: Inspection, state: GuestState, context: VolumesContext): Promise<Scanned> {
  const { volumes, disks } = await examineState(machine, state, context)
  const free = new Map<Uuid, KnownFree>()
  for (const [index, { attachment, chain }] of state.disks.entries()) {
    const found = disks[index]
    const blockSize = machine.images.get(chain[0]?.id ?? '')?.header?.blockSize
    if (found === undefined || blockSize === undefined) continue
    free.set(attachment.image, { blockSize, has: block => found.isFree(block) })
  }
  return { reports: volumes, free }
}

async function listed(
  state: GuestState,
  { files, signal }: VolumesContext,
): Promise<readonly VolumeReport[]> {
  const views = await openGuestDisks(files, state, signal)
  try {
    const devices = guestDisks(views, []).map(({ device }) => device)
    return await listVolumes(devices, { signal })
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}
