import { eachSnapshot } from '../machine/media_graph.ts'
import { readIdentity, readSettings } from '../machine/read_settings.ts'
import { loadRegistry } from '../machine/registry.ts'
import { MAX_SETTINGS_BYTES, parseSettings, type SettingsDocument } from '../machine/settings_document.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import { findHome, openSession, type VirtualBoxPlace } from './session.ts'

/** Names the machines that VirtualBox has registered; those whose settings cannot be read have none. */
export async function machineNames(
  place: VirtualBoxPlace,
  host: EnsureHost = realEnsureHost,
): Promise<string[]> {
  const { machines } = await loadRegistry(host.files, await findHome(host, place))
  const names: string[] = []
  for (const { settingsFile } of machines) {
    try {
      names.push(readIdentity(await settingsAt(host, settingsFile)).name)
    } catch {
      // Its UUID still finds it.
    }
  }
  return names.sort()
}

/**
 * Names the snapshots of a machine, parents before their children.
 *
 * @throws {VboxmergeError} When there is no such machine, or it cannot be read.
 */
export async function snapshotNames(
  machine: string,
  place: VirtualBoxPlace,
  host: EnsureHost = realEnsureHost,
): Promise<string[]> {
  const { settingsFile } = await openSession(host, machine, place)
  const { rootSnapshot } = readSettings(await settingsAt(host, settingsFile))
  return [...eachSnapshot(rootSnapshot)].map(({ name }) => name)
}

async function settingsAt({ files }: EnsureHost, settingsFile: string): Promise<SettingsDocument> {
  const path = (await files.realPath(settingsFile)) ?? settingsFile
  return parseSettings(await files.readFile(path, MAX_SETTINGS_BYTES), settingsFile)
}
