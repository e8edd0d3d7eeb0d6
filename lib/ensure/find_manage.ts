import { join } from 'node:path'
import { userNumber } from '../machine/current_user.ts'
import { chooseRunner } from '../virtualbox/choose_runner.ts'
import { execRunner } from '../virtualbox/exec_runner.ts'
import { findVBoxManage } from '../virtualbox/find_vboxmanage.ts'
import { guardSettings } from '../virtualbox/guard_settings.ts'
import { noteOwners } from '../virtualbox/keep_owners.ts'
import { createManage, type Manage } from '../virtualbox/manage.ts'
import type { EnsureHost } from './host.ts'
import type { EngineName } from './result.ts'
import type { VirtualBoxPlace } from './session.ts'

/**
 * Finds the VBoxManage that a machine may be worked on with; undefined when there is none.
 *
 * The virtualbox engine calls it by zx where there is a shell. The direct engine makes few calls and has done all its
 * work in the time that loading zx takes, so it makes them without, unless a caller hands in a `$`.
 *
 * @throws {VboxmergeError} `invalid_options` when the one that was named cannot be run.
 */
export async function findManage(
  host: EnsureHost,
  settingsFile: string,
  vboxUserHome: string,
  place: VirtualBoxPlace,
  engine: EngineName,
): Promise<Manage | undefined> {
  const file = await findVBoxManage(host.computer, place.vboxmanage)
  if (file === undefined) return undefined
  const settings = [settingsFile, join(vboxUserHome, 'VirtualBox.xml')]
  const giveBack = userNumber() === 0 ? await noteOwners(host.files, settings) : undefined
  const choice = { ...host.computer, ...(place.$ === undefined ? {} : { $: place.$ }) }
  return createManage({
    file,
    runner: engine === 'direct' && place.$ === undefined ? execRunner : chooseRunner(choice),
    platform: host.computer.platform,
    ...(place.vboxUserHome === undefined ? {} : { vboxUserHome }),
    afterChange: async () => {
      await giveBack?.()
      await guardSettings(host.files, settings)
    },
  })
}
