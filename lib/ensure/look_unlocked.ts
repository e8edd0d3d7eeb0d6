import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { awaitUnlocked, isLocked } from '../machine/lock.ts'

/** How long to wait for another run. */
export interface Patience {
  /** Seconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/**
 * Looks at a machine while no other run works on it: what is seen in the middle of one says nothing.
 *
 * @param isSatisfied Tells that there is nothing to do, which is true whoever comes meanwhile.
 * @throws {VboxmergeError} `machine_locked` when another run takes too long; what `look` throws; the signal's reason.
 */
export async function lookUnlocked<Seen>(
  files: Files,
  settingsFile: string,
  patience: Patience,
  look: () => Promise<Seen>,
  isSatisfied: (seen: Seen) => boolean,
): Promise<Seen> {
  for (;;) {
    await awaitUnlocked(files, settingsFile, patience)
    try {
      const seen = await look()
      if (isSatisfied(seen) || !(await isLocked(files, settingsFile))) return seen
    } catch (error) {
      if (!(error instanceof VboxmergeError) || !(await isLocked(files, settingsFile))) throw error
    }
  }
}
