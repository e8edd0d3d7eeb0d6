import type { ReportData } from '../../ensure/report_data.ts'
import type { MachineRef, MachineSummary } from '../../ensure/result.ts'
import type { ImageInfo } from '../../machine/info_types.ts'
import { type Html, html, named, pathOf } from './html.ts'
import { formatChange, formatSeconds, type Moments, sizeText } from './words.ts'

const STATES: Readonly<Record<string, string>> = { poweroff: 'powered off' }

/** Makes the part with the figures that matter most, the bars of sizes, and what the report is about. */
export function summarySection(data: ReportData, moments: Moments): Html {
  return html`<section aria-labelledby="summary">
<h2 id="summary">In figures</h2>
${keyFigures(data, moments)}${sizeBars(data, moments)}${facts(data)}</section>
`
}

function keyFigures(data: ReportData, moments: Moments): Html {
  const before = data.kind === 'state' ? data.info.summary : data.result.before
  const after = moments.after === undefined || data.kind === 'state' ? undefined : data.result.after
  const figure = (label: string, pick: (summary: MachineSummary) => string, note?: string): Html => {
    const was = `${moments.before.toLowerCase()}: ${pick(before)}`
    const small = after === undefined ? note : [was, note].filter(text => text !== undefined).join('; ')
    return keyFigure(label, pick(after ?? before), small)
  }
  const most = after?.exact === false ? ' at most' : ''
  const change =
    after === undefined || moments.before !== 'Before' ? undefined : formatChange(before.bytes, after.bytes)
  return html`<dl class="figures">
${figure(`On the host${most}`, ({ bytes }) => sizeText(bytes), change)}
${figure('Snapshots', ({ snapshots }) => String(snapshots))}
${figure('Images', ({ images }) => String(images))}
${data.kind === 'run' ? keyFigure('Time taken', formatSeconds(data.seconds), timeNote(data.result.times?.total)) : keyFigure('Size of the disks', sizeText(before.capacity), 'as the guest sees them')}
</dl>
`
}

function timeNote(seconds: number | undefined): string {
  return seconds === undefined
    ? 'all of it looking'
    : `${formatSeconds(seconds)} of it work, the rest looking`
}

function keyFigure(label: string, value: string, note: string | undefined): Html {
  return html`<div><dt>${label}</dt><dd>${value}${note === undefined ? undefined : html`<small>${note}</small>`}</dd></div>`
}

interface Bar {
  readonly label: string
  readonly base: number
  readonly differencing: number
  /** Whether the two are not known apart. */
  readonly isForecast: boolean
}

function sizeBars(data: ReportData, moments: Moments): Html {
  const bars: Bar[] = [barOf(moments.before, data.before.images)]
  if (moments.after !== undefined && data.kind === 'run') bars.push(barOf(moments.after, data.after.images))
  if (moments.after !== undefined && data.kind === 'plan') {
    const { bytes } = data.after.summary
    bars.push({ label: moments.after, base: bytes, differencing: 0, isForecast: true })
  }
  const longest = Math.max(1, ...bars.map(({ base, differencing }) => base + differencing))
  return html`<figure class="bars">
<figcaption>Image files on the host</figcaption>
<ul>
${bars.map(bar => barRow(bar, longest))}</ul>
</figure>
`
}

function barOf(label: string, images: readonly ImageInfo[]): Bar {
  const bytesOf = (isBase: boolean): number =>
    images.filter(({ parent }) => (parent === null) === isBase).reduce((sum, { bytes }) => sum + bytes, 0)
  return { label, base: bytesOf(true), differencing: bytesOf(false), isForecast: false }
}

function barRow({ label, base, differencing, isForecast }: Bar, longest: number): Html {
  const width = (bytes: number): string => ((1000 * bytes) / longest).toFixed(1)
  const parts = isForecast
    ? 'a forecast'
    : differencing > 0
      ? `${sizeText(base)} base, ${sizeText(differencing)} differencing`
      : 'all of it base images'
  return html`<li><span class="label">${label}</span>
<svg viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="track" width="1000" height="24" /><rect class="${isForecast ? 'forecast' : 'base'}" width="${width(base)}" height="24" /><rect class="differencing" x="${width(base)}" width="${width(differencing)}" height="24" /></svg>
<span class="value"><b>${sizeText(base + differencing)}</b> ${parts}</span></li>
`
}

function facts(data: ReportData): Html {
  const machine = data.kind === 'state' ? data.info.machine : data.result.machine
  const state = STATES[data.before.summary.state] ?? data.before.summary.state.replaceAll('_', ' ')
  return html`<dl class="facts">
${fact('Machine', html`${named(machine.name)} <span class="quiet">{${machine.id}}</span>`)}
${fact('Settings file', pathOf(machine.settingsFile))}
${fact('VirtualBox', registration(machine))}
${fact('State', state)}
${engineFacts(data)}${fact('Made by', `vboxmerge ${data.version}`)}
</dl>
`
}

function engineFacts(data: ReportData): Html | undefined {
  if (data.kind === 'state') return undefined
  const { engine, engineReason, clone, sharedBytes, changed } = data.result
  return html`${changed ? fact('Engine', `${engine}: ${engineReason}`) : undefined}
${clone === undefined ? undefined : fact('Clone', html`${named(clone.name)}, ${pathOf(clone.settingsFile)}`)}
${sharedBytes > 0 ? fact('Shared, not copied', sizeText(sharedBytes)) : undefined}
`
}

function registration({ registered }: MachineRef): string {
  return registered ? 'The machine is registered' : 'The machine is not registered'
}

function fact(label: string, value: string | Html): Html {
  return html`<div><dt>${label}</dt><dd>${value}</dd></div>`
}
