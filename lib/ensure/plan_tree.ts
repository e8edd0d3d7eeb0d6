import { dirname, isAbsolute, relative, sep } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Medium, Uuid } from '../machine/machine.ts'
import { settledState } from '../machine/settled_state.ts'
import { discardOtherBranches, mergeSnapshots, selectSnapshots } from './plan_merge.ts'
import { planRestore } from './plan_restore.ts'
import type { SnapshotRef, Warning } from './result.ts'
import {
  baseTypeOf,
  childGroups,
  currentBranch,
  describeMedium,
  foldInto,
  followsSnapshots,
  groupOf,
  type ImageGroup,
  isAttached,
  modelOf,
  refOf,
  type StateModel,
  strangersOf,
  targetOf,
} from './state_model.ts'
import type { Wanted, WantedSnapshot } from './wanted.ts'

/** Images that become one. */
export interface Fold {
  /** Lowest first; the first one stays. */
  readonly images: readonly Uuid[]
  /** Images whose parent is the newest of them, on all branches. */
  readonly children: readonly Uuid[]
}

/** What happens to the tree of snapshots and images; says nothing of blocks. */
export interface TreePlan {
  readonly recover: boolean
  readonly discardSavedState: boolean
  readonly restore: SnapshotRef | undefined
  /** Children before parents. */
  readonly discarded: readonly SnapshotRef[]
  /** Newest first. */
  readonly merged: readonly SnapshotRef[]
  readonly folds: readonly Fold[]
  /** Images that go because no view is left that reads them; children before parents. */
  readonly deleted: readonly Uuid[]
  /** Images that stay although no state is left that reads them. */
  readonly released: readonly Uuid[]
  /** Images over which a restore makes new differencing images for the current state. */
  readonly restoredLeavesOver: readonly Uuid[]
  /** Base images that are to be compacted. */
  readonly compactable: readonly Uuid[]
  readonly snapshot: WantedSnapshot | undefined
  /**
   * Images over which the base snapshot makes new differencing images, named after the folds; one of
   * `restoredLeavesOver` stands for the differencing image that the restore made over it.
   */
  readonly snapshotLeavesOver: readonly Uuid[]
  /** Snapshots left when all is done, without a new one. */
  readonly remaining: readonly SnapshotRef[]
  readonly currentSnapshot: SnapshotRef | undefined
  /** Images of the current state when all is done, without new differencing images. */
  readonly currentImages: readonly Uuid[]
  /** The restored snapshot when it was merged too, or shielded (now, or by an earlier run): its state is to stay. */
  readonly settles: SnapshotRef | undefined
  readonly warnings: readonly Warning[]
}

/**
 * Decides what must happen to the snapshot tree for the wanted state. Pure.
 *
 * @throws {VboxmergeError} `branch_blocked`, `linked_clone`, `snapshot_not_found`, `machine_not_off`,
 * `unsupported` when the wanted state cannot be reached without losing something.
 */
export function planTree(machine: Inspection, wanted: Wanted): TreePlan {
  const name = machine.settings.name
  const model = modelOf(machine)
  const warnings: Warning[] = []
  const recover = machine.interrupted !== undefined
  foldAbandoned(machine, model, wanted.merged !== undefined)
  const restore = planRestore(machine, model, wanted, warnings)
  const settled = settledState(machine)
  let discarded: SnapshotRef[] = []
  let merged: SnapshotRef[] = []
  if (wanted.merged !== undefined) {
    const restored = restore !== undefined
    const selected = selectSnapshots(machine, model, wanted.merged, restored, warnings)
    if (wanted.merged.branches === 'discard') discarded = discardOtherBranches(model, selected)
    merged = mergeSnapshots(machine, model, selected, wanted.merged.branches, warnings)
  }
  const snapshot = planSnapshot(name, model, wanted.baseSnapshot)
  const folds = foldsOf(model)
  const compactable = wanted.compacted === undefined ? [] : findCompactable(machine, model, warnings)
  refuseShared(machine, folds, model, compactable)
  const remaining = [...model.snapshots.values()].map(refOf)
  const current = model.current === undefined ? undefined : model.snapshots.get(model.current)
  return {
    recover,
    discardSavedState: machine.settings.currentState.stateFile !== undefined && wanted.discardSavedState,
    restore: restore?.snapshot,
    discarded,
    merged,
    folds,
    deleted: [...model.deleted],
    released: releasedImages(model),
    restoredLeavesOver: [...model.newLeavesOver],
    compactable,
    snapshot,
    snapshotLeavesOver: snapshot === undefined ? [] : leavesFor(model),
    remaining,
    currentSnapshot: current === undefined ? undefined : refOf(current),
    currentImages: finalImages(model),
    settles:
      restore === undefined
        ? settled
        : isLeftBehind(restore.snapshot, merged, snapshot)
          ? restore.snapshot
          : undefined,
    warnings,
  }
}

