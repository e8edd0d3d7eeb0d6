import type { CurrentVolumes, VolumesContext } from '../engine/current_volumes.ts'
import type { DiskMap } from '../engine/disk_maps.ts'
import type { ExaminedStates } from '../engine/examine_state.ts'
import { VboxmergeError } from '../errors.ts'
import type { ImageInfo, MachineInfo, RunningInfo, SnapshotInfo, VolumeInfo } from '../machine/info_types.ts'
import { inspect } from '../machine/inspect.ts'
import type { InspectedImage, Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { eachSnapshot, eachState } from '../machine/media_graph.ts'
import { readRunning } from '../machine/run_status.ts'
import { describePlans, refusedPlans } from './describe_plans.ts'
import { digestDisks } from './digest_disks.ts'
import type { EnsureHost } from './host.ts'
import type { InspectOptions } from './options.ts'
import { summarize } from './plan.ts'
import type { MachineRef, Warning } from './result.ts'
import type { Session } from './session.ts'
import { findUnfinished, unfinishedWarnings } from './unfinished.ts'

/** As many as a wide terminal has columns for. */
const MAP_CELLS = 120

/** How a machine is looked at. */
export interface DescribeOptions extends InspectOptions {
  /** Whether to tell what the parts of each disk are made of. */
  readonly maps?: boolean
  /** What was found of guests, for those who ask for more than this. */
  readonly examined?: ExaminedStates
}

/**
 * Tells what is known of a machine. One that another run works on cannot be looked at with any sense; that run is told
 * then.
 */
export async function describeMachine(
  host: EnsureHost,
  session: Session,
  options: DescribeOptions,
): Promise<MachineInfo> {
  const { settingsFile } = session
  const running = await readRunning(host.files, settingsFile)
  if (running === null) return await describe(host, session, options, null)
  try {
    return await describe(host, session, options, running)
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    const ref = { name: '', id: '', settingsFile, registered: false }
    return { ...inaccessible(ref, error), running }
  }
}

async function describe(
  host: EnsureHost,
  session: Session,
  options: DescribeOptions,
  running: RunningInfo | null,
): Promise<MachineInfo> {
  const { signal, onProgress = () => {} } = options
  signal?.throwIfAborted()
  const { files } = host
  const inspected = await inspect(files, session.settingsFile, session.vboxUserHome)
  const { inspection } = inspected
  const { settings, registration } = inspection
  const summary = summarize(inspection)
  const scan = options.scan === true
  // Volumes and plans ask for the same states.
  const { examined = new Map() } = options
  const context = { files, session, onProgress, signal, scan, examined }
  const isBusy = running !== null
  const unfinished = isBusy ? null : await findUnfinished(files, inspection, session)
  const seen = isBusy ? NOTHING : await describeDisks(inspection, context, options.maps === true)
  const info: MachineInfo = {
    machine: {
      name: settings.name,
      id: settings.id,
      settingsFile: settings.file,
      registered: registration.registered,
    },
    state: summary.state,
    summary,
    running,
    unfinished,
    snapshots: describeSnapshots(inspection),
    images: [...inspection.images.values()].map(image => describeImage(inspection, image, seen.disks)),
    disks: seen.disks,
    volumes: seen.volumes,
    plans: isBusy ? refusedPlans(workedOn(settings.name, running)) : await describePlans(inspected, context),
    warnings: isBusy ? [] : [...unfinishedWarnings(unfinished), ...problemsOf(inspection)],
  }
  if (options.digest !== true || isBusy) return info
  return { ...info, digests: await digestDisks(context, inspection) }
}

function workedOn(name: string, { pid, host }: RunningInfo): VboxmergeError {
  return new VboxmergeError(
    'machine_locked',
    `Cannot plan for ${JSON.stringify(name)}: process ${pid} of vboxmerge on host ${JSON.stringify(host)} works on ` +
      'it; wait until it is done',
  )
}

/** What is told of a machine that cannot be read. */
export function inaccessible(machine: MachineRef, error: VboxmergeError): MachineInfo {
  const refusal = { code: error.code, message: error.message }
  return {
    machine,
    state: 'inaccessible',
    summary: {
      state: 'inaccessible',
      snapshots: 0,
      currentSnapshot: null,
      images: 0,
      bytes: 0,
      allocatedBytes: 0,
      capacity: 0,
      exact: false,
    },
    running: null,
    unfinished: null,
    snapshots: [],
    images: [],
    ...NOTHING,
    plans: refusedPlans(error),
    warnings: [refusal],
  }
}

/** Tells the snapshots of a machine, parents before their children. */
export function describeSnapshots({ settings }: Inspection): SnapshotInfo[] {
  return [...eachSnapshot(settings.rootSnapshot)].map(({ id, name, parent, timeStamp }) => ({
    id,
    name,
    parent: parent ?? null,
    timeStamp,
    current: id === settings.currentSnapshot,
  }))
}

/** Tells what is known of an image of a machine; of disks, what was mapped of them. */
export function describeImage(
  machine: Inspection,
  { medium, header, fileSize }: InspectedImage,
  disks: readonly DiskMap[],
): ImageInfo {
  const mapped = disks.flatMap(({ images }) => images).find(({ id }) => id === medium.id)
  return {
    id: medium.id,
    path: medium.path,
    format: medium.format,
    variant: header?.variant ?? (medium.parent === undefined ? 'unknown' : 'differencing'),
    type: medium.type ?? (medium.parent === undefined ? 'Normal' : null),
    parent: medium.parent ?? null,
    capacity: header?.capacity ?? 0,
    bytes: fileSize,
    allocatedBytes: header === undefined ? fileSize : header.allocatedBlocks * header.blockSize,
    ownBytes: mapped?.ownBytes ?? null,
    attachedTo: attachedTo(machine, medium.id),
  }
}

function attachedTo({ settings }: Inspection, id: Uuid): string[] {
  const names = new Map(
    [...eachSnapshot(settings.rootSnapshot)].map(snapshot => [snapshot.id, snapshot.name]),
  )
  const states: string[] = []
  for (const { id: snapshot, state } of eachState(settings)) {
    if (!state.attachments.some(attachment => attachment.image === id)) continue
    states.push(snapshot === undefined ? 'current state' : (names.get(snapshot) ?? snapshot))
  }
  return states
}

interface SeenDisks {
  readonly disks: readonly DiskMap[]
  readonly volumes: readonly VolumeInfo[]
}

const NOTHING: SeenDisks = { disks: [], volumes: [] }

/** A machine whose images have problems is told all the same, with its problems as warnings. */
async function describeDisks(
  machine: Inspection,
  context: VolumesContext,
  wantsMaps: boolean,
): Promise<SeenDisks> {
  const { files, signal } = context
  // What reads file systems is as much code as all the rest.
  const { currentDiskMaps } = await import('../engine/disk_maps.ts')
  const { volumes, freeOf } = await findVolumes(machine, context)
  const disks = wantsMaps ? await currentDiskMaps(machine, { files, signal, freeOf, cells: MAP_CELLS }) : []
  return { disks, volumes }
}

async function findVolumes(machine: Inspection, context: VolumesContext): Promise<CurrentVolumes> {
  const none = { volumes: [], freeOf: () => undefined }
  if (problemsOf(machine).length > 0) return none
  try {
    const { lookAtVolumes } = await import('../engine/current_volumes.ts')
    return await lookAtVolumes(machine, context)
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return none
  }
}

function problemsOf({ images }: Inspection): Warning[] {
  return [...images.values()].flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
}
