import { join } from 'node:path'
import type { ExaminedStates } from '../engine/examine_state.ts'
import { VboxmergeError } from '../errors.ts'
import { machineFileName } from '../machine/file_name.ts'
import type { MachineInfo } from '../machine/info_types.ts'
import { inspect } from '../machine/inspect.ts'
import type { Inspection } from '../machine/inspection.ts'
import { parseOptions } from '../options/parse_options.ts'
import { VERSION } from '../version.ts'
import { describeMachine } from './describe_machine.ts'
import { type EnsureHost, realEnsureHost } from './host.ts'
import type { ReportOptions } from './options.ts'
import type { MachinePicture } from './report_data.ts'
import { claimReport, writeReport } from './report_file.ts'
import { takePicture } from './report_picture.ts'
import { openSession } from './session.ts'

/** A report on a machine as it is. */
export interface MachineReport {
  readonly info: MachineInfo
  /** The page, as HTML. */
  readonly html: string
  /** Absolute path of the file that it was written to; null where none was wanted. */
  readonly file: string | null
}

/**
 * Writes a page on a machine as it is: its snapshots, images, disks and volumes, and what each operation would do.
 * Nothing of the machine is changed.
 *
 * @param machine Path of a `.vbox` file or of its folder, UUID, or name of a registered machine.
 * @throws {VboxmergeError} What `inspectMachine` throws; `invalid_options` when the page cannot be written.
 *
 * @example
 * ```ts
 * const { file } = await reportMachine('web', { output: 'web.html', scan: true })
 * ```
 */
export async function reportMachine(machine: string, options: ReportOptions = {}): Promise<MachineReport> {
  const host = realEnsureHost
  const checked = parseOptions('report', options)
  const session = await openSession(host, machine, checked)
  const date = host.now()
  const { inspection } = await inspect(host.files, session.settingsFile, session.vboxUserHome)
  const path = checked.output ?? join(host.cwd(), `${machineFileName(inspection.settings.name)}.html`)
  const file = path === '-' ? null : await claimReport(host.files, path, host.cwd())
  // The page and what it is written about ask for the same state.
  const examined: ExaminedStates = new Map()
  const info = await describeMachine(host, session, { ...checked, maps: true, examined })
  const before = await picture(host, inspection, { ...checked, examined })
  const { renderReport } = await import('../face/report/report_page.ts')
  const html = renderReport({ kind: 'state', version: VERSION, date, info, before })
  if (file !== null) await writeReport(host.files, file, html, await host.files.stat(session.settingsFile))
  return { info, html, file }
}

async function picture(
  { files }: EnsureHost,
  machine: Inspection,
  { scan, signal, examined }: ReportOptions & { readonly examined: ExaminedStates },
): Promise<MachinePicture> {
  const isSound = [...machine.images.values()].every(({ problem }) => problem === undefined)
  if (scan !== true || !isSound) return await takePicture(machine, files, signal)
  const { lookAtVolumes } = await import('../engine/current_volumes.ts')
  try {
    const { freeOf } = await lookAtVolumes(machine, { files, signal, scan, examined })
    return await takePicture(machine, files, signal, freeOf)
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return await takePicture(machine, files, signal)
  }
}
