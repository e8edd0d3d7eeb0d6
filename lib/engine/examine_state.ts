import { type FreeSpace, findFreeSpace } from '../guest/free_space.ts'
import type { Files } from '../io/files.ts'
import type { GuestState } from './guest_states.ts'
import { guestDisks, openGuestDisks } from './open_guest_disks.ts'

/**
 * Finds what is free on the disks of a state, all of which can be read.
 *
 * @param blockSizes Bytes of the blocks that are kept or dropped as a whole, by disk; 1 MiB where it does not matter.
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function examineState(
  files: Files,
  state: GuestState,
  blockSizes: readonly (number | undefined)[],
  signal: AbortSignal | undefined,
): Promise<FreeSpace> {
  const views = await openGuestDisks(files, state, signal)
  try {
    return await findFreeSpace(guestDisks(views, blockSizes), { signal })
  } finally {
    await Promise.all(views.map(view => view.close()))
  }
}
