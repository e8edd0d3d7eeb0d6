import { isDeletionUnfinished } from '../engine/unfinished_deletion.ts'
import type { Files } from '../io/files.ts'
import { readAwayNotes } from '../machine/away_note.ts'
import { cloneJournalPath } from '../machine/clone_journal.ts'
import type { UnfinishedInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import { isLocked } from '../machine/lock.ts'
import { recoverReason } from './plan.ts'
import { DELETION_REASON } from './recover_virtualbox.ts'
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

/** Tells what was begun on a machine and is not finished; null when nothing is. Writes nothing. */
export async function findUnfinished(
  files: Files,
  machine: Inspection,
  { settingsFile, vboxUserHome }: Pick<Session, 'settingsFile' | 'vboxUserHome'>,
): Promise<UnfinishedInfo | null> {
  // Of a run that is under way all this is there, too.
  if (await isLocked(files, settingsFile)) return null
  const reason = await reasonOf(files, machine, settingsFile, vboxUserHome)
  if (reason === undefined) return null
  const { name, file } = machine.settings
  const word = JSON.stringify(machine.registration.registered ? name : file)
  return { reason, help: `finish it: vboxmerge recover ${word}` }
}

async function reasonOf(
  files: Files,
  machine: Inspection,
  settingsFile: string,
  vboxUserHome: string,
): Promise<string | undefined> {
  if (await isDeletionUnfinished(files, settingsFile)) return DELETION_REASON
  if (machine.interrupted !== undefined) return recoverReason(machine)
  if (await isNotedAway(files, machine, vboxUserHome)) {
    return 'An interrupted run left this machine outside of VirtualBox'
  }
  if ((await files.stat(cloneJournalPath(settingsFile))) !== undefined) {
    return 'The run that made this clone was interrupted at its end'
  }
  return undefined
}

/** The same for those who read warnings. */
export function unfinishedWarnings(unfinished: UnfinishedInfo | null): Warning[] {
  if (unfinished === null) return []
  return [{ code: 'unfinished_run', message: `${unfinished.reason}; ${unfinished.help}` }]
}
