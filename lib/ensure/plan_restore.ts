import { VboxmergeError } from '../errors.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { settledState } from '../machine/settled_state.ts'
import type { SnapshotRef, Warning } from './result.ts'
import {
  baseTypeOf,
  childGroups,
  currentBranch,
  followsSnapshots,
  groupOf,
  type ImageGroup,
  isAttached,
  type ModelSnapshot,
  refOf,
  removeGroup,
  type StateModel,
  strangersOf,
} from './state_model.ts'
import type { Wanted, WantedMerge } from './wanted.ts'

/** What is known of the current state against its snapshot. */
export interface Moved {
  /** A disk has data of its own since the snapshot. */
  readonly disks: boolean
  /** Settings may differ from the snapshot's. */
  readonly settings: boolean
}

/** Compares the current state with its snapshot as the settings and the leaf images tell. */
export function movedState(machine: Inspection, model: StateModel): Moved {
  const snapshot = model.current === undefined ? undefined : model.snapshots.get(model.current)
  const images = new Set(snapshot?.images ?? [])
  const disks = model.currentImages.some(image => {
    const parent = model.media.get(image)?.parent
    return parent !== undefined && images.has(parent) && !machine.emptyLeaves.has(image)
  })
  return { disks, settings: machine.settings.currentStateModified }
}

/**
 * Plans going back to a snapshot, and takes the images of the present current state out of the model.
 * Returns undefined when the current state is already that snapshot's, unmoved.
 *
 * @throws {VboxmergeError} `snapshot_not_found` or `machine_ambiguous` for `from`, `machine_not_off` when the
 * snapshot has a saved state that was not given up.
 */
export function planRestore(
  machine: Inspection,
  model: StateModel,
  wanted: Wanted,
  warnings: Warning[],
): { readonly snapshot: SnapshotRef } | undefined {
  const target =
    wanted.merged === undefined ? undefined : restoreTarget(machine, model, wanted.merged, warnings)
  const settled = settledState(machine)
  if (target === undefined || (settled !== undefined && [model.current, settled.id].includes(target.id)))
    return undefined
  const moved = movedState(machine, model)
  const isCurrent = target.id === model.current
  if (isCurrent && !moved.disks && !moved.settings) return undefined
  if (target.stateFile !== undefined && !wanted.discardSavedState) {
    throw new VboxmergeError(
      'machine_not_off',
      `Cannot restore snapshot ${JSON.stringify(target.name)} of ${JSON.stringify(machine.settings.name)}: it ` +
        'has a saved state, and restoring it would leave the machine saved; give that state up with ' +
        'discardSavedState=true, or start the machine from it and shut it down',
    )
  }
  if (isCurrent && !moved.disks) {
    warnings.push({
      code: 'settings_go_back',
      message:
        `No disk of ${JSON.stringify(machine.settings.name)} changed since snapshot ` +
        `${JSON.stringify(target.name)}, but its settings may have: they go back to the snapshot's`,
    })
  }
  leaveCurrentState(model, target)
  return { snapshot: refOf(target) }
}

function restoreTarget(
  machine: Inspection,
  model: StateModel,
  merged: WantedMerge,
  warnings: Warning[],
): ModelSnapshot | undefined {
  if (merged.from !== undefined) return findSnapshot(machine, model, merged, merged.from, warnings)
  if (!merged.discardCurrentState || model.current === undefined) return undefined
  return model.snapshots.get(model.current)
}

function findSnapshot(
  machine: Inspection,
  model: StateModel,
  merged: WantedMerge,
  from: string,
  warnings: Warning[],
): ModelSnapshot | undefined {
  const id = from.replace(/^\{|\}$/g, '').toLowerCase()
  const byId = model.snapshots.get(id)
  if (byId !== undefined) return byId
  const byName = [...model.snapshots.values()].filter(snapshot => snapshot.name === from)
  if (byName.length === 1) return byName[0]
  const machineName = JSON.stringify(machine.settings.name)
  if (byName.length > 1) {
    throw new VboxmergeError(
      'machine_ambiguous',
      `Cannot restore snapshot ${JSON.stringify(from)} of ${machineName}: ${byName.length} snapshots have that ` +
        `name; give one of the UUIDs ${byName.map(snapshot => snapshot.id).join(', ')}`,
    )
  }
  // A snapshot that an earlier run of the same call restored and merged is no longer there.
  const settled = settledState(machine)
  if (settled !== undefined && (settled.id === id || settled.name === from)) return undefined
  const names = [...model.snapshots.values()].map(snapshot => snapshot.name)
  if (names.length === 0 || (names.length === 1 && names[0] === merged.baseSnapshot)) {
    warnings.push({
      code: 'snapshot_not_found',
      message: `${machineName} has no snapshot ${JSON.stringify(from)} (any more): its branch is taken as merged`,
    })
    return undefined
  }
  throw new VboxmergeError(
    'snapshot_not_found',
    `Cannot restore snapshot ${JSON.stringify(from)} of ${machineName}: there is none of that name or UUID; ` +
      `there are ${names.map(name => JSON.stringify(name)).join(', ')}`,
  )
}

/** Makes the snapshot's images those of the current state; what only the old current state read goes away. */
function leaveCurrentState(model: StateModel, target: ModelSnapshot): void {
  const old = model.currentImages
  model.current = target.id
  model.currentImages = target.images.filter(image => !followsSnapshots(baseTypeOf(model, image)))
  model.newLeavesOver = target.images.filter(image => followsSnapshots(baseTypeOf(model, image)))
  for (const image of old) dropUnread(model, image)
}

/**
 * Takes an image that no state reads any more out of the model, then its parents that were only there for it.
 * A base image stays, unattached, as it does in VirtualBox.
 */
export function dropUnread(model: StateModel, image: Uuid): void {
  let group = groupOf(model, image)
  while (group !== undefined && isUnread(model, group) && group.parent !== undefined) {
    const below: ImageGroup | undefined = groupOf(model, group.parent)
    removeGroup(model, group)
    for (const id of [...group.images].reverse()) model.deleted.add(id)
    group = below
  }
}

function isUnread(model: StateModel, group: ImageGroup): boolean {
  return (
    !isAttached(model, group) &&
    childGroups(model, group).length === 0 &&
    strangersOf(model, group).length === 0
  )
}

/** Attaches the current state directly where its snapshot is gone and no new differencing image is needed. */
export function settleNewLeaves(model: StateModel): void {
  if (model.newLeavesOver.length === 0) return
  const isKept = (image: Uuid): boolean => (model.readers.get(image) ?? 0) > 0
  const direct = model.newLeavesOver.filter(image => !isKept(image))
  model.newLeavesOver = model.newLeavesOver.filter(isKept)
  model.currentImages = [...model.currentImages, ...direct]
}

/** Whether the lone snapshot of that name, unmoved, shields the base: then nothing is left to merge. */
export function hasLoneBase(
  machine: Inspection,
  model: StateModel,
  name: string | false,
  restored: boolean,
): boolean {
  const branch = currentBranch(model)
  const [only] = branch
  if (name === false || only === undefined || model.snapshots.size !== 1 || only.name !== name) return false
  return restored || !movedState(machine, model).disks
}
