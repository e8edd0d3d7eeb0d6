import type { ReportData } from '../../ensure/report_data.ts'
import type { VolumeInfo } from '../../machine/info_types.ts'
import { type Html, html, named } from './html.ts'
import { type Row, table } from './table.ts'
import { sizeText } from './words.ts'

/** Makes the part that tells what lies on the disks; nothing where nobody looked. */
export function volumeSection(data: ReportData): Html | undefined {
  const { volumes } = data.kind === 'state' ? data.info : data.result
  if (volumes.length === 0) return undefined
  const columns = [
    { label: 'Volume' },
    { label: 'Size', isFigure: true },
    { label: 'Used', isFigure: true },
    { label: 'Free', isFigure: true },
    { label: 'To gain', isFigure: true },
  ]
  const caption =
    data.kind === 'state'
      ? 'What lies on the disks of the current state'
      : 'What lay on the disks of the current state before the run'
  return html`<section aria-labelledby="volumes">
<h2 id="volumes">Volumes of the guest</h2>
${table(caption, columns, volumes.map(volumeRow))}</section>
`
}

function volumeRow(volume: VolumeInfo): Row {
  const { size, used, free, reclaimable, kept } = volume
  const cells = [
    html`${volumeName(volume)}${volumeBar(volume)}`,
    sizeText(size),
    bytesOr('not known', used),
    bytesOr('not known', free),
    kept === null ? bytesOr('not looked for', reclaimable) : 'all is kept',
  ]
  return kept === null ? { cells } : { cells, note: html`<b>Why all is kept:</b> ${kept.reason}` }
}

function volumeName({ controller, port, device, where, kind, label }: VolumeInfo): Html {
  const name = label === null || label === '' ? undefined : html`${named(label)}, `
  return html`<span class="volume">${name}${kind}</span> <span class="quiet">${named(`${controller} ${port}:${device}`)}, ${named(where)}</span>`
}

/** What is used, and what can be gained of the rest. */
function volumeBar({ size, used, reclaimable }: VolumeInfo): Html | undefined {
  if (used === null || size <= 0) return undefined
  const width = (bytes: number): string => ((100 * Math.min(bytes, size)) / size).toFixed(1)
  return html`<svg class="volume-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="track" width="100" height="6" /><rect class="base" width="${width(used)}" height="6" /><rect class="free" x="${width(used)}" width="${width(Math.min(reclaimable ?? 0, size - used))}" height="6" /></svg>`
}

function bytesOr(nothing: string, bytes: number | null): string {
  return bytes === null ? nothing : sizeText(bytes)
}
