import type { Progress } from '../../ensure/progress.ts'
import type { MachineReport } from '../../ensure/report_machine.ts'
import type { Warning } from '../../ensure/result.ts'
import { EXIT_STATUS, toVboxmergeError, VboxmergeError } from '../../errors.ts'
import type { MachineInfo } from '../../machine/info_types.ts'
import { spellOptions } from '../../options/spell_options.ts'
import { helpText } from './argument_parser.ts'
import { asksForJson, type Invocation, readCommandLine, suggestCommand } from './command_line.ts'
import { listenForInterruption, toldFailure } from './interruption.ts'
import { failureData, machinesData, reportData, resultData, writeDocument } from './json_document.ts'
import type { Look } from './paint.ts'
import { createProgressDisplay, type ProgressMode } from './progress_display.ts'
import { renderInfo } from './render_info.ts'
import { renderList } from './render_list.ts'
import { renderPlan } from './render_plan.ts'
import { renderResult } from './render_result.ts'
import { fitLines, glyphsFor, type Screen, screenFor } from './screen.ts'
import type { Surroundings } from './surroundings.ts'
import { escapeLines, escapeName } from './text.ts'
import { typedCommand } from './typed_command.ts'

type Run = Extract<Invocation, { kind: 'run' }>

/** Checked options, with what a run adds to them. */
interface RunOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

/** What a run leaves to be shown. */
interface Outcome {
  readonly json: string
  readonly text: string
  readonly warnings: readonly Warning[]
}

/**
 * Carries out a command line and resolves to its exit status: 0 done or nothing to do, 1 failed, 2 usage,
 * 3 refused with nothing changed, 130 interrupted. Never rejects because of what a user can cause.
 */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    const invocation = readCommandLine(args)
    if (invocation.kind === 'run') return await carryOut(invocation, surroundings)
    if (invocation.kind === 'completion') {
      const { runCompletion } = await import('./completion.ts')
      await runCompletion(invocation.args, surroundings)
      return 0
    }
    surroundings.stdout.write(
      invocation.kind === 'help' ? helpText(invocation.command) : `vboxmerge ${surroundings.version}\n`,
    )
    return 0
  } catch (error) {
    return fail(toVboxmergeError(error), asksForJson(args), surroundings)
  }
}

async function carryOut(run: Run, surroundings: Surroundings): Promise<number> {
  const { stdout, stderr, now } = surroundings
  const display = createProgressDisplay(
    stderr,
    progressMode(run, surroundings),
    now,
    glyphsFor(surroundings.env).ellipsis,
  )
  const interruption = listenForInterruption(surroundings, text => {
    display.clear()
    if (!run.quiet) stderr.write(`${text}\n`)
  })
  try {
    const { signal } = interruption
    const outcome = await perform(run, surroundings, { ...run.options, signal, onProgress: display.show })
    display.clear()
    if (!run.quiet) warn(outcome.warnings, surroundings)
    if (run.json) stdout.write(outcome.json)
    else if (!run.quiet) stdout.write(outcome.text)
    return 0
  } catch (error) {
    display.clear()
    const { signal } = interruption
    const known = error instanceof VboxmergeError || !signal.aborted ? error : signal.reason
    return fail(withCommandHint(toldFailure(known, signal), run), run.json, surroundings)
  } finally {
    interruption.end()
  }
}

async function perform(run: Run, surroundings: Surroundings, options: RunOptions): Promise<Outcome> {
  const { command, machine, options: given } = run
  const { operations } = surroundings
  const screen = screenFor('stdout', surroundings)
  if (command.operation === 'list') return listed(await operations.list(options), screen)
  if (command.operation === 'info') return inspected(await operations.info(machine, options), screen)
  if (command.operation === 'report') return reported(await operations.report(machine, options))
  const result = await operations[command.operation](machine, options)
  const isPlan = given.check === true && result.skipped === undefined && result.steps.length > 0
  const text = isPlan ? renderPlan(result, typedCommand(run.args), screen) : renderResult(result, screen)
  return { json: writeDocument(resultData(result)), text, warnings: result.warnings }
}

function inspected(info: MachineInfo, screen: Screen): Outcome {
  return {
    json: writeDocument(machinesData([info])),
    text: renderInfo(info, screen),
    warnings: info.warnings,
  }
}

function reported(report: MachineReport): Outcome {
  const { info, file, html } = report
  const text =
    file === null ? html : `${escapeName(info.machine.name)}: the report is in ${escapeName(file)}\n`
  return { json: writeDocument(reportData(report)), text, warnings: info.warnings }
}

function listed(machines: readonly MachineInfo[], screen: Screen): Outcome {
  const warnings = machines.flatMap(info => info.warnings)
  return { json: writeDocument(machinesData(machines)), text: renderList(machines, screen), warnings }
}

function progressMode({ quiet, json }: Run, { stderr, env }: Surroundings): ProgressMode {
  if (quiet || json) return 'none'
  return stderr.isTTY === true && env.TERM !== 'dumb' ? 'bar' : 'lines'
}

function warn(warnings: readonly Warning[], surroundings: Surroundings): void {
  for (const { message } of warnings) tell('yellow', 'warning:', message, surroundings)
}

function fail(error: VboxmergeError, json: boolean, surroundings: Surroundings): number {
  if (json) surroundings.stdout.write(writeDocument(failureData(error)))
  else tell('red', 'error:', error.message, surroundings)
  return EXIT_STATUS[error.code]
}

/** Tells something on stderr, with options spelled as they are typed. */
function tell(look: Look, kind: string, message: string, surroundings: Surroundings): void {
  const screen = screenFor('stderr', surroundings)
  const text = fitLines(`${kind} ${escapeLines(spellOptions(message, 'kebab'))}`, screen)
  surroundings.stderr.write(`${screen.paint(look, kind)}${text.slice(kind.length)}\n`)
}

/** A mistyped command without further words looks like the name of a machine. */
function withCommandHint(error: VboxmergeError, { command, machine }: Run): VboxmergeError {
  const meant = command.word === undefined ? suggestCommand(machine) : undefined
  if (error.code !== 'machine_not_found' || meant === undefined) return error
  return new VboxmergeError(error.code, `${error.message}\nDid you mean the command ${meant}?`, {
    cause: error,
  })
}
