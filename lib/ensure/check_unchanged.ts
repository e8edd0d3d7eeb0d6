import { VboxmergeError } from '../errors.ts'
import type { InspectedMachine } from '../machine/inspect.ts'
import { isFileFormat } from '../machine/media_graph.ts'
import { loadNeighbours } from '../machine/neighbours.ts'
import { hashSettingsFile } from '../machine/settings_hash.ts'
import { checkUnused, type UseContext } from './machine_use.ts'

/**
 * Checks right before the first write that a machine is as it was planned for, and still not used: our lock keeps no one
 * from starting it in VirtualBox, or from registering it there.
 *
 * @throws {VboxmergeError} `machine_locked` or `machine_not_off`.
 */
export async function checkUnchanged(machine: InspectedMachine, context: UseContext): Promise<void> {
  const { inspection, journal } = machine
  const { settings, settingsHash, images, registration } = inspection
  const { files, vboxUserHome } = context
  if ((await hashSettingsFile(files, settings.file)) !== settingsHash) {
    throw changed(machine, `another program changed ${JSON.stringify(settings.file)}`)
  }
  for (const { medium, fileSize, mtimeNs } of images.values()) {
    if (!isFileFormat(medium)) continue
    const stat = await files.stat(medium.path)
    // What an interrupted run had left to do to images has been done by now.
    if (journal !== undefined || (stat?.size === fileSize && stat.mtimeNs === mtimeNs)) continue
    throw changed(machine, `another program changed ${JSON.stringify(medium.path)}`)
  }
  if (!registration.registered && (await loadNeighbours(files, settings, vboxUserHome)).registered) {
    throw changed(machine, 'it was registered with VirtualBox')
  }
  await checkUnused(inspection, { ...context, lockTimeout: 0 })
}

function changed({ inspection }: InspectedMachine, found: string): VboxmergeError {
  return new VboxmergeError(
    'machine_locked',
    `Cannot change ${JSON.stringify(inspection.settings.name)}: ${found} while this run was about to begin; ` +
      'close what works with the machine and run this again',
  )
}
