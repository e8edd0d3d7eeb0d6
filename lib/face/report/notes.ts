import type { ReportData } from '../../ensure/report_data.ts'
import { type Html, html, named } from './html.ts'
import { table } from './table.ts'

/** Makes the part with the warnings; nothing where there are none. */
export function warningSection(data: ReportData): Html | undefined {
  const { warnings } = data.kind === 'state' ? data.info : data.result
  if (warnings.length === 0) return undefined
  const items = warnings.map(({ code, message }) => {
    const lines = message.split('\n').map((line, at) => html`${at === 0 ? undefined : html`<br>`}${line}`)
    return html`<li>${lines} <code>${code}</code></li>
`
  })
  return html`<section aria-labelledby="warnings">
<h2 id="warnings">Warnings</h2>
<ul class="warnings">
${items}</ul>
</section>
`
}

/** Makes the part with the digests of the disks; nothing where nobody asked for them. */
export function digestSection(data: ReportData): Html | undefined {
  const { digests } = data.kind === 'state' ? data.info : data.result
  if (digests === undefined) return undefined
  const rows = digests.map(({ controller, port, device, sha256 }) => ({
    cells: [named(`${controller} ${port}:${device}`), html`<code class="digest">${sha256}</code>`],
  }))
  return html`<section aria-labelledby="digests">
<h2 id="digests">Digests</h2>
${table('SHA-256 of each whole virtual disk', [{ label: 'Disk' }, { label: 'SHA-256' }], rows)}</section>
`
}
