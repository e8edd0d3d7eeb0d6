import { dirname } from 'node:path'
import { VboxmergeError } from '../../errors.ts'
import { removeIfThere, replaceFile, temporaryOf, writeNewFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import type { Journal } from '../../machine/journal.ts'
import { type SettingsDocument, settingsPieces } from '../../machine/settings_document.ts'
import { expectedPieces, hashSettings, hashSettingsFile } from '../../machine/settings_hash.ts'

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
  readonly #first: SettingsDocument
  readonly #hashes = new WeakMap<SettingsDocument, string>()
  #present: string

  /** @param before SHA-256 of the settings that are there. */
  constructor(files: Files, settingsFile: string, before: string, first: SettingsDocument) {
    this.#files = files
    this.#settingsFile = settingsFile
    this.#before = before
    this.#first = first
    this.#present = before
  }

  /** What the journal says of the settings of this run. */
  hashes(second: SettingsDocument): Journal['hashes'] {
    return { before: this.#before, first: this.#hashOf(this.#first), second: this.#hashOf(second) }
  }

  /** Writes the first settings beside the present ones and flushes them, which reserves their space. */
  async prepareFirst(): Promise<void> {
    if (this.#hashOf(this.#first) !== this.#before) await this.#write('first', this.#first)
  }

  /** As `prepareFirst`, for the second ones; they may be prepared again. */
  async prepareSecond(second: SettingsDocument): Promise<void> {
    if (this.#hashOf(second) !== this.#hashOf(this.#first)) await this.#write('second', second)
  }

  async commitFirst(): Promise<void> {
    if (this.#hashOf(this.#first) === this.#before) return
    await this.#commit('first', this.#first)
  }

  async commitSecond(second: SettingsDocument): Promise<void> {
    if (this.#hashOf(second) === this.#hashOf(this.#first)) return
    await this.#commit('second', second)
  }

  async #commit(commit: Commit, settings: SettingsDocument): Promise<void> {
    await commitSettings(this.#files, this.#settingsFile, commit, this.#present)
    this.#present = this.#hashOf(settings)
  }

  async #write(commit: Commit, settings: SettingsDocument): Promise<void> {
    const path = pendingPath(this.#settingsFile, commit)
    await removeIfThere(this.#files, path)
    await writeNewFile(this.#files, path, settingsPieces(settings), this.#settingsFile)
    await this.#files.syncFolder(dirname(path))
  }

  #hashOf(settings: SettingsDocument): string {
    const hash = this.#hashes.get(settings) ?? hashSettings(settings)
    this.#hashes.set(settings, hash)
    return hash
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
  const changed = (): VboxmergeError =>
    new VboxmergeError(
      'machine_locked',
      `Cannot change ${JSON.stringify(settingsFile)}: another program changed it during this run; ` +
        'close that program and run again',
    )
  if ((await hashSettingsFile(files, settingsFile)) !== expectedHash) throw changed()
  const previous = `${settingsFile}-prev`
  try {
    const present = expectedPieces(files, settingsFile, expectedHash, changed)
    await replaceFile(files, previous, present, settingsFile)
  } catch (error) {
    // What failed first is what is told.
    await removeIfThere(files, temporaryOf(previous)).catch(() => false)
    throw error
  }
  await files.rename(pendingPath(settingsFile, commit), settingsFile)
  await files.syncFolder(dirname(settingsFile))
}
