import type { TreePlan } from '../ensure/plan_tree.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Attachment, Medium, Snapshot, Uuid } from '../machine/machine.ts'
import { chainOf, eachSnapshot, indexMedia } from '../machine/media_graph.ts'

/** A disk of a state, with the images that it is read through. */
export interface GuestStateDisk {
  readonly attachment: Attachment
  /** Lowest first, without images on top in which nothing is written. */
  readonly chain: readonly Medium[]
}

/** A state that will still be there after a run, as its guest sees it. */
export interface GuestState {
  /** `the current state`, or a snapshot by its name. */
  readonly name: string
  /** The memory of a guest is kept with it, which knows better than its disks what is free. */
  readonly isSaved: boolean
  /** All hard disks. */
  readonly disks: readonly GuestStateDisk[]
}

/** Returns a snapshot's state, or the current state, of a machine as it is now. */
export function presentGuestState(machine: Inspection, snapshot?: Snapshot): GuestState {
  const { attachments, stateFile } = snapshot ?? machine.settings.currentState
  const name = snapshot === undefined ? 'the current state' : nameOf(snapshot)
  return guestState(machine, name, attachments, stateFile !== undefined)
}

/**
 * Returns the states that read a machine's images once a plan is carried out, the current state first. Of states
 * that see the same there is one.
 */
export function guestStates(machine: Inspection, tree: TreePlan): GuestState[] {
  const { settings } = machine
  const remaining = new Set(tree.remaining.map(({ id }) => id))
  const snapshots = [...eachSnapshot(settings.rootSnapshot)]
  const restored = snapshots.find(({ id }) => id === tree.restore?.id)
  const isSaved = settings.currentState.stateFile !== undefined && !tree.discardSavedState
  const current =
    restored === undefined
      ? guestState(machine, 'the current state', settings.currentState.attachments, isSaved)
      : guestState(machine, 'the current state', restored.attachments, false)
  const others = snapshots
    .filter(({ id }) => remaining.has(id))
    .map(snapshot => presentGuestState(machine, snapshot))
  const states = new Map<string, GuestState>()
  for (const one of [current, ...others]) {
    const seen = one.disks.map(({ chain }) => chain.at(-1)?.id).join()
    const key = `${one.isSaved} ${seen}`
    if (!states.has(key)) states.set(key, one)
  }
  return [...states.values()]
}

function nameOf({ name }: Snapshot): string {
  return `the snapshot ${JSON.stringify(name)}`
}

function guestState(
  machine: Inspection,
  name: string,
  attachments: readonly Attachment[],
  isSaved: boolean,
): GuestState {
  const media = indexMedia([[...machine.images.values()].map(image => image.medium)])
  const disks = attachments.map(attachment => ({
    attachment,
    chain: writtenChain(machine, media, attachment.image),
  }))
  return { name, isSaved, disks }
}

function writtenChain(machine: Inspection, media: ReadonlyMap<Uuid, Medium>, image: Uuid): Medium[] {
  const chain = chainOf(media, image)
  const top = chain.at(-1)
  const below = chain.at(-2)
  const sameSize =
    top !== undefined &&
    below !== undefined &&
    machine.images.get(top.id)?.header?.capacity === machine.images.get(below.id)?.header?.capacity
  return sameSize && machine.emptyLeaves.has(top.id) ? chain.slice(0, -1) : chain
}
