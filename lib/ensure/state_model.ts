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
 *
 * Only the functions of this file change its maps: there can be thousands of snapshots, so what belongs together is
 * looked up, not looked for.
 */
export interface StateModel {
  /** Parents before children. */
  readonly snapshots: Map<Uuid, ModelSnapshot>
  readonly snapshotChildren: Children
  current: Uuid | undefined
  /** Images attached to the current state; new, empty differencing images are not among them. */
  currentImages: readonly Uuid[]
  /** Images over which the current state gets new differencing images. */
  newLeavesOver: readonly Uuid[]
  /** Groups by the UUID of their lowest image. */
  readonly groups: Map<Uuid, ImageGroup>
  /** Lowest images of groups, by the image that is their parent. */
  readonly groupChildren: Children
  /** For images that were folded: a lower one of their group. */
  readonly foldedInto: Map<Uuid, Uuid>
  /** How often snapshots have an image attached. */
  readonly readers: Map<Uuid, number>
  /** Children of each image that is no image of a group of this machine: linked clones, detached images. */
  readonly strangers: ReadonlyMap<Uuid, readonly Medium[]>
  readonly media: ReadonlyMap<Uuid, Medium>
  readonly deleted: Set<Uuid>
}

/** Children by their parent, each with its place among all. */
interface Children {
  readonly byParent: Map<Uuid, Set<Uuid>>
  readonly places: ReadonlyMap<Uuid, number>
}

/** Builds the model of a machine as it was inspected. */
export function modelOf({ settings, images }: Inspection): StateModel {
  const media = new Map(indexMedia([settings.media]))
  for (const [id, { medium }] of images) if (!media.has(id)) media.set(id, medium)
  const snapshots = new Map<Uuid, ModelSnapshot>()
  const groups = new Map<Uuid, ImageGroup>()
  for (const { id, state } of eachState(settings)) {
    for (const attachment of state.attachments) {
      addGroups(groups, media, attachment.image)
    }
    if (id !== undefined) {
      const { name, parent, stateFile } = state as Snapshot
      snapshots.set(id, { id, name, parent, stateFile, images: state.attachments.map(a => a.image) })
    }
  }
  return {
    snapshots,
    snapshotChildren: childrenIn(snapshots),
    current: settings.currentSnapshot,
    currentImages: settings.currentState.attachments.map(a => a.image),
    newLeavesOver: [],
    groups,
    groupChildren: childrenIn(groups),
    foldedInto: new Map(),
    readers: countReaders(snapshots.values()),
    strangers: findStrangers(groups, media),
    media,
    deleted: new Set(),
  }
}

/** Adds the groups of an image and of its ancestors, lowest first. */
function addGroups(groups: Map<Uuid, ImageGroup>, media: ReadonlyMap<Uuid, Medium>, image: Uuid): void {
  const chain = new Map<Uuid, ImageGroup>()
  let id: Uuid | undefined = image
  while (id !== undefined && !groups.has(id) && !chain.has(id)) {
    const medium = media.get(id)
    if (medium === undefined) break
    chain.set(id, { images: [id], parent: medium.parent })
    id = medium.parent
  }
  for (const [lowest, group] of [...chain].reverse()) groups.set(lowest, group)
}

function childrenIn(all: ReadonlyMap<Uuid, { readonly parent: Uuid | undefined }>): Children {
  const byParent = new Map<Uuid, Set<Uuid>>()
  const places = new Map<Uuid, number>()
  for (const [id, { parent }] of all) {
    places.set(id, places.size)
    addChild(byParent, parent, id)
  }
  return { byParent, places }
}

function addChild(byParent: Map<Uuid, Set<Uuid>>, parent: Uuid | undefined, id: Uuid): void {
  if (parent === undefined) return
  const siblings = byParent.get(parent) ?? new Set()
  byParent.set(parent, siblings.add(id))
}

function childrenOf({ byParent, places }: Children, parents: readonly Uuid[]): Uuid[] {
  const children = parents.flatMap(parent => [...(byParent.get(parent) ?? [])])
  return children.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
}

