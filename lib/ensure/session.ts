import { VboxmergeError } from '../errors.ts'
import { findRegistryHome, isRegistryUnfinished, registryFile } from '../machine/registry.ts'
import { resolveMachine } from '../machine/resolve_machine.ts'
import { finishSave } from '../machine/unfinished_save.ts'
import type { FinishesSaves } from '../machine/unfinished_settings.ts'
import type { Manage } from '../virtualbox/manage.ts'
import type { EnsureHost } from './host.ts'
import type { EngineName } from './result.ts'

/** Which VirtualBox is meant, if there is one. */
export interface VirtualBoxPlace {
  readonly vboxmanage?: string
  readonly vboxUserHome?: string
  /** A caller's own zx `$`. */
  readonly $?: unknown
}

/** A machine that was found, with the VirtualBox that it may belong to. */
export interface Session {
  readonly settingsFile: string
  readonly vboxUserHome: string
  /** Whether what VirtualBox was saving when it died was finished. */
  readonly finishedSave: boolean
  /**
   * Looks for VBoxManage when it is first asked; undefined when there is none.
   *
   * @param engine The one that is to make calls; by default `direct`.
   */
  readonly manage: (engine?: EngineName) => Promise<Manage | undefined>
}

/**
 * Finds the settings folder of VirtualBox.
 *
 * @throws {VboxmergeError} `unsupported` when the variables that tell may not be read (Deno's permissions).
 */
export async function findHome(host: EnsureHost, place: VirtualBoxPlace): Promise<string> {
  const { env, platform } = host.computer
  try {
    return await findRegistryHome(host.files, { env, platform, override: place.vboxUserHome })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new VboxmergeError(
      'unsupported',
      `Cannot find the settings folder of VirtualBox: ${why}; or name that folder with vboxUserHome=FOLDER`,
      { cause },
    )
  }
}

/**
 * Finds a machine by the words that a user gave.
 *
 * @param finishesSaves Allows to finish what VirtualBox was saving when it died.
 * @throws {VboxmergeError} `machine_not_found`, `machine_ambiguous`, `settings_corrupt`, `unsupported`.
 */
export async function openSession(
  host: EnsureHost,
  machine: string,
  place: VirtualBoxPlace,
  finishesSaves?: FinishesSaves,
): Promise<Session> {
  const vboxUserHome = await findHome(host, place)
  const { files } = host
  let finishedSave = false
  if (finishesSaves !== undefined && (await isRegistryUnfinished(files, vboxUserHome))) {
    finishedSave = await finishSave(files, registryFile(vboxUserHome), finishesSaves.signal)
  }
  const places = { cwd: host.cwd(), vboxUserHome, ...(finishesSaves === undefined ? {} : { finishesSaves }) }
  const found = await resolveMachine(files, machine, places)
  const session = sessionOf(host, found.settingsFile, vboxUserHome, place)
  return { ...session, finishedSave: finishedSave || found.finishedSave === true }
}

/** The session of a machine whose settings file is known. */
export function sessionOf(
  host: EnsureHost,
  settingsFile: string,
  vboxUserHome: string,
  place: VirtualBoxPlace,
): Session {
  const found = new Map<EngineName, Promise<Manage | undefined>>()
  // Loaded when it is asked for: a machine in a folder, or one with nothing to do, needs no VirtualBox.
  const find = async (engine: EngineName): Promise<Manage | undefined> => {
    const { findManage } = await import('./find_manage.ts')
    return await findManage(host, settingsFile, vboxUserHome, place, engine)
  }
  const manage = (engine: EngineName = 'direct'): Promise<Manage | undefined> => {
    const known = found.get(engine) ?? find(engine)
    found.set(engine, known)
    return known
  }
  return { settingsFile, vboxUserHome, finishedSave: false, manage }
}