/** Whether the current state hangs on the restored snapshot no more when all is done. */
function isLeftBehind(
  restored: SnapshotRef,
  merged: readonly SnapshotRef[],
  snapshot: WantedSnapshot | undefined,
): boolean {
  return snapshot !== undefined || merged.some(({ id }) => id === restored.id)
}

/**
 * Folds images that a first commit left without a view of their own. Which they are the journal says. Without
 * one only images in the machine's own folder count as its own: to a linked clone, whose original VirtualBox
 * does not list at the moment, the original's images look the same.
 */
function foldAbandoned(machine: Inspection, model: StateModel, isMergeWanted: boolean): void {
  const isOwn = chainsInOwnFolder(machine, model)
  for (const id of [...model.groups.keys()].reverse()) {
    const group = model.groups.get(id)
    if (group === undefined || isAttached(model, group) || strangersOf(model, group).length > 0) continue
    const [only, ...others] = childGroups(model, group)
    if (only === undefined || others.length > 0 || machine.sharedWith.has(targetOf(group))) continue
    if (strangersOf(model, only).length > 0) continue
    const wasToGo = machine.interrupted?.unwanted.has(targetOf(only)) === true
    if (!wasToGo && !(isMergeWanted && isOwn(targetOf(only)))) continue
    if (group.parent === undefined && baseTypeOf(model, id) !== 'Normal') continue
    foldInto(model, group, only)
  }
}

/** Tells of images whether they and all their ancestors lie in the machine's folder; of each file it asks once. */
function chainsInOwnFolder({ settings }: Inspection, model: StateModel): (image: Uuid) => boolean {
  const folder = dirname(settings.file)
  const known = new Map<Uuid, boolean>()
  return image => {
    let isOwn = true
    // The chain from the lowest image up; what was found of one holds for what hangs on it.
    const waiting: Medium[] = []
    for (let id: Uuid | undefined = image; id !== undefined && !known.has(id); ) {
      const medium = model.media.get(id)
      if (medium === undefined) break
      waiting.push(medium)
      known.set(id, true)
      id = medium.parent
    }
    const below = waiting[waiting.length - 1]?.parent
    if (below !== undefined) isOwn = known.get(below) ?? true
    for (const { id, path } of waiting.reverse()) {
      isOwn &&= isInside(folder, path)
      known.set(id, isOwn)
    }
    return known.get(image) ?? true
  }
}

function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path)
  return inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)
}

function planSnapshot(
  name: string,
  model: StateModel,
  wanted: WantedSnapshot | undefined,
): WantedSnapshot | undefined {
  if (wanted === undefined) return undefined
  if (currentBranch(model).some(snapshot => snapshot.name === wanted.name)) return undefined
  const elsewhere = [...model.snapshots.values()].find(snapshot => snapshot.name === wanted.name)
  if (elsewhere === undefined) return wanted
  throw new VboxmergeError(
    'branch_blocked',
    `Cannot take the base snapshot ${JSON.stringify(wanted.name)} of ${JSON.stringify(name)}: a snapshot of ` +
      `that name {${elsewhere.id}} is on another branch; restore it, or choose another name with snapshotName=NAME`,
  )
}

function foldsOf(model: StateModel): Fold[] {
  return [...model.groups.values()]
    .filter(group => group.images.length > 1)
    .map(group => ({ images: group.images, children: childGroups(model, group).map(targetOf) }))
}