function countReaders(snapshots: Iterable<ModelSnapshot>): Map<Uuid, number> {
  const readers = new Map<Uuid, number>()
  for (const { images } of snapshots) for (const image of images) count(readers, image, 1)
  return readers
}

function count(readers: Map<Uuid, number>, image: Uuid, more: 1 | -1): void {
  readers.set(image, (readers.get(image) ?? 0) + more)
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
  return childrenOf(model.snapshotChildren, [id]).flatMap(child => model.snapshots.get(child) ?? [])
}

/** A snapshot and everything below it, parents before children. */
export function subtree(model: StateModel, id: Uuid): ModelSnapshot[] {
  const found: ModelSnapshot[] = []
  const waiting = [id]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const snapshot = model.snapshots.get(next)
    if (snapshot === undefined) continue
    found.push(snapshot)
    waiting.push(...childrenOf(model.snapshotChildren, [next]).reverse())
  }
  return found
}

/** Takes a snapshot out; its children become those of its parent. */
export function removeSnapshot(model: StateModel, { id, parent, images }: ModelSnapshot): void {
  const { byParent } = model.snapshotChildren
  for (const child of childSnapshots(model, id)) {
    model.snapshots.set(child.id, { ...child, parent })
    addChild(byParent, parent, child.id)
  }
  byParent.delete(id)
  if (parent !== undefined) byParent.get(parent)?.delete(id)
  model.snapshots.delete(id)
  for (const image of images) count(model.readers, image, -1)
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
  let lowest = image
  for (let lower = model.foldedInto.get(lowest); lower !== undefined; lower = model.foldedInto.get(lowest)) {
    // The next look has half as far to go.
    const next = model.foldedInto.get(lower)
    if (next !== undefined) model.foldedInto.set(lowest, next)
    lowest = lower
  }
  return model.groups.get(lowest)
}

/** The image that stays of a group. */
export function targetOf(group: ImageGroup): Uuid {
  return group.images[0] as Uuid
}

/** Groups whose parent is an image of this group. */
export function childGroups(model: StateModel, group: ImageGroup): ImageGroup[] {
  return childrenOf(model.groupChildren, group.images).flatMap(child => model.groups.get(child) ?? [])
}

/** Images below a group that belong to no state of this machine. */
export function strangersOf(model: StateModel, group: ImageGroup): Medium[] {
  if (model.strangers.size === 0) return []
  return group.images.flatMap(id => model.strangers.get(id) ?? [])
}

/** Whether snapshots have one of the group's images attached, those of `besides` not counted. */
export function hasReaders(model: StateModel, group: ImageGroup, besides?: ModelSnapshot): boolean {
  return group.images.some(image => {
    const own = besides?.images.filter(each => each === image).length ?? 0
    return (model.readers.get(image) ?? 0) > own
  })
}

/** Whether a state of the model still reads the group directly. */
export function isAttached(model: StateModel, group: ImageGroup): boolean {
  const has = (image: Uuid): boolean => groupOf(model, image) === group
  return model.currentImages.some(has) || model.newLeavesOver.some(has) || hasReaders(model, group)
}

/** Joins a group with its only child; the lower image stays. */
export function foldInto(model: StateModel, lower: ImageGroup, upper: ImageGroup): ImageGroup {
  const joined = { images: [...lower.images, ...upper.images], parent: lower.parent }
  removeGroup(model, upper)
  model.foldedInto.set(targetOf(upper), targetOf(lower))
  model.groups.set(targetOf(lower), joined)
  return joined
}

/** Takes a group out. */
export function removeGroup(model: StateModel, group: ImageGroup): void {
  const target = targetOf(group)
  model.groups.delete(target)
  if (group.parent !== undefined) model.groupChildren.byParent.get(group.parent)?.delete(target)
}

/** An image as messages name it. */
export function describeMedium(medium: Medium): string {
  return `${JSON.stringify(medium.path)} {${medium.id}}`
}
