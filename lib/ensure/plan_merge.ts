import { VboxmergeError } from '../errors.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Medium, Uuid } from '../machine/machine.ts'
import { dropUnread, hasLoneBase, movedState, settleNewLeaves } from './plan_restore.ts'
import type { SnapshotRef, Warning } from './result.ts'
import {
  childGroups,
  childSnapshots,
  currentBranch,
  describeMedium,
  foldInto,
  groupOf,
  hasReaders,
  type ImageGroup,
  isAttached,
  type ModelSnapshot,
  refOf,
  removeSnapshot,
  type StateModel,
  strangersOf,
  subtree,
} from './state_model.ts'
import type { WantedMerge } from './wanted.ts'

/**
 * Selects the snapshots of the current branch that are to be merged, newest first.
 *
 * @throws {VboxmergeError} `branch_blocked` when one of them has another child and `branches` is `refuse`.
 */
export function selectSnapshots(
  machine: Inspection,
  model: StateModel,
  wanted: WantedMerge,
  restored: boolean,
  warnings: Warning[],
): ModelSnapshot[] {
  if (hasLoneBase(machine, model, wanted.baseSnapshot, restored)) return []
  const branch = currentBranch(model)
  const isPart = wanted.skip > 0 || Number.isFinite(wanted.count)
  const first = wanted.skip + (isPart && isShield(machine, model, branch[0], wanted, restored) ? 1 : 0)
  const selected = branch.slice(first, first + wanted.count)
  const ids = idsOf(branch)
  if (wanted.branches === 'discard') return selected
  for (const [index, snapshot] of selected.entries()) {
    const others = otherChildren(model, ids, snapshot)
    if (others.length === 0) continue
    const found = describeFork(machine, model, snapshot, others)
    if (wanted.branches === 'refuse') {
      throw new VboxmergeError(
        'branch_blocked',
        `Cannot merge ${JSON.stringify(machine.settings.name)}: ${found}, and merging would change what is read ` +
          'there; choose branches=stop to merge down to it, branches=discard to delete the other branches with ' +
          'their data, or from=SNAPSHOT to make one of them the current state and merge that (what is not in it is lost)',
      )
    }
    warnings.push({
      code: 'branch_blocked',
      message: `Merged only down to a fork, the rest stays as it is: ${found}`,
    })
    const reached = selected.slice(0, index)
    // Taking the base snapshot again would be the only change.
    return reached.length === 1 && isShield(machine, model, reached[0], wanted, restored) ? [] : reached
  }
  return selected
}

/**
 * Whether a snapshot is an unmoved base snapshot on top. Where not all snapshots are to be merged it does not
 * count as one of them, or the same call would merge it and take it anew each time.
 */
function isShield(
  machine: Inspection,
  model: StateModel,
  snapshot: ModelSnapshot | undefined,
  { baseSnapshot }: WantedMerge,
  restored: boolean,
): boolean {
  if (snapshot === undefined || snapshot.id !== model.current || snapshot.name !== baseSnapshot) return false
  return restored || !movedState(machine, model).disks
}

function otherChildren(
  model: StateModel,
  branch: ReadonlySet<Uuid>,
  snapshot: ModelSnapshot,
): ModelSnapshot[] {
  return childSnapshots(model, snapshot.id).filter(child => !branch.has(child.id))
}

function idsOf(snapshots: readonly ModelSnapshot[]): Set<Uuid> {
  return new Set(snapshots.map(({ id }) => id))
}

function describeFork(
  machine: Inspection,
  model: StateModel,
  snapshot: ModelSnapshot,
  others: readonly ModelSnapshot[],
): string {
  const quoted = (snapshots: readonly ModelSnapshot[]): string =>
    snapshots.map(other => `${JSON.stringify(other.name)} {${other.id}}`).join(', ')
  const tips = others.flatMap(other =>
    subtree(model, other.id).filter(each => childSnapshots(model, each.id).length === 0),
  )
  const besides =
    snapshot.id === machine.settings.currentSnapshot ? ' beside the current state' : ' on another branch'
  // A branch of one snapshot is its own tip.
  const areTips = tips.length === others.length && tips.every(tip => others.includes(tip))
  return (
    `snapshot ${JSON.stringify(snapshot.name)} {${snapshot.id}} has another child${besides}, ` +
    quoted(others) +
    (areTips ? '' : ` (tips: ${quoted(tips)})`)
  )
}

