import type { FreeBlocksFound } from '../engine/free_blocks.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { VERSION } from '../version.ts'
import { forecastTree } from './forecast_tree.ts'
import type { EnsureHost } from './host.ts'
import type { CommonOptions } from './options.ts'
import type { MachinePicture, ReportData } from './report_data.ts'
import { claimReport, writeReport } from './report_file.ts'
import { freeOfSearch, takePicture } from './report_picture.ts'
import type { EnsureResult } from './result.ts'
import type { Session } from './session.ts'
import type { RunWatch } from './with_report.ts'

/**
 * Has an operation performed and writes a report on it. Once the operation has begun, a report that cannot be
 * written is a warning, `report_not_written`; an operation that fails leaves none.
 *
 * @throws {VboxmergeError} `invalid_options` when it can be told beforehand that the report cannot be written; what
 * `perform` throws.
 */
export async function reportRun(
  host: EnsureHost,
  session: Session,
  options: CommonOptions & { readonly report: string },
  perform: (watch: RunWatch) => Promise<EnsureResult>,
): Promise<EnsureResult> {
  const { files } = host
  const path = await claimReport(files, options.report, host.cwd())
  const date = host.now()
  const begun = performance.now()
  const record = new RunRecord(host, session)
  const result = await perform(record)
  const seconds = (performance.now() - begun) / 1000
  try {
    const data = await record.data(result, { date, seconds, check: options.check === true })
    const { renderReport } = await import('../face/report/report_page.ts')
    await writeReport(files, path, renderReport(data), await files.stat(session.settingsFile))
    return result
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    const message = `The report ${JSON.stringify(path)} is not written: ${found}`
    return { ...result, warnings: [...result.warnings, { code: 'report_not_written', message }] }
  }
}

interface Circumstances {
  readonly date: Date
  readonly seconds: number
  readonly check: boolean
}

/** Keeps what a run shows of its machine. What cannot be looked at is told when the report is made. */
class RunRecord implements RunWatch {
  readonly #host: EnsureHost
  readonly #session: Session
  #before: MachinePicture | undefined
  #after: MachinePicture | undefined
  #problem: unknown

  constructor(host: EnsureHost, session: Session) {
    this.#host = host
    this.#session = session
  }

  async before(machine: Inspection, free?: FreeBlocksFound): Promise<void> {
    this.#before = await this.#look(machine, free)
  }

  async after(machine: Inspection, free?: FreeBlocksFound): Promise<void> {
    this.#after = await this.#look(machine, free)
  }

  /** @throws Why the machine could not be looked at. */
  async data(result: EnsureResult, { date, seconds, check }: Circumstances): Promise<ReportData> {
    if (this.#problem !== undefined) throw this.#problem
    const after = this.#after ?? (await this.#lookAgain())
    const before = this.#before ?? after
    const known = { version: VERSION, date, result, before }
    if (!check) return { ...known, kind: 'run', seconds, after }
    const snapshots = result.clone === undefined ? forecastTree(before.snapshots, result.steps) : []
    return { ...known, kind: 'plan', after: { summary: result.after, snapshots } }
  }

  /** What was left alone was not shown. */
  async #lookAgain(): Promise<MachinePicture> {
    const { settingsFile, vboxUserHome } = this.#session
    const { inspection } = await inspect(this.#host.files, settingsFile, vboxUserHome)
    return await takePicture(inspection, this.#host.files, undefined)
  }

  async #look(machine: Inspection, free: FreeBlocksFound | undefined): Promise<MachinePicture | undefined> {
    try {
      return await takePicture(machine, this.#host.files, undefined, freeOfSearch(machine, free))
    } catch (error) {
      this.#problem ??= error
      return undefined
    }
  }
}
