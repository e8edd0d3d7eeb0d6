import type { Session } from '../ensure/session.ts'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { setExtraData } from '../machine/edit_extra_data.ts'
import { withLock } from '../machine/lock.ts'
import { parseSettings } from '../machine/settings_document.ts'
import { Commits } from './direct/commit_settings.ts'
import { readStamps } from './direct/read_stamps.ts'
import type { Prepared } from './prepared.ts'

/**
 * Notes in the machine's extra data that there was nothing to compact, so that the next look reads no disk.
 * That is no change of the machine; where it cannot be noted at once, the next run looks again.
 */
export async function rememberCompaction(files: Files, prepared: Prepared, session: Session): Promise<void> {
  if (prepared.measured.scanned.size === 0) return
  try {
    await writeStamps(files, prepared, session)
  } catch (error) {
    // A machine that runs or is locked, or whose folder may not be written to, is not worth a failure here.
    if (!(error instanceof VboxmergeError)) throw error
  }
}

async function writeStamps(files: Files, prepared: Prepared, session: Session): Promise<void> {
  const { settings, registration, images } = prepared.machine.inspection
  const present = {
    currentSnapshot: settings.currentSnapshot,
    currentImages: prepared.plan.tree.currentImages,
    pathOf: (id: string) => images.get(id)?.medium.path,
  }
  const stamps = await readStamps(files, prepared, present)
  if (registration.registered) {
    const manage = await session.manage()
    for (const [name, value] of stamps) await manage?.setExtraData(settings.id, name, value)
    return
  }
  await withLock(files, settings.file, { timeout: 0 }, async () => {
    const { inspection, settingsBytes } = prepared.machine
    let next = parseSettings(settingsBytes, settings.file)
    for (const [name, value] of stamps) next = setExtraData(next, name, value)
    const commits = new Commits(files, settings.file, inspection.settingsHash, next)
    await commits.prepareFirst()
    await commits.commitFirst()
  })
}
