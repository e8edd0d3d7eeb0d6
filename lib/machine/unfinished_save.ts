import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { VboxmergeError } from '../errors.ts'
import { errorCode } from '../io/errno.ts'
import { type Files, wholeMilliseconds } from '../io/files.ts'
import { MAX_SETTINGS_BYTES } from './settings_document.ts'

/** Milliseconds after which a VirtualBox that is alive is certainly through with two renames. */
const LONGEST_SAVE = 1000

/**
 * Tells whether VirtualBox died while it saved a settings file. It writes and flushes the new one as `…-tmp`, renames the
 * old one to `…-prev`, and the new one to what the old one was called (7.2.22, measured): in between there is none.
 *
 * @param identify Tells whose settings these are; throws when they are not whole.
 */
export async function isSaveUnfinished(
  files: Files,
  file: string,
  identify: (bytes: Uint8Array) => string,
): Promise<boolean> {
  if ((await files.stat(file)) !== undefined) return false
  const whose: string[] = []
  for (const path of [oldOf(file), newOf(file)]) {
    if ((await files.stat(path))?.kind !== 'file') return false
    try {
      whose.push(identify(await files.readFile(path, MAX_SETTINGS_BYTES)))
    } catch (error) {
      // What is not whole, too long, or gone by now is nothing to go on with.
      if (error instanceof VboxmergeError || error instanceof RangeError) return false
      if (errorCode(error) === 'ENOENT') return false
      throw error
    }
  }
  return whose[0] === whose[1]
}

/**
 * Gives the new settings their name, which was all that was left to do. A VirtualBox that is alive is given the time to do
 * that itself.
 *
 * @returns Whether it was for us to do.
 */
export async function finishSave(
  files: Files,
  file: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const path = newOf(file)
  const written = await files.stat(path)
  const age = written === undefined ? LONGEST_SAVE : Date.now() - wholeMilliseconds(written.mtimeNs)
  const rest = Math.min(LONGEST_SAVE - age, LONGEST_SAVE)
  if (rest > 0) await delay(rest)
  signal?.throwIfAborted()
  if ((await files.stat(file)) !== undefined) return false
  const settings = await files.open(path, 'write')
  try {
    await settings.sync()
  } finally {
    await settings.close()
  }
  await files.rename(path, file)
  await files.syncFolder(dirname(file))
  return true
}

/** Where VirtualBox writes what a settings file is to be. */
export function newOf(file: string): string {
  return `${file}-tmp`
}

/** Where VirtualBox keeps what a settings file was. */
export function oldOf(file: string): string {
  return `${file}-prev`
}
