import { isKnownCompact } from '../engine/measure_folds.ts'
import { VboxmergeError } from '../errors.ts'
import type { ImageInfo, MachineInfo, PlanInfo, SnapshotInfo, VolumeInfo } from '../machine/info_types.ts'
import { inspect } from '../machine/inspect.ts'
import type { InspectedImage, Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { eachSnapshot, eachState } from '../machine/media_graph.ts'
import { loadRegistry } from '../machine/registry.ts'
import { parseOptions } from '../options/parse_options.ts'
import { digestDisks } from './digest_disks.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import type { InspectOptions } from './options.ts'
import { summarize } from './plan.ts'
import { planTree } from './plan_tree.ts'
import { prepare } from './prepare.ts'
import type { MachineRef, Warning } from './result.ts'
import { findHome, openSession, type Session, sessionOf } from './session.ts'
import type { Wanted } from './wanted.ts'
import { wantedCompaction, wantedMerge, wantedSnapshot } from './wanted_parts.ts'

/**
 * Reads a machine: its tree, its images, and what each ensure operation would do. Writes nothing.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} `machine_not_found`, `machine_ambiguous`, `settings_corrupt`, `unsupported`,
 * `image_encrypted`, `journal_foreign`; the reason of `options.signal`.
 */
export async function inspectMachine(machine: string, options: InspectOptions = {}): Promise<MachineInfo> {
  const host = realEnsureHost
  const checked = parseOptions('info', options)
  return await describe(host, await openSession(host, machine, checked), checked)
}

/**
 * Reads every machine that VirtualBox has registered; one that cannot be read is left out of the result's
 * figures and named in its warnings.
 *
 * @throws {VboxmergeError} `settings_corrupt` when VirtualBox's own registry cannot be read; the reason of
 * `options.signal`.
 */
export async function inspectMachines(options: InspectOptions = {}): Promise<MachineInfo[]> {
  const host = realEnsureHost
  const checked = parseOptions('list', options)
  const home = await findHome(host, checked)
  const { machines } = await loadRegistry(host.files, home)
  const infos: MachineInfo[] = []
  for (const { id, settingsFile } of machines) {
    try {
      infos.push(await describe(host, sessionOf(host, settingsFile, home, checked), checked))
    } catch (error) {
      if (!(error instanceof VboxmergeError)) throw error
      infos.push(inaccessible({ name: '', id, settingsFile, registered: true }, error))
    }
  }
  return infos
}

async function describe(host: EnsureHost, session: Session, options: InspectOptions): Promise<MachineInfo> {
  options.signal?.throwIfAborted()
  const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
  const { settings, registration } = inspection
  const summary = summarize(inspection)
  const info: MachineInfo = {
    machine: {
      name: settings.name,
      id: settings.id,
      settingsFile: settings.file,
      registered: registration.registered,
    },
    state: summary.state,
    summary,
    snapshots: describeSnapshots(inspection),
    images: [...inspection.images.values()].map(image => describeImage(inspection, image)),
    volumes: await describeVolumes(host, inspection, options),
    plans: await describePlans(host, session, inspection, options),
    warnings: problemsOf(inspection),
  }
  if (options.digest !== true) return info
  const context = { files: host.files, onProgress: () => {}, signal: options.signal }
  return { ...info, digests: await digestDisks(context, inspection) }
}

function inaccessible(machine: MachineRef, error: VboxmergeError): MachineInfo {
  const refusal = { code: error.code, message: error.message }
  const plan: PlanInfo = { changed: 'unknown', steps: [], refusal }
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
    snapshots: [],
    images: [],
    volumes: [],
    plans: { merged: plan, compacted: plan, base_snapshot: plan, golden_image: plan },
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

/** Tells what is known of an image of a machine. */
export function describeImage(machine: Inspection, { medium, header, fileSize }: InspectedImage): ImageInfo {
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

/** A machine whose images have problems is told all the same, with its problems as warnings. */
async function describeVolumes(
  { files }: EnsureHost,
  machine: Inspection,
  { scan, signal }: InspectOptions,
): Promise<VolumeInfo[]> {
  if (problemsOf(machine).length > 0) return []
  try {
    // What reads file systems is as much code as all the rest.
    const { currentVolumes } = await import('../engine/current_volumes.ts')
    return await currentVolumes(machine, { files, signal, scan: scan === true })
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return []
  }
}

function problemsOf({ images }: Inspection): Warning[] {
  return [...images.values()].flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
}

const merge = { skip: 0, discardCurrentState: false, branches: 'refuse', baseSnapshot: 'Base' } as const
const baseSnapshot = wantedSnapshot({ snapshotName: 'Base', snapshotDescription: 'Created by vboxmerge' })
const nothing: Wanted = {
  merged: undefined,
  compacted: undefined,
  baseSnapshot: undefined,
  discardSavedState: false,
}
const DISCARD = { ...wantedCompaction({}), freeSpace: 'discard' } as const
const WANTED = {
  merged: { ...nothing, merged: wantedMerge(merge) },
  compacted: { ...nothing, compacted: wantedCompaction({}) },
  base_snapshot: { ...nothing, baseSnapshot },
  golden_image: { ...nothing, merged: wantedMerge(merge), compacted: wantedCompaction({}), baseSnapshot },
} as const satisfies Record<keyof MachineInfo['plans'], Wanted>

async function describePlans(
  host: EnsureHost,
  session: Session,
  machine: Inspection,
  options: InspectOptions,
): Promise<MachineInfo['plans']> {
  const plan = async (wanted: Wanted): Promise<PlanInfo> => {
    try {
      return await describePlan(host, session, machine, wanted, options)
    } catch (error) {
      if (!(error instanceof VboxmergeError)) throw error
      return { changed: 'unknown', steps: [], refusal: { code: error.code, message: error.message } }
    }
  }
  return {
    merged: await plan(WANTED.merged),
    compacted: await plan(WANTED.compacted),
    base_snapshot: await plan(WANTED.base_snapshot),
    golden_image: await plan(WANTED.golden_image),
  }
}

async function describePlan(
  host: EnsureHost,
  session: Session,
  machine: Inspection,
  wanted: Wanted,
  { scan, signal }: InspectOptions,
): Promise<PlanInfo> {
  // Only reading the disks would tell what can be compacted; the rest of the plan needs no more than tables.
  const reads = wanted.compacted !== undefined && scan !== true && !isCompactionKnown(machine, wanted)
  const looked = reads ? { ...wanted, compacted: undefined } : wanted
  const wish = { engine: 'auto', registration: 'auto' } as const
  const context = { files: host.files, session, wanted: looked, wish, onProgress: () => {}, signal }
  const { plan, choice } = await prepare(context)
  if (plan.steps.length > 0 && choice.refusal !== undefined) throw choice.refusal
  return { changed: reads && plan.steps.length === 0 ? 'unknown' : plan.steps.length > 0, steps: plan.steps }
}

/** Whether an earlier run left word of every image that would be compacted. */
function isCompactionKnown(machine: Inspection, wanted: Wanted): boolean {
  const { folds, compactable } = planTree(machine, wanted)
  return folds.length === 0 && compactable.every(id => isKnownCompact(machine, id, DISCARD))
}
