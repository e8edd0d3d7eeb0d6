import { VboxmergeError } from '../../errors.ts'
import { openImage } from '../../image/open_image.ts'
import { patchHeader } from '../../image/vdi/patch_header.ts'
import { replaceFile } from '../../io/durable_file.ts'
import type { Files } from '../../io/files.ts'
import { replaceImage } from '../../machine/edit_media.ts'
import { removeSnapshots } from '../../machine/edit_snapshots.ts'
import type { Relink } from '../../machine/inspection.ts'
import type { MachineSettings, Uuid } from '../../machine/machine.ts'
import { indexMedia } from '../../machine/media_graph.ts'
import { readSettings } from '../../machine/read_settings.ts'
import {
  MAX_SETTINGS_BYTES,
  parseSettings,
  type SettingsDocument,
  serializeSettings,
} from '../../machine/settings_document.ts'
import { readNote, removeNote } from './chain_note.ts'
import { detachImage, takeOutOfChain } from './edit_recovery.ts'
import { planRecovery, type Recovery, recoveryPaths } from './plan_recovery.ts'
import { readLinks } from './read_links.ts'

/** What `recoverSettings` did. */
export interface RecoveryReport {
  /** Whether the settings file was rewritten. */
  readonly rebuilt: boolean
  /** Absolute paths of images that were merged and are in no settings any more, but still there. */
  readonly leftovers: readonly string[]
}

/**
 * Makes the settings of a machine right after VirtualBox died while it deleted a snapshot, from the note that
 * was written before and from what the image files say; then removes the note. Does nothing without a note.
 *
 * VirtualBox must not know the machine while this runs: it would write its own settings over these.
 *
 * @throws {VboxmergeError} `journal_foreign`, `image_missing`, `chain_mismatch`; nothing is changed then
 */
export async function recoverSettings(
  files: Files,
  settingsFile: string,
  now: Date = new Date(),
): Promise<RecoveryReport> {
  const bytes = await files.readFile(settingsFile, MAX_SETTINGS_BYTES)
  const doc = parseSettings(bytes, settingsFile)
  const settings = readSettings(doc)
  const note = await readNote(files, settingsFile, settings.id)
  if (note === undefined) return { rebuilt: false, leftovers: [] }
  const recovery = planRecovery(note, settings, await readLinks(files, recoveryPaths(note, settings)))
  const rebuilt = recovery.outcomes.length > 0
  if (rebuilt) {
    const next = serializeSettings(recoveredSettings(doc, recovery, now))
    for (const relink of recovery.relinks) await writeParent(files, settings, relink)
    await replaceFile(files, `${settingsFile}-prev`, bytes, settingsFile)
    await replaceFile(files, settingsFile, next, settingsFile)
  }
  await removeNote(files, settingsFile)
  return { rebuilt, leftovers: recovery.leftovers.map(({ path }) => path) }
}

/** The settings as VirtualBox would have saved them. */
export function recoveredSettings(doc: SettingsDocument, recovery: Recovery, now: Date): SettingsDocument {
  const { snapshot, outcomes, removeSnapshot } = recovery
  let next = doc
  if (removeSnapshot) next = removeSnapshots(next, new Set([snapshot]), now)
  else for (const { image } of outcomes) next = detachImage(next, snapshot, image)
  for (const { kind, image, child } of outcomes) {
    const isBackward = kind === 'backward' && child !== undefined
    if (isBackward) next = replaceImage(next, 'all', child, image)
    next = takeOutOfChain(next, isBackward ? child : image)
  }
  return next
}

async function writeParent(
  files: Files,
  settings: MachineSettings,
  { child, from, to }: Relink,
): Promise<void> {
  const path = indexMedia([settings.media]).get(child)?.path ?? ''
  const { file, header } = await openImage(files, path, 'write')
  try {
    checkChild(path, header, child, from)
    for (const { offset, bytes } of patchHeader({ parent: to })) await file.write(bytes, offset)
    await file.sync()
  } finally {
    await file.close()
  }
}

function checkChild(
  path: string,
  header: { readonly id: Uuid; readonly parent: Uuid | undefined },
  id: Uuid,
  parent: Uuid,
): void {
  if (header.id === id && header.parent === parent) return
  throw new VboxmergeError(
    'chain_mismatch',
    `Cannot give the image ${JSON.stringify(path)} its new parent: it is ${header.id} with the parent ` +
      `${header.parent ?? 'none'}, not ${id} with the parent ${parent}`,
  )
}
