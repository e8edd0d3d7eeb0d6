import type { FreeBlocksFound } from '../engine/free_blocks.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { EnsureHost } from './host.ts'
import type { CommonOptions } from './options.ts'
import type { EnsureResult } from './result.ts'
import type { Session } from './session.ts'

/** Is shown a machine by a run that is reported on. Never fails. */
export interface RunWatch {
  /** The machine, right before something is done to it. */
  before(machine: Inspection, free?: FreeBlocksFound): Promise<void>
  /** The machine (for a clone operation the clone) once all is done, or when there is nothing to do. */
  after(machine: Inspection, free?: FreeBlocksFound): Promise<void>
}

const NO_WATCH: RunWatch = { before: async () => {}, after: async () => {} }

/**
 * Has an operation performed, and writes a report on it where one was asked for. What reports need is loaded only
 * then.
 *
 * @throws {VboxmergeError} `invalid_options` when it can be told beforehand that the report cannot be written; what
 * `perform` throws.
 */
export async function withReport(
  host: EnsureHost,
  session: Session,
  options: CommonOptions,
  perform: (watch: RunWatch) => Promise<EnsureResult>,
): Promise<EnsureResult> {
  if (options.report === undefined) return await perform(NO_WATCH)
  const { reportRun } = await import('./report_run.ts')
  return await reportRun(host, session, { ...options, report: options.report }, perform)
}
