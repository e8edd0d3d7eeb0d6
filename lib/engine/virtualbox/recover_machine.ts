import { VboxmergeError } from '../../errors.ts'
import { imagesInUse, indexMedia } from '../../machine/media_graph.ts'
import { printable } from '../../virtualbox/printable.ts'
import { readNote } from './chain_note.ts'
import { type RecoveryReport, recoverSettings } from './recover_settings.ts'
import { callOptions, checkMachine, loadSettings, type VirtualBoxRun } from './virtualbox_run.ts'

/**
 * Finishes what VirtualBox had begun when it died while it deleted a snapshot: takes the machine out of
 * VirtualBox, makes its settings right, and puts it back, also after a failure.
 *
 * @throws {VboxmergeError} as `recoverSettings` says; `unsupported` when VirtualBox would forget images of the
 * machine because its own registry does not name them
 */
export async function recoverMachine(run: VirtualBoxRun): Promise<RecoveryReport> {
  const { files, settingsFile, machineId, manage } = run
  if ((await readNote(files, settingsFile, machineId)) === undefined) return { rebuilt: false, leftovers: [] }
  const registered = (await manage.listMachines()).some(({ id }) => id === machineId)
  if (!registered) return recoverSettings(files, settingsFile)
  await checkMachine(run, true)
  await refuseForeignImages(run)
  await manage.unregister(machineId, callOptions(run))
  try {
    return await recoverSettings(files, settingsFile)
  } finally {
    await manage.register(settingsFile)
  }
}

/** Images that stand in VirtualBox.xml only are dropped from both files by unregistering (7.2.22, measured). */
async function refuseForeignImages(run: VirtualBoxRun): Promise<void> {
  const settings = await loadSettings(run)
  const own = indexMedia([settings.media])
  const foreign = [...imagesInUse(settings, own)].find(id => !own.has(id))
  if (foreign === undefined) return
  throw new VboxmergeError(
    'unsupported',
    `Cannot make the settings of "${printable(settings.name)}" right again: its image ${foreign} is listed ` +
      'outside its own settings file; unregister the machine in VirtualBox first',
  )
}
