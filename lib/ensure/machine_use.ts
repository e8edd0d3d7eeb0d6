import { resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { userFolder, userNumber } from '../machine/current_user.ts'
import type { Inspection } from '../machine/inspection.ts'
import { findRegistryHome, loadRegistry } from '../machine/registry.ts'
import { findServices, variableOf, whoHasOpen } from '../virtualbox/live_processes.ts'
import { isAtRest } from '../virtualbox/machine_state.ts'
import type { Manage } from '../virtualbox/manage.ts'
import { printable } from '../virtualbox/printable.ts'
import { type ProcessFiles, realProcessFiles } from '../virtualbox/process_files.ts'

/** What a look at a machine's users needs. */
export interface UseContext {
  readonly files: Files
  readonly manage: () => Promise<Manage | undefined>
  readonly vboxUserHome: string
  /** Seconds to wait for a program that has an image open. */
  readonly lockTimeout: number
  readonly signal: AbortSignal | undefined
  readonly processes?: ProcessFiles
}

const PAUSE_MS = 200

/**
 * Checks that nobody uses a machine: VirtualBox says that it is off, no other VirtualBox that can be seen knows
 * it, and no program that can be seen has one of its images open.
 *
 * @throws {VboxmergeError} `machine_not_off` or `machine_locked`; the signal's reason.
 */
export async function checkUnused(machine: Inspection, context: UseContext): Promise<void> {
  const { settings, registration } = machine
  if (registration.registered) {
    const manage = await context.manage()
    const state = await manage?.machineState(settings.id)
    if (state !== undefined && !isAtRest(state)) {
      throw new VboxmergeError(
        'machine_not_off',
        `Cannot change ${JSON.stringify(settings.name)}: its state is ` +
          `${state.states.map(word => JSON.stringify(printable(word))).join(' and ') || 'unknown'}; shut it down first, for its disks would change under it`,
      )
    }
  }
  await refuseOtherHomes(machine, context)
  await refuseOpenImages(machine, context)
}

async function refuseOtherHomes(machine: Inspection, context: UseContext): Promise<void> {
  const { files, vboxUserHome } = context
  const processes = context.processes ?? realProcessFiles
  const own = await files.realPath(machine.settings.file)
  const ownHome = (await files.realPath(vboxUserHome)) ?? vboxUserHome
  for (const { pid, vboxUserHome: given } of (await findServices(processes)) ?? []) {
    const homes = given === undefined ? await defaultHomes(files, processes, pid) : [resolve(given)]
    for (const home of homes) {
      if (((await files.realPath(home)) ?? home) === ownHome) continue
      if (!(await isRegisteredIn(files, home, own))) continue
      throw new VboxmergeError(
        'machine_locked',
        `Cannot change ${JSON.stringify(machine.settings.name)}: the VirtualBox with the settings folder ` +
          `${JSON.stringify(home)} has it registered and runs (VBoxSVC, process ${pid}); close it and wait some ` +
          '5 seconds, or name that folder with vboxUserHome=FOLDER',
      )
    }
  }
}

/** Where a VBoxSVC may keep its settings that was not told where; nowhere when its environment may not be read. */
async function defaultHomes(files: Files, processes: ProcessFiles, pid: number): Promise<string[]> {
  const HOME = await variableOf(processes, pid, 'HOME')
  if (HOME === undefined) return []
  const XDG_CONFIG_HOME = await variableOf(processes, pid, 'XDG_CONFIG_HOME')
  // For root VirtualBox asks the user database, because sudo may leave $HOME as it was (7.2.22, measured).
  const folders = (userNumber() ?? 0) === 0 ? [HOME, userFolder() ?? HOME] : [HOME]
  return await Promise.all(
    folders.map(folder =>
      findRegistryHome(files, { env: { HOME: folder, XDG_CONFIG_HOME }, platform: 'linux' }),
    ),
  )
}

async function isRegisteredIn(
  files: Files,
  home: string,
  settingsFile: string | undefined,
): Promise<boolean> {
  try {
    for (const entry of (await loadRegistry(files, home)).machines) {
      if ((await files.realPath(entry.settingsFile)) === settingsFile) return true
    }
  } catch {
    // Another user's registry that cannot be read tells nothing.
  }
  return false
}

async function refuseOpenImages(machine: Inspection, context: UseContext): Promise<void> {
  const { files, lockTimeout, signal, processes = realProcessFiles } = context
  const paths = [...machine.images.values()].map(image => image.medium.path)
  const end = performance.now() + lockTimeout * 1000
  for (;;) {
    signal?.throwIfAborted()
    const [holder] = (await whoHasOpen(processes, files, paths, process.pid)) ?? []
    if (holder === undefined) return
    if (performance.now() >= end) {
      throw new VboxmergeError(
        'machine_locked',
        `Cannot change ${JSON.stringify(machine.settings.name)}: ${JSON.stringify(holder.path)} is open in ` +
          `${JSON.stringify(printable(holder.command))} (process ${holder.pid}); close that program`,
      )
    }
    await delay(PAUSE_MS)
  }
}
