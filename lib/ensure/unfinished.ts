import { isDeletionUnfinished } from '../engine/unfinished_deletion.ts'
import type { Files } from '../io/files.ts'
import { cloneJournalPath } from '../machine/clone_journal.ts'
import type { UnfinishedInfo } from '../machine/info_types.ts'
import type { Inspection } from '../machine/inspection.ts'
import { recoverReason } from './plan.ts'
import { DELETION_REASON } from './recover_virtualbox.ts'

/** Tells what was begun on a machine and is not finished; null when nothing is. Writes nothing. */
export async function findUnfinished(files: Files, machine: Inspection): Promise<UnfinishedInfo | null> {
  const { file } = machine.settings
  if (machine.interrupted !== undefined) {
    return { reason: recoverReason(machine), help: 'run the same command again, which finishes that first' }
  }
  if (await isDeletionUnfinished(files, file)) {
    return {
      reason: DELETION_REASON,
      help: 'do not start the machine, and run the same command again (vboxmerge merge)',
    }
  }
  if ((await files.stat(cloneJournalPath(file))) !== undefined) {
    return {
      reason: 'The run that made this clone was interrupted at its end',
      help: 'run the same command again (vboxmerge clone)',
    }
  }
  return null
}
