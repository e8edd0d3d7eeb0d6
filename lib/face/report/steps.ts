import type { ReportData } from '../../ensure/report_data.ts'
import type { Step } from '../../ensure/result.ts'
import type { PlannedOperation } from '../../machine/info_types.ts'
import { describeStep, type Tense } from '../cli/describe_step.ts'
import { type Html, html } from './html.ts'
import { type Row, table } from './table.ts'
import { capitalize, formatSeconds, sizeText } from './words.ts'

const COMMANDS: Readonly<Record<PlannedOperation, string>> = {
  merged: 'merge',
  compacted: 'compact',
  base_snapshot: 'snapshot',
  golden_image: 'golden',
}

/** Makes the part with the steps, or for a machine that is only looked at with what each command would do. */
export function stepSection(data: ReportData): Html | undefined {
  if (data.kind === 'state') return planSection(data)
  const { steps, times } = data.result
  if (steps.length === 0) return undefined
  const isPlan = data.kind === 'plan'
  const columns = [
    { label: 'Step' },
    { label: 'Reads', isFigure: true },
    { label: 'Writes', isFigure: true },
    { label: 'Gives back', isFigure: true },
    ...(isPlan ? [] : [{ label: 'Took', isFigure: true }]),
  ]
  const rows = steps.map((step, index): Row => {
    const { readBytes, writtenBytes, freedBytes } = step.forecast
    const figures = [readBytes, writtenBytes, freedBytes].map(sizeText)
    const took = isPlan ? [] : [tookText(times?.steps[index] ?? null)]
    return { cells: [stepText(step, isPlan ? 'planned' : 'done'), ...figures, ...took] }
  })
  const isFused = times?.steps.includes(null) === true && times.steps.length > 1
  const note = isFused
    ? html`<p>The steps were carried out together, in one pass over the disks that took ${formatSeconds(times.total)}.</p>
`
    : undefined
  const caption = isPlan ? 'What a run would do, with its forecast' : 'What was done, with what was forecast'
  return html`<section aria-labelledby="steps">
<h2 id="steps">Steps</h2>
${table(caption, columns, rows)}${note}</section>
`
}

function tookText(seconds: number | null): string {
  return seconds === null ? 'in one pass' : formatSeconds(seconds)
}

function planSection({ info }: Extract<ReportData, { kind: 'state' }>): Html {
  const rows = (Object.keys(COMMANDS) as PlannedOperation[]).map((name): Row => {
    const { steps, changed, refusal } = info.plans[name]
    const told = steps.map(step => html`<li>${stepText(step, 'planned')}</li>`)
    const unknown = changed === 'unknown' && refusal === undefined
    const list = told.length === 0 ? undefined : html`<ul class="plain">${told}</ul>`
    const rest =
      refusal !== undefined
        ? html`<b>Refused:</b> ${refusal.message}`
        : unknown
          ? 'The rest is not known without a look into the disks (--scan)'
          : steps.length === 0
            ? 'Nothing to do'
            : undefined
    return { cells: [html`<code>${COMMANDS[name]}</code>`, html`${list}${rest}`] }
  })
  return html`<section aria-labelledby="steps">
<h2 id="steps">What each command would do</h2>
${table('With default options', [{ label: 'Command' }, { label: 'What it would do' }], rows)}</section>
`
}

/** The first line of a step, and what is told below it: the names of snapshots. */
function stepText(step: Step, tense: Tense): Html {
  const lines = describeStep(step, tense)
  const heads = lines.filter(line => !line.startsWith(' ')).map(line => capitalize(line.replace(/:$/, '')))
  const names = lines
    .filter(line => line.startsWith(' '))
    .map(line => html`<li><bdi>${line.trim()}</bdi></li>`)
  const list = names.length === 0 ? undefined : html`<ul class="plain">${names}</ul>`
  return html`${heads.map((head, at) => html`${at === 0 ? undefined : html`<br>`}${head}`)}${list}`
}
