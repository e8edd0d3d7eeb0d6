import { join } from 'node:path'
import { userNumber } from '../machine/current_user.ts'
import { chooseRunner } from '../virtualbox/choose_runner.ts'
import { findVBoxManage } from '../virtualbox/find_vboxmanage.ts'
import { guardSettings } from '../virtualbox/guard_settings.ts'
import { noteOwners } from '../virtualbox/keep_owners.ts'
import { createManage, type Manage } from '../virtualbox/manage.ts'
import type { EnsureHost } from './host.ts'
import type { VirtualBoxPlace } from './session.ts'

/**
 * Finds the VBoxManage that a machine may be worked on with; undefined when there is none.
 *
 * @throws {VboxmergeError} `invalid_options` when the one that was named cannot be run.
 */
export async function findManage(
  host: EnsureHost,
  settingsFile: string,
  vboxUserHome: string,
  place: VirtualBoxPlace,
): Promise<Manage | undefined> {
  const file = await findVBoxManage(host.computer, place.vboxmanage)
  if (file === undefined) return undefined
  const settings = [settingsFile, join(vboxUserHome, 'VirtualBox.xml')]
  const giveBack = userNumber() === 0 ? await noteOwners(host.files, settings) : undefined
  return createManage({
    file,
    runner: chooseRunner({ ...host.computer, ...(place.$ === undefined ? {} : { $: place.$ }) }),
    platform: host.computer.platform,
    ...(place.vboxUserHome === undefined ? {} : { vboxUserHome }),
    afterChange: async () => {
      await giveBack?.()
      await guardSettings(host.files, settings)
    },
  })
}
