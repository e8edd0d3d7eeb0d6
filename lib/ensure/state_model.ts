import type { Inspection } from '../machine/inspection.ts'
import type { Medium, MediumType, Snapshot, Uuid } from '../machine/machine.ts'
import { chainOf, eachState, indexMedia } from '../machine/media_graph.ts'
import type { SnapshotRef } from './result.ts'

/** A snapshot while a plan takes the tree apart. */
export interface ModelSnapshot {
  readonly id: Uuid
  readonly name: string
  readonly parent: Uuid | undefined
  readonly stateFile: string | undefined
  readonly images: readonly Uuid[]
}

/** Images that become one: the lowest stays, the others are folded into it. */
export interface ImageGroup {
  /** Lowest first. */
  readonly images: readonly Uuid[]
  readonly parent: Uuid | undefined
}

/**
 * A machine's tree while a plan is made: snapshots and images can be taken out of it, one decision after
 * the other, as VirtualBox would. Nothing outside it changes.
 */
export interface StateModel {
  /** Parents before children. */
  readonly snapshots: Map<Uuid, ModelSnapshot>
  current: Uuid | undefined
  /** Images attached to the current state; new, empty differencing images are not among them. */
  currentImages: readonly Uuid[]
  /** Images over which the current state gets new differencing images. */
  newLeavesOver: readonly Uuid[]
  /** Groups by the UUID of their lowest image. */
  readonly groups: Map<Uuid, ImageGroup>
  /** Children of each image that is no image of a group of this machine: linked clones, detached images. */
  readonly strangers: ReadonlyMap<Uuid, readonly Medium[]>
  readonly media: ReadonlyMap<Uuid, Medium>
  readonly deleted: Set<Uuid>
}

/** Builds the model of a machine as it was inspected. */
export function modelOf({ settings, images }: Inspection): StateModel {
  const media = new Map(indexMedia([settings.media]))
  for (const [id, { medium }] of images) if (!media.has(id)) media.set(id, medium)
  const snapshots = new Map<Uuid, ModelSnapshot>()
  const groups = new Map<Uuid, ImageGroup>()
  for (const { id, state } of eachState(settings)) {
    for (const attachment of state.attachments) {
      for (const medium of chainOf(media, attachment.image)) {
        groups.set(medium.id, { images: [medium.id], parent: medium.parent })
      }
    }
    if (id !== undefined) {
      const { name, parent, stateFile } = state as Snapshot
      snapshots.set(id, { id, name, parent, stateFile, images: state.attachments.map(a => a.image) })
    }
  }
  return {
    snapshots,
    current: settings.currentSnapshot,
    currentImages: settings.currentState.attachments.map(a => a.image),
    newLeavesOver: [],
    groups,
    strangers: findStrangers(groups, media),
    media,
    deleted: new Set(),
  }
}

function findStrangers(
  groups: ReadonlyMap<Uuid, ImageGroup>,
  media: ReadonlyMap<Uuid, Medium>,
): Map<Uuid, Medium[]> {
  const strangers = new Map<Uuid, Medium[]>()
  for (const id of groups.keys()) {
    const children = [...(media.get(id)?.children ?? [])].filter(child => !groups.has(child.id))
    if (children.length > 0) strangers.set(id, children)
  }
  return strangers
}

/** A snapshot as results name it. */
export function refOf({ id, name }: { readonly id: Uuid; readonly name: string }): SnapshotRef {
  return { id, name }
}

/** Child snapshots, in document order. */
export function childSnapshots(model: StateModel, id: Uuid): ModelSnapshot[] {
  return [...model.snapshots.values()].filter(snapshot => snapshot.parent === id)
}

/** A snapshot and everything below it, parents before children. */
export function subtree(model: StateModel, id: Uuid): ModelSnapshot[] {
  const inside = new Set([id])
  const found: ModelSnapshot[] = []
  for (const snapshot of model.snapshots.values()) {
    if (!inside.has(snapshot.id) && (snapshot.parent === undefined || !inside.has(snapshot.parent))) continue
    inside.add(snapshot.id)
    found.push(snapshot)
  }
  return found
}

/** The snapshots from the current one to the root, newest first. */
export function currentBranch(model: StateModel): ModelSnapshot[] {
  const branch: ModelSnapshot[] = []
  let id = model.current
  while (id !== undefined) {
    const snapshot = model.snapshots.get(id)
    if (snapshot === undefined) break
    branch.push(snapshot)
    id = snapshot.parent
  }
  return branch
}

/** The type of the base that an image hangs on; a base without a known type counts as Normal. */
export function baseTypeOf(model: StateModel, image: Uuid): MediumType {
  return chainOf(model.media, image)[0]?.type ?? 'Normal'
}

/** Whether snapshots put a differencing image over disks of this type. */
export function followsSnapshots(type: MediumType): boolean {
  return type === 'Normal' || type === 'Immutable' || type === 'MultiAttach'
}

/** The group that holds an image. */
export function groupOf(model: StateModel, image: Uuid): ImageGroup | undefined {
  const direct = model.groups.get(image)
  if (direct !== undefined) return direct
  for (const group of model.groups.values()) if (group.images.includes(image)) return group
  return undefined
}

/** The image that stays of a group. */
export function targetOf(group: ImageGroup): Uuid {
  return group.images[0] as Uuid
}

/** Groups whose parent is an image of this group. */
export function childGroups(model: StateModel, group: ImageGroup): ImageGroup[] {
  return [...model.groups.values()].filter(
    other => other.parent !== undefined && other !== group && group.images.includes(other.parent),
  )
}

/** Images below a group that belong to no state of this machine. */
export function strangersOf(model: StateModel, group: ImageGroup): Medium[] {
  return group.images.flatMap(id => model.strangers.get(id) ?? [])
}

/** Whether a state of the model still reads the group directly. */
export function isAttached(model: StateModel, group: ImageGroup): boolean {
  const has = (image: Uuid): boolean => group.images.includes(image)
  if (model.currentImages.some(has) || model.newLeavesOver.some(has)) return true
  for (const snapshot of model.snapshots.values()) if (snapshot.images.some(has)) return true
  return false
}

/** Joins a group with its only child; the lower image stays. */
export function foldInto(model: StateModel, lower: ImageGroup, upper: ImageGroup): ImageGroup {
  const joined = { images: [...lower.images, ...upper.images], parent: lower.parent }
  model.groups.delete(targetOf(upper))
  model.groups.set(targetOf(lower), joined)
  return joined
}

/** An image as messages name it. */
export function describeMedium(medium: Medium): string {
  return `${JSON.stringify(medium.path)} {${medium.id}}`
}
