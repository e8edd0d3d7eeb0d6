import { toVboxmergeError, VboxmergeError } from '../errors.ts'
import { errorCode } from '../io/errno.ts'
import type { MachineInfo } from '../machine/info_types.ts'
import { parseOptions } from '../options/parse_options.ts'
import { describeMachine, inaccessible } from './describe_machine.ts'
import { findPlaces } from './find_places.ts'
import { realEnsureHost } from './host.ts'
import type { InspectOptions, ListOptions } from './options.ts'
import { findHome, openSession, sessionOf } from './session.ts'

/**
 * Reads a machine: its tree, its images, and what each ensure operation would do. Writes nothing.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} `machine_not_found`, `machine_ambiguous`, `settings_corrupt`, `unsupported`,
 * `image_encrypted`, `journal_foreign`; the reason of `options.signal`.
 */
export async function inspectMachine(machine: string, options: InspectOptions = {}): Promise<MachineInfo> {
  const host = realEnsureHost
  const checked = parseOptions('info', options)
  return await describeMachine(host, await openSession(host, machine, checked), { ...checked, maps: true })
}

/**
 * Reads every machine that VirtualBox has registered, and those in the folders that are named; one that cannot be read
 * is left out of the result's figures and named in its warnings.
 *
 * @throws {VboxmergeError} `settings_corrupt` when VirtualBox's own registry cannot be read; `machine_not_found` when a
 * folder is not there; the reason of `options.signal`.
 */
export async function inspectMachines(options: ListOptions = {}): Promise<MachineInfo[]> {
  const host = realEnsureHost
  const checked = parseOptions('list', options)
  const home = await findHome(host, checked)
  const { places, unreadable } = await findPlaces(host, home, checked.folders ?? [])
  const infos = unreadable.map(({ folder, error }) => {
    return inaccessible({ name: '', id: '', settingsFile: folder, registered: false }, error)
  })
  for (const { settingsFile, id } of places) {
    try {
      infos.push(await describeMachine(host, sessionOf(host, settingsFile, home, checked), checked))
    } catch (error) {
      if (checked.signal?.aborted === true) throw error
      if (!(error instanceof VboxmergeError) && errorCode(error) === undefined) throw error
      const machine = { name: '', id: id ?? '', settingsFile, registered: id !== undefined }
      infos.push(inaccessible(machine, toVboxmergeError(error)))
    }
  }
  return infos
}
