import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { type Clock, realClock } from './clock.ts'
import { printable } from './printable.ts'

const MOST_BYTES = 64 * 1024 * 1024
const LOOKS_AGAIN = 2
const PAUSE = 100

/** What is wrong with a settings file of VirtualBox, cheaply seen; undefined when it looks whole. */
export function damageOf(content: Uint8Array | undefined): string | undefined {
  if (content === undefined) return 'is gone'
  if (content.length === 0) return 'is empty'
  const text = new TextDecoder()
  const start = text.decode(content.subarray(0, 200)).trimStart()
  const end = text.decode(content.subarray(-200)).trimEnd()
  if (!start.startsWith('<?xml')) return 'does not begin like XML'
  return end.endsWith('</VirtualBox>') ? undefined : 'is cut off'
}

/**
 * Checks that VirtualBox has left its settings files whole: on a full file system it can report success and
 * leave an empty file (7.2.22, measured), with the one before beside it as `…-prev`.
 *
 * @param paths a machine's `.vbox` and the `VirtualBox.xml` of VirtualBox's home
 * @throws {VboxmergeError} `engine_failed` when one is not whole; the message says how to put it right
 */
export async function guardSettings(
  files: Files,
  paths: readonly string[],
  clock: Clock = realClock,
): Promise<void> {
  for (const path of paths) {
    const damage = await lastingDamage(files, path, clock)
    if (damage === undefined) continue
    const before = `${path}-prev`
    const advice =
      damageOf(await contentOf(files, before)) === undefined
        ? `make room, close everything of VirtualBox, wait until its VBoxSVC has ended (some 5 seconds), ` +
          `copy "${printable(before)}" over it, and run this again`
        : `"${printable(before)}" is no better: put a copy of yours in its place`
    throw new VboxmergeError(
      'engine_failed',
      `Cannot go on: VirtualBox left its settings file "${printable(path)}" damaged, it ${damage}; ` +
        `that happens when the file system is full, also when VirtualBox reports success; ${advice}`,
    )
  }
}

/** VirtualBox puts a new file in place by two renames; between them there is none for a moment. */
async function lastingDamage(files: Files, path: string, clock: Clock): Promise<string | undefined> {
  for (let tries = 0; ; tries += 1) {
    const damage = damageOf(await contentOf(files, path))
    if (damage === undefined || tries === LOOKS_AGAIN) return damage
    await clock.sleep(PAUSE)
  }
}

/** The home's file may be a link, as people keep their settings elsewhere. */
async function contentOf(files: Files, path: string): Promise<Uint8Array | undefined> {
  const real = await files.realPath(path)
  return real === undefined ? undefined : files.readFile(real, MOST_BYTES)
}
