import type { MachineSettings, Medium, Snapshot, StateSettings, Uuid } from './machine.ts'

/** Walks media trees, parents before children. */
export function* eachMedium(roots: readonly Medium[]): Generator<Medium> {
  const waiting = [...roots].reverse()
  for (let medium = waiting.pop(); medium !== undefined; medium = waiting.pop()) {
    yield medium
    for (const child of [...medium.children].reverse()) waiting.push(child)
  }
}

/** Walks a snapshot tree, parents before children. */
export function* eachSnapshot(root: Snapshot | undefined): Generator<Snapshot> {
  const waiting = root === undefined ? [] : [root]
  for (let snapshot = waiting.pop(); snapshot !== undefined; snapshot = waiting.pop()) {
    yield snapshot
    for (const child of [...snapshot.children].reverse()) waiting.push(child)
  }
}

/** Walks all states of a machine: its snapshots, then the current state (whose `id` is undefined). */
export function* eachState(
  settings: MachineSettings,
): Generator<{ readonly id: Uuid | undefined; readonly state: StateSettings }> {
  for (const snapshot of eachSnapshot(settings.rootSnapshot)) yield { id: snapshot.id, state: snapshot }
  yield { id: undefined, state: settings.currentState }
}

/** All media that some registries list, by UUID; the first registry that lists one wins. */
export function indexMedia(registries: Iterable<readonly Medium[]>): Map<Uuid, Medium> {
  const media = new Map<Uuid, Medium>()
  for (const roots of registries) {
    for (const medium of eachMedium(roots)) if (!media.has(medium.id)) media.set(medium.id, medium)
  }
  return media
}

/** Whether a medium is a file. That of an iSCSI target is on another computer, and its location is no path. */
export function isFileFormat({ format }: Pick<Medium, 'format'>): boolean {
  return format.toLowerCase() !== 'iscsi'
}

/** An image and its ancestors, lowest first; stops where the registries end or run in a circle. */
export function chainOf(media: ReadonlyMap<Uuid, Medium>, image: Uuid): Medium[] {
  const chain: Medium[] = []
  const seen = new Set<Uuid>()
  let id: Uuid | undefined = image
  while (id !== undefined && !seen.has(id)) {
    seen.add(id)
    const medium = media.get(id)
    if (medium === undefined) break
    chain.push(medium)
    id = medium.parent
  }
  return chain.reverse()
}

/** Every image that a state of the machine reads: the attached ones and all their ancestors. */
export function imagesInUse(settings: MachineSettings, media: ReadonlyMap<Uuid, Medium>): Set<Uuid> {
  const used = new Set<Uuid>()
  for (const { state } of eachState(settings)) {
    for (const { image } of state.attachments) {
      let id: Uuid | undefined = image
      while (id !== undefined && !used.has(id)) {
        used.add(id)
        id = media.get(id)?.parent
      }
    }
  }
  return used
}
