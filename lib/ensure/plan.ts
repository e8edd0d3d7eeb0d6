import type { InspectedImage, Inspection } from '../machine/inspection.ts'
import type { MachineSettings, Snapshot, StateSettings, Uuid } from '../machine/machine.ts'
import { eachSnapshot } from '../machine/media_graph.ts'
import type { Figures, FoldFigures } from './figures.ts'
import type { TreePlan } from './plan_tree.ts'
import type {
  EngineName,
  FoldSummary,
  MachineSummary,
  SnapshotRef,
  Step,
  StepForecast,
  Warning,
} from './result.ts'

/** What is to be done, as plain data: check mode, progress and both engines read it. */
export interface Plan {
  readonly steps: readonly Step[]
  readonly warnings: readonly Warning[]
  readonly tree: TreePlan
  readonly figures: Figures
  readonly before: MachineSummary
  /** What the machine will be like. */
  readonly after: MachineSummary
}

/**
 * Puts the decisions about the tree and the figures of its images together into steps. Pure.
 *
 * @param found Warnings of those who looked into the images.
 */
export function makePlan(
  machine: Inspection,
  tree: TreePlan,
  figures: Figures,
  engine: EngineName,
  found: readonly Warning[] = [],
): Plan {
  const steps = [...treeSteps(machine, tree, figures), ...compactSteps(machine, figures, engine)]
  if (tree.snapshot !== undefined) {
    const { name, description } = tree.snapshot
    const newBytes = sum(figures.snapshotLeaves)
    steps.push({
      kind: 'snapshot',
      name,
      description,
      forecast: { ...none, freedBytes: -newBytes, writtenBytes: newBytes },
    })
  }
  const saved = machine.settings.currentState.stateFile !== undefined
  if (saved && tree.discardSavedState && steps.length > 0) {
    steps.unshift({ kind: 'discard', what: 'saved_state', snapshots: [], forecast: none })
  }
  const before = summarize(machine)
  return {
    steps,
    warnings: [...tree.warnings, ...found],
    tree,
    figures,
    before,
    after: steps.length === 0 ? before : forecast(machine, tree, figures, engine, before),
  }
}

const none: StepForecast = { readBytes: 0, writtenBytes: 0, freedBytes: 0 }

function treeSteps(machine: Inspection, tree: TreePlan, figures: Figures): Step[] {
  const steps: Step[] = []
  if (tree.recover) {
    steps.push({ kind: 'recover', reason: recoverReason(machine), forecast: none })
  }
  if (tree.restore !== undefined) {
    const newBytes = sum(figures.restoredLeaves)
    steps.push({
      kind: 'restore',
      snapshot: tree.restore,
      forecast: {
        ...none,
        writtenBytes: newBytes,
        freedBytes: sizeOf(machine, leftByRestore(machine, tree)) - newBytes,
      },
    })
  }
  if (tree.discarded.length > 0) {
    const left = new Set(leftByRestore(machine, tree))
    const freedBytes = sizeOf(
      machine,
      tree.deleted.filter(id => !left.has(id)),
    )
    steps.push({
      kind: 'discard',
      what: 'branches',
      snapshots: tree.discarded,
      forecast: { ...none, freedBytes },
    })
  }
  if (tree.merged.length + tree.folds.length > 0) {
    steps.push({
      kind: 'merge',
      snapshots: tree.merged,
      disks: tree.folds.map(fold => foldSummary(machine, fold.images)),
      forecast: mergeForecast(machine, figures),
    })
  }
  return steps
}

/** Images that go because the current state is left for a snapshot. */
function leftByRestore(machine: Inspection, tree: TreePlan): Uuid[] {
  if (tree.restore === undefined) return []
  const current = new Set(machine.settings.currentState.attachments.map(attachment => attachment.image))
  return tree.deleted.filter(id => current.has(id))
}

/** Says, as a sentence, how far an interrupted run came. */
export function recoverReason(machine: Inspection): string {
  switch (machine.interrupted?.reached) {
    case 'nothing':
      return 'An earlier run was interrupted before it changed the machine; what it left is removed'
    case 'second_commit':
      return 'An earlier run was interrupted while it removed files that are no longer needed'
    default:
      return 'An earlier run was interrupted; what it had begun is finished from what is on disk'
  }
}

function foldSummary(machine: Inspection, images: readonly Uuid[]): FoldSummary {
  const [target, ...folded] = images
  const id = target ?? ''
  return { target: id, path: machine.images.get(id)?.medium.path ?? '', folded }
}

function mergeForecast(machine: Inspection, figures: Figures): StepForecast {
  let readBytes = 0
  let writtenBytes = 0
  let freedBytes = 0
  for (const { images, merge } of figures.folds.filter(fold => fold.images.length > 1)) {
    readBytes += merge.readBytes
    writtenBytes += merge.writtenBytes
    freedBytes += sizeOf(machine, images) - merge.fileSize
  }
  return { readBytes, writtenBytes, freedBytes }
}