/** As in VirtualBox a base stays that no state reads any more, and so does what strangers hang on. */
function releasedImages(model: StateModel): Uuid[] {
  const read = new Set<ImageGroup>()
  for (const attached of model.groups.values()) {
    let group = isAttached(model, attached) ? attached : undefined
    while (group !== undefined && !read.has(group)) {
      read.add(group)
      group = group.parent === undefined ? undefined : groupOf(model, group.parent)
    }
  }
  return [...model.groups.values()].filter(group => !read.has(group)).flatMap(group => group.images)
}

function leavesFor(model: StateModel): Uuid[] {
  const attached = finalImages(model).filter(image => followsSnapshots(baseTypeOf(model, image)))
  return [...attached, ...model.newLeavesOver]
}

function finalImages(model: StateModel): Uuid[] {
  return model.currentImages.map(image => finalImage(model, image))
}

/** The image that has an image's view when all folds are done. */
function finalImage(model: StateModel, image: Uuid): Uuid {
  const group = groupOf(model, image)
  return group === undefined ? image : targetOf(group)
}

/** The bases of the current state's Normal disks; the others are named in warnings. */
function findCompactable(machine: Inspection, model: StateModel, warnings: Warning[]): Uuid[] {
  const found = new Set<Uuid>()
  const reasons: string[] = []
  for (const image of [...model.currentImages, ...model.newLeavesOver]) {
    const base = baseGroup(model, image)
    const id = base === undefined ? image : targetOf(base)
    if (found.has(id)) continue
    const reason = whyNotCompactable(machine, model, id, base)
    if (reason === undefined) found.add(id)
    else reasons.push(reason)
  }
  if (found.size === 0 && reasons.length > 0) {
    throw new VboxmergeError(
      'unsupported',
      `Cannot compact ${JSON.stringify(machine.settings.name)}: ${reasons.join('; ')}`,
    )
  }
  for (const reason of reasons) warnings.push({ code: 'not_compacted', message: `Not compacted: ${reason}` })
  return [...found]
}

function baseGroup(model: StateModel, image: Uuid): ImageGroup | undefined {
  let group = groupOf(model, image)
  while (group?.parent !== undefined) {
    const below = groupOf(model, group.parent)
    if (below === undefined) break
    group = below
  }
  return group
}

function whyNotCompactable(
  machine: Inspection,
  model: StateModel,
  id: Uuid,
  base: ImageGroup | undefined,
): string | undefined {
  const medium = model.media.get(id)
  const image = machine.images.get(id)
  if (medium === undefined || image === undefined) return `image {${id}} is in no media registry`
  if ((medium.type ?? 'Normal') !== 'Normal') return `${describeMedium(medium)} is of type ${medium.type}`
  if (medium.parent !== undefined) return `the base of ${describeMedium(medium)} is in no media registry`
  if (medium.format.toUpperCase() !== 'VDI') {
    return `${describeMedium(medium)} has the format ${medium.format}, which cannot be compacted`
  }
  if (image.header?.variant === 'fixed') return `${describeMedium(medium)} has a fixed size`
  if (base !== undefined && !isAttached(model, base) && !chainsInOwnFolder(machine, model)(id))
    return `${describeMedium(medium)} is in no state of this machine, so another one may need it (a linked clone?)`
  return undefined
}

function refuseShared(
  machine: Inspection,
  folds: readonly Fold[],
  model: StateModel,
  compactable: readonly Uuid[],
): void {
  const touched = [
    ...folds.flatMap(fold => [...fold.images, ...fold.children]),
    ...model.deleted,
    ...compactable,
  ]
  for (const id of touched) {
    const other = machine.sharedWith.get(id)
    if (other === undefined) continue
    const medium = model.media.get(id)
    const isCopy = other === machine.settings.name
    const help = isCopy
      ? 'if this is a copy of it, name a VirtualBox home in which it is not registered (vboxUserHome=FOLDER)'
      : 'clone that machine in full, or remove it, first'
    throw new VboxmergeError(
      'linked_clone',
      `Cannot change ${JSON.stringify(machine.settings.name)}: image ` +
        `${medium === undefined ? `{${id}}` : describeMedium(medium)} is also used by the machine ` +
        `${JSON.stringify(other)}; ${help}`,
    )
  }
}
