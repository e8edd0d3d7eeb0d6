import type { TreePlan } from '../ensure/plan_tree.ts'
import type { EngineName } from '../ensure/result.ts'
import { VboxmergeError } from '../errors.ts'
import { failureAfterChange } from '../failure_state.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import type { Manage } from '../virtualbox/manage.ts'
import type { DirectRun } from './direct/direct_run.ts'
import { readStamps } from './direct/read_stamps.ts'

/** What the user wants of engines. */
export interface EngineWish {
  readonly engine: 'auto' | EngineName
  readonly registration: 'auto' | 'keep'
}

/** Which engine carries out a plan, and why. */
export interface EngineChoice {
  readonly name: EngineName
  readonly reason: string
  /** Why the plan cannot be carried out at all; of no interest when it has no step. */
  readonly refusal: VboxmergeError | undefined
}

/**
 * Chooses the engine for a plan: `direct` wherever it can carry out the whole plan, else `virtualbox`.
 *
 * @param hasManage Tells whether there is a VBoxManage; asked only for registered machines.
 */
export async function chooseEngine(
  machine: Inspection,
  tree: TreePlan,
  wish: EngineWish,
  hasManage: () => Promise<boolean>,
): Promise<EngineChoice> {
  const { registered } = machine.registration
  const manageFound = registered || machine.interrupted?.registered === true ? await hasManage() : false
  const againstDirect = whyNotDirect(machine, tree, wish, manageFound)
  const againstVirtualBox = whyNotVirtualBox(machine, tree, manageFound)
  if (wish.engine !== 'auto') {
    const against = wish.engine === 'direct' ? againstDirect : againstVirtualBox
    return {
      name: wish.engine,
      reason: 'It was asked for',
      refusal:
        against === undefined ? undefined : refuse(machine, `engine "${wish.engine}" cannot: ${against}`),
    }
  }
  if (againstDirect === undefined) {
    const reason = registered
      ? 'It can carry out the whole plan; the machine is out of VirtualBox meanwhile'
      : 'It can carry out the whole plan'
    return { name: 'direct', reason, refusal: undefined }
  }
  if (againstVirtualBox === undefined) {
    return { name: 'virtualbox', reason: `Engine "direct" cannot: ${againstDirect}`, refusal: undefined }
  }
  const both = `engine "direct" cannot: ${againstDirect}; engine "virtualbox" cannot: ${againstVirtualBox}`
  return { name: 'direct', reason: both, refusal: refuse(machine, both) }
}

function refuse(machine: Inspection, found: string): VboxmergeError {
  return new VboxmergeError('unsupported', `Cannot change ${JSON.stringify(machine.settings.name)}: ${found}`)
}

function whyNotDirect(
  machine: Inspection,
  tree: TreePlan,
  wish: EngineWish,
  manageFound: boolean,
): string | undefined {
  const foreign = [...touchedImages(tree)]
    .map(id => machine.images.get(id)?.medium)
    .find(medium => medium !== undefined && medium.format.toUpperCase() !== 'VDI')
  if (foreign !== undefined) {
    return `the image ${JSON.stringify(foreign.path)} has the format ${foreign.format}, and only VDI is worked on`
  }
  if (!machine.registration.ownRegistryComplete) {
    return (
      "an attached image or one of its ancestors is not in the media registry of the machine's own .vbox file " +
      '(a linked clone, or a disk that only VirtualBox.xml lists), so VirtualBox would lose it on unregistering'
    )
  }
  const belongsIn = machine.registration.registered || machine.interrupted?.registered === true
  if (!belongsIn) return undefined
  if (wish.registration === 'keep')
    return 'the machine is registered with VirtualBox and is to stay so (registration=keep)'
  const shared = whatOthersRead(machine)
  if (shared !== undefined) return shared
  if (manageFound) return undefined
  return (
    'the machine is registered with VirtualBox, and VBoxManage was not found to take it out meanwhile; say where ' +
    'it is with vboxmanage=PATH'
  )
}

