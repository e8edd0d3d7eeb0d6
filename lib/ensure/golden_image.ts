import { parseOptions } from '../options/parse_options.ts'
import type { GoldenImageOptions } from './options.ts'
import { ensurePrepared } from './prepared.ts'
import type { EnsureResult } from './result.ts'

/**
 * Merges, compacts and shields a machine, in one pass over its data where the engine can.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} Every code of the contract; the reason of `options.signal`.
 *
 * @example
 * ```ts
 * const { steps } = await ensureGoldenImage('web', { check: true })
 * ```
 */
export async function ensureGoldenImage(
  machine: string,
  options: GoldenImageOptions = {},
): Promise<EnsureResult> {
  parseOptions('golden', options)
  return await ensurePrepared(machine, { ...options, compact: true, snapshot: true })
}
