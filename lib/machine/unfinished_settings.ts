import { join } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { readIdentity } from './read_settings.ts'
import { parseSettings } from './settings_document.ts'
import { finishSave, isSaveUnfinished, oldOf } from './unfinished_save.ts'

/** Allows to finish what VirtualBox was saving when it died. */
export interface FinishesSaves {
  readonly signal?: AbortSignal | undefined
}

/** VirtualBox saves settings by two renames; when it dies in between, the new ones only miss their name. */
export async function finishIfUnfinished(
  files: Files,
  machine: string,
  settingsFile: string,
  finishesSaves: FinishesSaves | undefined,
): Promise<{ readonly finishedSave?: true }> {
  if (!(await isUnfinished(files, settingsFile))) return {}
  if (finishesSaves === undefined) {
    throw new VboxmergeError(
      'machine_not_found',
      `Cannot find machine ${JSON.stringify(machine)}: VirtualBox was cut off while it saved ` +
        `${JSON.stringify(settingsFile)}; finish that (vboxmerge recover ${JSON.stringify(machine)})`,
    )
  }
  return (await finishSave(files, settingsFile, finishesSaves.signal)) ? { finishedSave: true } : {}
}

/** Tells whether VirtualBox died while it saved a machine's settings. */
export async function isUnfinished(files: Files, settingsFile: string): Promise<boolean> {
  return await isSaveUnfinished(files, settingsFile, bytes => {
    return readIdentity(parseSettings(bytes, settingsFile)).id
  })
}

/** When the power goes between the two renames of VirtualBox, the older settings may be all there is. */
export async function olderSettings(files: Files, settingsFile: string): Promise<string> {
  const older = oldOf(settingsFile)
  if (!/\.vbox$/i.test(settingsFile) || (await files.stat(older))?.kind !== 'file') return ''
  return `; VirtualBox was cut off while it saved it: rename "${older}" to it, and run again`
}

/** The same for a folder without settings. */
export async function olderSettingsIn(files: Files, folder: string): Promise<string> {
  const names = await files.list(folder)
  const older = names.find(name => /\.vbox-prev$/i.test(name))
  return older === undefined ? '' : await olderSettings(files, join(folder, older.replace(/-prev$/i, '')))
}