/**
 * Takes every branch that leaves the selected snapshots but the current one out of the model.
 * Returns their snapshots, children before parents.
 */
export function discardOtherBranches(model: StateModel, selected: readonly ModelSnapshot[]): SnapshotRef[] {
  const branch = idsOf(currentBranch(model))
  const gone = selected.flatMap(snapshot =>
    otherChildren(model, branch, snapshot).flatMap(other => subtree(model, other.id)),
  )
  // Parents come before children in a subtree, and newer forks before older ones.
  gone.reverse()
  for (const snapshot of gone) {
    removeSnapshot(model, snapshot)
    for (const image of snapshot.images) dropUnread(model, image)
  }
  return gone.map(refOf)
}

/**
 * Folds the images of snapshots and takes the snapshots out of the model, in the given order.
 * With `branches: 'stop'` it ends before a snapshot whose image has another child.
 *
 * @throws {VboxmergeError} `branch_blocked` or `linked_clone` when an image has another child.
 */
export function mergeSnapshots(
  machine: Inspection,
  model: StateModel,
  selected: readonly ModelSnapshot[],
  branches: WantedMerge['branches'],
  warnings: Warning[],
): SnapshotRef[] {
  const merged: SnapshotRef[] = []
  for (const snapshot of selected) {
    const blocked = findBlockedImage(machine, model, snapshot)
    if (blocked !== undefined) {
      if (branches !== 'stop') {
        throw new VboxmergeError(
          blocked.code,
          `Cannot merge ${JSON.stringify(machine.settings.name)}: ${blocked.found}`,
        )
      }
      warnings.push({ code: blocked.code, message: `Merged only down to a fork: ${blocked.found}` })
      break
    }
    takeOut(model, snapshot)
    merged.push(refOf(snapshot))
  }
  return merged
}

function takeOut(model: StateModel, snapshot: ModelSnapshot): void {
  removeSnapshot(model, snapshot)
  if (model.current === snapshot.id) model.current = snapshot.parent
  settleNewLeaves(model)
  for (const image of snapshot.images) {
    const group = groupOf(model, image)
    if (group === undefined || isAttached(model, group)) continue
    const [child] = childGroups(model, group)
    if (child === undefined) dropUnread(model, image)
    else foldInto(model, group, child)
  }
}

interface Blocked {
  readonly code: 'branch_blocked' | 'linked_clone'
  readonly found: string
}

function findBlockedImage(
  machine: Inspection,
  model: StateModel,
  snapshot: ModelSnapshot,
): Blocked | undefined {
  for (const image of snapshot.images) {
    const group = groupOf(model, image)
    if (group === undefined || isReadElsewhere(model, snapshot, group)) continue
    const upper = childGroups(model, group)
    const newLeaves = model.newLeavesOver.filter(over => groupOf(model, over) === group).length
    const children = upper.length + newLeaves
    // What hangs on the image above would have to be told of its new parent, too.
    const [stranger] = [group, ...upper].flatMap(each => strangersOf(model, each))
    if (stranger !== undefined) return describeStranger(machine, snapshot, stranger)
    if (children > 1) {
      return {
        code: 'branch_blocked',
        found: `the image {${image}} of snapshot ${JSON.stringify(snapshot.name)} has ${children} child images`,
      }
    }
  }
  return undefined
}

function isReadElsewhere(model: StateModel, snapshot: ModelSnapshot, group: ImageGroup): boolean {
  if (model.currentImages.some(image => groupOf(model, image) === group)) return true
  return hasReaders(model, group, snapshot)
}

function describeStranger(machine: Inspection, snapshot: ModelSnapshot, stranger: Medium): Blocked {
  const clone = machine.sharedWith.get(stranger.id)
  const of = `image ${describeMedium(stranger)} hangs on what is to be merged with snapshot ${JSON.stringify(snapshot.name)}`
  if (clone !== undefined) {
    return {
      code: 'linked_clone',
      found: `${of} and belongs to the linked clone ${JSON.stringify(clone)}; clone that machine in full, or remove it`,
    }
  }
  return {
    code: 'branch_blocked',
    found:
      `${of} but belongs to no snapshot of this machine (a linked clone elsewhere, or a disk that was ` +
      `detached); if nothing needs it: VBoxManage closemedium disk ${stranger.id} --delete`,
  }
}
