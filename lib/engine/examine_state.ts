import { type FreeSpace, findFreeSpace } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import type { GuestState } from './guest_states.ts'
import { guestDisks, openGuestDisks } from './open_guest_disks.ts'

/** What looks at a state need beside the machine. */
export interface ExamineContext {
  readonly files: Files
  readonly signal: AbortSignal | undefined
  /** What was found already; a state that is in it is not looked at again. */
  readonly examined?: ExaminedStates | undefined
}

/** What was found of states, by the images that they read. One for all that is asked of a machine at a time. */
export type ExaminedStates = Map<string, FreeSpace>

/**
 * Finds what is free on the disks of a state, all of which can be read.
 *
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function examineState(
  machine: Inspection,
  state: GuestState,
  { files, signal, examined }: ExamineContext,
): Promise<FreeSpace> {
  const key = identityOf(machine, state)
  const known = examined?.get(key)
  if (known !== undefined) return known
  const space = await look(machine, state, files, signal)
  examined?.set(key, space)
  return space
}

async function look(
  machine: Inspection,
  state: GuestState,
  files: Files,
  signal: AbortSignal | undefined,
): Promise<FreeSpace> {
  // Blocks are kept or dropped as a whole, by the size that those of the base have.
  const blockSizes = state.disks.map(({ chain }) => machine.images.get(chain[0]?.id ?? '')?.header?.blockSize)
  const views = await openGuestDisks(files, state, signal)
  try {
    return await findFreeSpace(guestDisks(views, blockSizes), { signal })
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}

/** Changes when one of the images does that a state reads. */
function identityOf(machine: Inspection, { disks }: GuestState): string {
  return JSON.stringify(disks.map(({ chain }) => chain.map(({ id }) => factsOf(machine, id))))
}

/** What tells whether an image changed, as text. */
export function factsOf({ images }: Inspection, id: Uuid): string {
  const image = images.get(id)
  return `${id} ${image?.fileSize} ${image?.mtimeNs} ${image?.header?.modification}`
}
