import { dirname } from 'node:path'
import { VboxmergeError } from '../../errors.ts'
import { removeIfThere, replaceFile, writeNewFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { hashOf } from '../../machine/inspect.ts'
import type { Journal } from '../../machine/journal.ts'
import {
  MAX_SETTINGS_BYTES,
  type SettingsDocument,
  serializeSettings,
} from '../../machine/settings_document.ts'

/** Which of a run's two new settings files. */
export type Commit = 'first' | 'second'

/** Where the settings of a coming commit wait. */
export function pendingPath(settingsFile: string, commit: Commit): string {
  return `${settingsFile}.vboxmerge-${commit}`
}

/** The two commits of a run. A commit that would change nothing is left out. */
export class Commits {
  readonly #files: Files
  readonly #settingsFile: string
  readonly #before: string
  readonly #first: Uint8Array
  #present: string

  constructor(files: Files, settingsFile: string, before: Uint8Array, first: SettingsDocument) {
    this.#files = files
    this.#settingsFile = settingsFile
    this.#before = hashOf(before)
    this.#first = serializeSettings(first)
    this.#present = this.#before
  }

  /** What the journal says of the settings of this run. */
  hashes(second: SettingsDocument): Journal['hashes'] {
    return { before: this.#before, first: hashOf(this.#first), second: hashOf(serializeSettings(second)) }
  }

  /** Writes the first settings beside the present ones and flushes them, which reserves their space. */
  async prepareFirst(): Promise<void> {
    if (hashOf(this.#first) !== this.#before) await this.#write('first', this.#first)
  }

  /** As `prepareFirst`, for the second ones; they may be prepared again. */
  async prepareSecond(second: SettingsDocument): Promise<void> {
    const bytes = serializeSettings(second)
    if (hashOf(bytes) !== hashOf(this.#first)) await this.#write('second', bytes)
  }

  async commitFirst(): Promise<void> {
    if (hashOf(this.#first) === this.#before) return
    await commitSettings(this.#files, this.#settingsFile, 'first', this.#present)
    this.#present = hashOf(this.#first)
  }

  async commitSecond(second: SettingsDocument): Promise<void> {
    const hash = hashOf(serializeSettings(second))
    if (hash === hashOf(this.#first)) return
    await commitSettings(this.#files, this.#settingsFile, 'second', this.#present)
    this.#present = hash
  }

  async #write(commit: Commit, bytes: Uint8Array): Promise<void> {
    const path = pendingPath(this.#settingsFile, commit)
    await removeIfThere(this.#files, path)
    await writeNewFile(this.#files, path, bytes, this.#settingsFile)
    await this.#files.syncFolder(dirname(path))
  }
}

/**
 * Puts prepared settings in the place of the present ones. The present ones stay as `.vbox-prev`, as
 * VirtualBox keeps them. At no moment is there no `.vbox`.
 *
 * @throws {VboxmergeError} `machine_locked` when someone else changed the settings since they were read.
 */
async function commitSettings(
  files: Files,
  settingsFile: string,
  commit: Commit,
  expectedHash: string,
): Promise<void> {
  const present = await files.readFile(settingsFile, MAX_SETTINGS_BYTES)
  if (hashOf(present) !== expectedHash) {
    throw new VboxmergeError(
      'machine_locked',
      `Cannot change ${JSON.stringify(settingsFile)}: another program changed it during this run; ` +
        'close that program and run again',
    )
  }
  await replaceFile(files, `${settingsFile}-prev`, present, settingsFile)
  await files.rename(pendingPath(settingsFile, commit), settingsFile)
  await files.syncFolder(dirname(settingsFile))
}
