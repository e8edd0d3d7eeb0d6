import type { ReportData } from '../../ensure/report_data.ts'
import type { EnsureResult, MachineSummary, Step } from '../../ensure/result.ts'
import { formatCount } from '../cli/text.ts'
import { type Html, html, named } from './html.ts'
import { capitalize, formatChange, formatDate, joinPhrases, sizeText } from './words.ts'

/** What kind of report this is, in a word or two, and how that is coloured. */
interface Standing {
  readonly words: string
  readonly tone: 'done' | 'plan' | 'calm'
}

/** Makes the top of the page: which machine, when, and what happened in a sentence. */
export function lead(data: ReportData): Html {
  const { words, tone } = standing(data)
  const machine = data.kind === 'state' ? data.info.machine : data.result.machine
  return html`<header>
<p class="brand">${mark}vboxmerge report</p>
<h1>${named(machine.name)}</h1>
<p class="standing ${tone}">${words}</p>
<p class="lead">${sentence(data)}</p>
<p class="when"><time datetime="${data.date.toISOString()}">${formatDate(data.date)}</time></p>
</header>
`
}

/** Layers that become one. */
const mark: Html = html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="M4 6h16M7 11h10M10 16h4" /><path class="base" d="M4 21h16" /></svg>`

function standing(data: ReportData): Standing {
  if (data.kind === 'state') return { words: 'The machine as it is', tone: 'calm' }
  if (data.result.skipped !== undefined) return { words: 'Left alone', tone: 'calm' }
  if (!data.result.changed) return { words: 'Nothing to do', tone: 'calm' }
  return data.kind === 'plan'
    ? { words: 'A plan: nothing has been changed', tone: 'plan' }
    : { words: 'Done', tone: 'done' }
}

/** Says in a sentence or two what was done and what it came to. */
export function sentence(data: ReportData): string {
  if (data.kind === 'state') return `It has ${figures(data.info.summary)}.`
  const { result } = data
  if (result.skipped !== undefined) return `Nothing was done: ${result.skipped}`
  if (!result.changed) return `The machine is as wanted, with ${figures(result.before)}.`
  const done = joinPhrases(result.steps.map(step => phrase(step, data.kind === 'plan')))
  const what = data.kind === 'plan' ? `A run would ${done}.` : `${capitalize(done)}.`
  return `${what} ${outcome(result, data.kind === 'plan')}`
}

function figures({ snapshots, images, bytes }: MachineSummary): string {
  return `${formatCount(snapshots, 'snapshot')} and ${formatCount(images, 'image')} that take ${sizeText(bytes)} on the host`
}

function outcome({ before, after, clone }: EnsureResult, isPlan: boolean): string {
  const most = after.exact ? '' : 'at most '
  const size = `${most}${sizeText(after.bytes)}`
  if (clone !== undefined) {
    return `The clone ${isPlan ? 'would take' : 'takes'} ${size} on the host; the machine, with ${sizeText(before.bytes)}, stays as it is.`
  }
  const verb = isPlan ? 'would take' : 'takes'
  return `The machine ${verb} ${size} on the host instead of ${sizeText(before.bytes)}: ${most}${formatChange(before.bytes, after.bytes)}.`
}

function phrase(step: Step, isPlan: boolean): string {
  const say = (done: string, planned: string): string => (isPlan ? planned : done)
  switch (step.kind) {
    case 'recover':
      return `${say('finished', 'finish')} what an interrupted run had begun`
    case 'restore':
      return `${say('went', 'go')} back to the snapshot “${step.snapshot.name}”`
    case 'discard':
      return step.what === 'saved_state'
        ? `${say('discarded', 'discard')} the saved state`
        : `${say('deleted', 'delete')} ${formatCount(step.snapshots.length, 'snapshot')} of other branches`
    case 'merge': {
      const images = step.disks.reduce((sum, { folded }) => sum + folded.length, 0)
      const what =
        step.snapshots.length > 0
          ? formatCount(step.snapshots.length, 'snapshot')
          : formatCount(images, 'image')
      return `${say('merged', 'merge')} ${what}`
    }
    case 'compact':
      return `${say('compacted', 'compact')} ${formatCount(step.images.length, 'image')}`
    case 'snapshot':
      return `${say('took', 'take')} the snapshot “${step.name}”`
    case 'clone':
      return step.action === 'finish'
        ? `${say('finished', 'finish')} the clone “${step.name}”`
        : `${step.action === 'create' ? say('wrote', 'write') : say('replaced', 'replace')} the clone “${step.name}”`
    case 'undo':
      return `${say('went', 'go')} back to the backup “${step.backup}”`
  }
}
