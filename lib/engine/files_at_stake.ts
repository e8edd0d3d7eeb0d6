import type { EngineName } from '../ensure/result.ts'
import type { InspectedImage } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { eachState, isFileFormat } from '../machine/media_graph.ts'
import { unwantedFiles } from './direct/run_names.ts'
import type { Prepared } from './prepared.ts'

/** A file of a machine that a run writes, moves or deletes. */
export interface FileAtStake {
  readonly kind: 'image' | 'saved_state' | 'nvram'
  /** Absolute path. */
  readonly path: string
  /** UUID of an image. */
  readonly id: Uuid | undefined
  /**
   * True when nobody writes into the file, neither the run nor a guest: it is only deleted. Then a second name of it
   * keeps all of it.
   */
  readonly isOnlyDeleted: boolean
}

/** Every file, beside the settings, that has to be kept to go back to the state before a run. */
export function filesAtStake(prepared: Prepared, engine: EngineName): FileAtStake[] {
  const { inspection } = prepared.machine
  const { settings, nvram } = inspection
  const found = new Map<string, FileAtStake>()
  const add = (file: FileAtStake): void => {
    const known = found.get(file.path)
    const isOnlyDeleted = file.isOnlyDeleted && known?.isOnlyDeleted !== false
    found.set(file.path, { ...file, isOnlyDeleted })
  }
  const { written, deleted } = engine === 'direct' ? imagesOfDirect(prepared) : imagesOfVirtualBox(prepared)
  // Should the run die, a guest may be started on the images of the current state.
  const attached = new Set(settings.currentState.attachments.map(({ image }) => image))
  for (const [ids, isOnlyDeleted] of [[written, false] as const, [deleted, true] as const]) {
    for (const id of ids) {
      const path = inspection.images.get(id)?.medium.path
      if (path === undefined) continue
      add({ kind: 'image', path, id, isOnlyDeleted: isOnlyDeleted && !attached.has(id) })
    }
  }
  const others = engine === 'direct' ? unwantedFiles(prepared) : statesOf(prepared)
  for (const { kind, path } of others) {
    if (kind !== 'image') add({ kind, path, id: undefined, isOnlyDeleted: kind === 'saved_state' })
  }
  if (nvram.exists) add({ kind: 'nvram', path: nvram.path, id: undefined, isOnlyDeleted: false })
  return [...found.values()]
}

interface Images {
  readonly written: Iterable<Uuid>
  readonly deleted: Iterable<Uuid>
}

function imagesOfDirect({ plan, measured }: Prepared): Images {
  const targets = measured.folds.flatMap(({ images }) => images.slice(0, 1))
  const folded = plan.tree.folds.flatMap(({ images }) => images.slice(1))
  const relinked = plan.tree.folds.flatMap(({ children }) => children)
  return { written: [...targets, ...relinked], deleted: [...folded, ...plan.tree.deleted] }
}

/** VirtualBox may merge in either direction, into any image of the machine. */
function imagesOfVirtualBox({ machine }: Prepared): Images {
  const { images, sharedWith } = machine.inspection
  const parents = new Set([...images.values()].map(({ medium }) => medium.parent))
  // A disk that is no file and takes no part in snapshots is left alone.
  const isHeld = ({ medium }: InspectedImage): boolean => isFileFormat(medium) || parents.has(medium.id)
  const own = [...images].filter(([id, image]) => !sharedWith.has(id) && isHeld(image))
  return { written: own.map(([id]) => id), deleted: [] }
}

function statesOf({
  machine,
}: Prepared): { readonly kind: 'saved_state' | 'nvram'; readonly path: string }[] {
  const states = [...eachState(machine.inspection.settings)]
  return states.flatMap(({ state: { stateFile, nvramFile } }) => [
    ...(stateFile === undefined ? [] : [{ kind: 'saved_state' as const, path: stateFile }]),
    ...(nvramFile === undefined ? [] : [{ kind: 'nvram' as const, path: nvramFile }]),
  ])
}
