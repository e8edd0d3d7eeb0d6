import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import { loadRegistry } from '../machine/registry.ts'
import { findServices, whoHasOpen } from '../virtualbox/live_processes.ts'
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
          `${state.states.map(word => JSON.stringify(printable(word))).join(' and ') || 'unknown'}; shut it down first`,
      )
    }
  } else {
    await refuseOtherHomes(machine, context)
  }
  await refuseOpenImages(machine, context)
}

async function refuseOtherHomes(machine: Inspection, context: UseContext): Promise<void> {
  const { files, vboxUserHome } = context
  const own = await files.realPath(machine.settings.file)
  for (const { pid, vboxUserHome: home } of (await findServices(context.processes ?? realProcessFiles)) ??
    []) {
    if (home === undefined || home === vboxUserHome) continue
    const machines = await registeredIn(files, home)
    for (const entry of machines) {
      if ((await files.realPath(entry)) !== own) continue
      throw new VboxmergeError(
        'machine_locked',
        `Cannot change ${JSON.stringify(machine.settings.name)}: the VirtualBox with the settings folder ` +
          `${JSON.stringify(home)} has it registered and runs (VBoxSVC, process ${pid}); close it and wait some ` +
          '5 seconds, or name that folder with vboxUserHome',
      )
    }
  }
}

async function registeredIn(files: Files, home: string): Promise<string[]> {
  try {
    return (await loadRegistry(files, home)).machines.map(entry => entry.settingsFile)
  } catch {
    // Another user's registry that cannot be read tells nothing.
    return []
  }
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
