import { parseOptions } from '../options/parse_options.ts'
import { ensureClone } from './ensure_clone.ts'
import type { CloneOptions } from './options.ts'
import type { EnsureResult } from './result.ts'

/**
 * Makes a second, flat machine whose disks equal the current state of a machine, or one of its snapshots. The
 * machine itself stays as it is.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { clone } = await ensureCloned('web', { cloneName: 'web of today', replace: true })
 * ```
 */
export async function ensureCloned(machine: string, options: CloneOptions = {}): Promise<EnsureResult> {
  const checked = parseOptions('clone', options)
  const { cloneName: name, cloneFolder: folder, replace, from, freeSpace, discardSavedState } = checked
  const wanted = { name, folder, replace, from, freeSpace, discardSavedState }
  return await ensureClone(machine, wanted, checked)
}
