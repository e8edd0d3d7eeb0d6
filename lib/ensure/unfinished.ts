import { isDeletionUnfinished } from '../engine/unfinished_deletion.ts'
import type { Files } from '../io/files.ts'
import { readAwayNotes } from '../machine/away_note.ts'
import { cloneJournalPath } from '../machine/clone_journal.ts'
import type { Inspection } from '../machine/inspection.ts'
import { isLocked } from '../machine/lock.ts'
import type { Warning } from './result.ts'
import type { Session } from './session.ts'

/**
 * Whether a run took a machine out of VirtualBox and did not live to forget the note of it.
 *
 * Only with the machine's lock held does that mean that the run is over.
 */
export async function isNotedAway(files: Files, machine: Inspection, vboxUserHome: string): Promise<boolean> {
  const own = (await files.realPath(machine.settings.file)) ?? machine.settings.file
  for (const { id, settingsFile } of await readAwayNotes(files, vboxUserHome)) {
    if (id !== machine.settings.id) continue
    if (((await files.realPath(settingsFile)) ?? settingsFile) === own) return true
  }
  return false
}

/** Says that an interrupted run waits to be finished, and by which command. */
export async function unfinishedWarnings(
  files: Files,
  machine: Inspection,
  { settingsFile, vboxUserHome }: Pick<Session, 'settingsFile' | 'vboxUserHome'>,
): Promise<Warning[]> {
  // Of a run that is under way all this is there, too.
  if (await isLocked(files, settingsFile)) return []
  const found: string[] = []
  if (await isDeletionUnfinished(files, settingsFile)) {
    found.push('VirtualBox died while it deleted a snapshot, and the settings may not fit the images')
  }
  if (machine.interrupted !== undefined) found.push('A run that changed this machine was interrupted')
  else if (await isNotedAway(files, machine, vboxUserHome)) {
    found.push('An interrupted run left this machine outside of VirtualBox')
  }
  if ((await files.stat(cloneJournalPath(settingsFile))) !== undefined) {
    found.push('A run that made this clone was interrupted')
  }
  const { name, file } = machine.settings
  const word = JSON.stringify(machine.registration.registered ? name : file)
  return found.map(what => ({
    code: 'unfinished_run',
    message: `${what}; finish it: vboxmerge recover ${word}`,
  }))
}
