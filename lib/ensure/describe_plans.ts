import type { ExaminedStates } from '../engine/examine_state.ts'
import { isKnownCompact } from '../engine/measure_folds.ts'
import { VboxmergeError } from '../errors.ts'
import { isNotPermitted } from '../io/errno.ts'
import type { MachineInfo, PlanInfo, PlannedOperation } from '../machine/info_types.ts'
import type { InspectedMachine } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { spaceNeeds } from './check_space.ts'
import { estimate } from './estimate.ts'
import { planTree } from './plan_tree.ts'
import { type PrepareContext, type PreparedRun, prepare } from './prepare.ts'
import { NOTHING, type Wanted } from './wanted.ts'
import { wantedCompaction, wantedMerge, wantedSnapshot } from './wanted_parts.ts'

/** What looking ahead needs beside the machine. */
export interface LookAhead extends Pick<PrepareContext, 'files' | 'session' | 'onProgress' | 'signal'> {
  /** Whether to read the disks to say what compaction would save. */
  readonly scan: boolean
  readonly examined: ExaminedStates
}

const merge = { skip: 0, discardCurrentState: false, branches: 'refuse', baseSnapshot: 'Base' } as const
const baseSnapshot = wantedSnapshot({ snapshotName: 'Base', snapshotDescription: 'Created by vboxmerge' })
const DISCARD = { ...wantedCompaction({}), freeSpace: 'discard' } as const
const WANTED = {
  merged: { ...NOTHING, merged: wantedMerge(merge) },
  compacted: { ...NOTHING, compacted: wantedCompaction({}) },
  base_snapshot: { ...NOTHING, baseSnapshot },
  golden_image: { ...NOTHING, merged: wantedMerge(merge), compacted: wantedCompaction({}), baseSnapshot },
} as const satisfies Record<PlannedOperation, Wanted>

/** Says what each operation would do with its default options; why not, where one would refuse. */
export async function describePlans(
  machine: InspectedMachine,
  context: LookAhead,
): Promise<MachineInfo['plans']> {
  const plan = async (wanted: Wanted): Promise<PlanInfo> => {
    try {
      return await describePlan(machine, wanted, context)
    } catch (error) {
      if (!(error instanceof VboxmergeError)) throw error
      return refusedPlan(error)
    }
  }
  return {
    merged: await plan(WANTED.merged),
    compacted: await plan(WANTED.compacted),
    base_snapshot: await plan(WANTED.base_snapshot),
    golden_image: await plan(WANTED.golden_image),
  }
}

/** The same refusal for every operation. */
export function refusedPlans(error: VboxmergeError): MachineInfo['plans'] {
  const plan = refusedPlan(error)
  return { merged: plan, compacted: plan, base_snapshot: plan, golden_image: plan }
}

function refusedPlan({ code, message }: VboxmergeError): PlanInfo {
  return { changed: 'unknown', steps: [], savedBytes: null, estimate: null, refusal: { code, message } }
}

async function describePlan(
  inspected: InspectedMachine,
  wanted: Wanted,
  { scan, ...context }: LookAhead,
): Promise<PlanInfo> {
  // Only reading the disks would tell what can be compacted; the rest of the plan needs no more than tables.
  const isBlind = wanted.compacted !== undefined && !scan && !isCompactionKnown(inspected.inspection, wanted)
  const looked = isBlind ? { ...wanted, compacted: undefined } : wanted
  const wish = { engine: 'auto', registration: 'auto' } as const
  const prepared = await prepare({ ...context, inspected, wanted: looked, wish })
  const { plan, choice } = prepared
  if (plan.steps.length > 0 && choice.refusal !== undefined) throw choice.refusal
  const isNothing = plan.steps.length === 0
  return {
    changed: isBlind && isNothing ? 'unknown' : !isNothing,
    steps: plan.steps,
    savedBytes: isBlind && isNothing ? null : plan.before.bytes - plan.after.bytes,
    estimate: isNothing ? null : await estimateOf(prepared, context),
  }
}

async function estimateOf(
  { plan, choice, machine, read }: PreparedRun,
  { files, session }: Pick<LookAhead, 'files' | 'session'>,
): Promise<PlanInfo['estimate']> {
  const space = await spaceNeeds(
    files,
    machine.inspection,
    machine.settingsBytes.length,
    session.vboxUserHome,
    plan,
  ).catch((error: unknown) => {
    // Whoever may only read is told the rest.
    if (isNotPermitted(error)) return []
    throw error
  })
  return estimate(plan.steps, choice.name, read, space)
}

/** Whether an earlier run left word of every image that would be compacted. */
function isCompactionKnown(machine: Inspection, wanted: Wanted): boolean {
  const { folds, compactable } = planTree(machine, wanted)
  return folds.length === 0 && compactable.every(id => isKnownCompact(machine, id, DISCARD))
}