/**
 * When VirtualBox lets go of a machine, it lists the images that another one reads at that one, and there alone when the
 * machine is back (7.2.22, measured): should the other machine be lost one day, this one could not be opened any more.
 */
function whatOthersRead({ registration, interrupted, images, sharedWith }: Inspection): string | undefined {
  // What a run of this engine began, or left outside of VirtualBox, no other one finishes.
  if (!registration.registered || interrupted !== undefined) return undefined
  for (const { medium } of images.values()) {
    const other = sharedWith.get(medium.id)
    if (other === undefined) continue
    return (
      `the machine ${JSON.stringify(other)} reads the image ${JSON.stringify(medium.path)}, too (a linked clone, or a ` +
      'shared disk), so VirtualBox would list it there alone after unregistering'
    )
  }
  return undefined
}

function whyNotVirtualBox(machine: Inspection, tree: TreePlan, manageFound: boolean): string | undefined {
  if (machine.interrupted !== undefined)
    return 'an interrupted run of engine "direct" has to be finished by it'
  if (!machine.registration.registered) {
    return 'the machine is not registered with VirtualBox; register it (VBoxManage registervm)'
  }
  if (!manageFound) return 'VBoxManage was not found; say where it is with vboxmanage=PATH'
  if (tree.merged.length === 0 && tree.folds.length > 0) {
    return 'the disks hang on differencing images that belong to no snapshot, which VBoxManage cannot merge'
  }
  return undefined
}

function touchedImages(tree: TreePlan): Set<Uuid> {
  return new Set([
    ...tree.folds.flatMap(fold => [...fold.images, ...fold.children]),
    ...tree.compactable,
    ...tree.restoredLeavesOver,
    ...tree.snapshotLeavesOver,
  ])
}

/** Carries out a plan with the chosen engine, which is loaded now: most runs find nothing to do. */
export async function applyPlan(choice: EngineChoice, run: DirectRun): Promise<void> {
  if (choice.name === 'virtualbox') return await applyThroughVirtualBox(run)
  const { applyDirect } = await import('./direct/direct_engine.ts')
  await applyDirect(run)
}

async function applyThroughVirtualBox(run: DirectRun): Promise<void> {
  const { files, manage, prepared, lockTimeout, onProgress, onStepDone, signal } = run
  const { settings } = prepared.machine.inspection
  if (manage === undefined) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot change ${JSON.stringify(settings.name)}: VBoxManage was not found; say where it is with vboxmanage=PATH`,
    )
  }
  const { applyWithVirtualBox } = await import('./virtualbox/virtualbox_engine.ts')
  await applyWithVirtualBox({
    steps: prepared.plan.steps,
    settingsFile: settings.file,
    machineId: settings.id,
    manage,
    files,
    lockTimeout,
    onProgress,
    ...(onStepDone === undefined ? {} : { onStepDone }),
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    await rememberStamps(run, manage)
  } catch (error) {
    const state = 'the work on the machine was done before that; the same command notes its outcome'
    throw failureAfterChange(error, state, signal, prepared.plan.steps.length)
  }
}

/** Notes in the machine's extra data how a compaction left its images. */
async function rememberStamps(
  { files, prepared, vboxUserHome, lockTimeout }: DirectRun,
  manage: Manage,
): Promise<void> {
  const { settings } = prepared.machine.inspection
  const after = (await inspect(files, settings.file, vboxUserHome)).inspection
  const present = {
    currentSnapshot: after.settings.currentSnapshot,
    currentImages: after.settings.currentState.attachments.map(attachment => attachment.image),
    pathOf: (id: Uuid) => after.images.get(id)?.medium.path,
  }
  for (const [name, value] of await readStamps(files, prepared, present)) {
    await manage.setExtraData(settings.id, name, value, { lockTimeout })
  }
}
