import type { ReportData } from '../../ensure/report_data.ts'
import { REPORT_START } from '../../ensure/report_file.ts'
import { diskSection } from './disks.ts'
import { type Html, html, trusted } from './html.ts'
import { imageSection } from './images.ts'
import { lead } from './lead.ts'
import { mapPatterns } from './map_picture.ts'
import { digestSection, warningSection } from './notes.ts'
import { snapshotSection } from './snapshots.ts'
import { stepSection } from './steps.ts'
import { STYLE } from './style.ts'
import { summarySection } from './summary.ts'
import { volumeSection } from './volumes.ts'
import { momentsOf } from './words.ts'

/**
 * Makes the page of a report: one file of HTML that asks for nothing else, runs no script, and can be read, printed
 * and listened to. Whatever a machine or its guest named is escaped.
 */
export function renderReport(data: ReportData): string {
  const moments = momentsOf(data)
  const machine = data.kind === 'state' ? data.info.machine : data.result.machine
  const sections = [
    summarySection(data, moments),
    warningSection(data),
    stepSection(data),
    snapshotSection(data, moments),
    diskSection(data, moments),
    volumeSection(data),
    imageSection(data, moments),
    digestSection(data),
  ].filter(section => section !== undefined)
  return html`${trusted(REPORT_START)}<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="vboxmerge ${data.version}">
<title>${machine.name}: ${titles[data.kind]}</title>
<link rel="icon" href="data:,">
<style>${trusted(STYLE)}</style>
</head>
<body>
${mapPatterns}${lead(data)}${contents(sections)}<main>
${sections}</main>
<footer>
<p>Written by vboxmerge ${data.version}. 1 KiB is 1024 bytes. This page is complete in itself and loads nothing.</p>
</footer>
</body>
</html>
`.markup
}

const titles: Readonly<Record<ReportData['kind'], string>> = {
  run: 'report of a run of vboxmerge',
  plan: 'plan of vboxmerge',
  state: 'report of vboxmerge',
}

/** Links to the parts, by the headings that they have. */
function contents(sections: readonly Html[]): Html {
  const links = sections.map(({ markup }) => {
    const [, id = '', title = ''] = /<h2 id="(\w+)">([^<]*)<\/h2>/.exec(markup) ?? []
    return html`<li><a href="#${id}">${trusted(title)}</a></li>
`
  })
  return html`<nav aria-label="Contents"><ul>
${links}</ul></nav>
`
}