function compactSteps(machine: Inspection, figures: Figures, engine: EngineName): Step[] {
  // After its own merge VirtualBox may hold blocks that read as zeros, so it compacts whatever it merged.
  const compacts = (fold: FoldFigures): boolean =>
    fold.compacts || (engine === 'virtualbox' && fold.mayCompact && fold.images.length > 1)
  const images = figures.folds.filter(compacts)
  if (images.length === 0) return []
  return [
    {
      kind: 'compact',
      images: images.map(fold => ({
        image: fold.images[0] ?? '',
        path: machine.images.get(fold.images[0] ?? '')?.medium.path ?? '',
        reclaimBytes: fold.reclaimBytes,
      })),
      forecast: {
        readBytes: figures.scannedBytes,
        writtenBytes: images.reduce(
          (total, { merge, final }) => total + Math.max(0, final.writtenBytes - merge.writtenBytes),
          0,
        ),
        freedBytes: images.reduce((total, { merge, final }) => total + merge.fileSize - final.fileSize, 0),
      },
    },
  ]
}

/** A machine in figures, as it is. */
export function summarize(machine: Inspection): MachineSummary {
  const { settings } = machine
  const images = [...machine.images.values()]
  const snapshot = machine.settings.currentSnapshot
  return {
    state: stateOf(settings),
    snapshots: countSnapshots(settings),
    currentSnapshot: snapshot === undefined ? null : { id: snapshot, name: snapshotName(settings, snapshot) },
    images: images.length,
    bytes: sum(images.map(image => image.fileSize)),
    allocatedBytes: sum(images.map(allocatedBytes)),
    capacity: capacityOf(machine, settings.currentState),
    exact: true,
  }
}

function capacityOf({ images }: Inspection, { attachments }: StateSettings): number {
  return sum(attachments.map(({ image }) => images.get(image)?.header?.capacity ?? 0))
}

/** The state of a machine that does not run, as its settings tell it. */
export function stateOf(settings: MachineSettings): string {
  const saved = settings.currentState.stateFile !== undefined
  if (settings.aborted) return saved ? 'aborted-saved' : 'aborted'
  return saved ? 'saved' : 'poweroff'
}

function allocatedBytes({ header, fileSize }: InspectedImage): number {
  return header === undefined ? fileSize : header.allocatedBlocks * header.blockSize
}

function countSnapshots(settings: MachineSettings): number {
  let count = 0
  for (const _ of eachSnapshot(settings.rootSnapshot)) count += 1
  return count
}

function snapshotName(settings: MachineSettings, id: Uuid): string {
  return findSnapshot(settings, id)?.name ?? ''
}

function findSnapshot(settings: MachineSettings, id: Uuid | undefined): Snapshot | undefined {
  for (const snapshot of eachSnapshot(settings.rootSnapshot)) if (snapshot.id === id) return snapshot
  return undefined
}

function forecast(
  machine: Inspection,
  tree: TreePlan,
  figures: Figures,
  engine: EngineName,
  before: MachineSummary,
): MachineSummary {
  const sizes = new Map<Uuid, { readonly bytes: number; readonly allocated: number }>()
  for (const [id, image] of machine.images) {
    sizes.set(id, { bytes: image.fileSize, allocated: allocatedBytes(image) })
  }
  for (const fold of figures.folds) {
    const [target, ...folded] = fold.images
    for (const id of folded) sizes.delete(id)
    const after = engine === 'direct' ? fold.final : fold.upperBound
    if (target !== undefined) sizes.set(target, { bytes: after.fileSize, allocated: after.allocatedBytes })
  }
  for (const id of [...tree.deleted, ...tree.released]) sizes.delete(id)
  const leaves = [...figures.restoredLeaves, ...figures.snapshotLeaves]
  const restored = findSnapshot(machine.settings, tree.restore?.id)
  // Taking the base snapshot of a state that a restore just made reuses no image: each gets its own.
  const current: SnapshotRef | null =
    tree.snapshot === undefined ? (tree.currentSnapshot ?? null) : { id: '', name: tree.snapshot.name }
  return {
    state: tree.restore !== undefined || tree.discardSavedState ? 'poweroff' : before.state,
    snapshots: tree.remaining.length + (tree.snapshot === undefined ? 0 : 1),
    currentSnapshot: current,
    images: sizes.size + leaves.length,
    bytes: sum([...sizes.values()].map(size => size.bytes)) + sum(leaves),
    allocatedBytes: sum([...sizes.values()].map(size => size.allocated)),
    capacity: restored === undefined ? before.capacity : capacityOf(machine, restored),
    exact: engine === 'direct',
  }
}

function sizeOf(machine: Inspection, images: readonly Uuid[]): number {
  return sum(images.map(id => machine.images.get(id)?.fileSize ?? 0))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
