import { dirname, isAbsolute, relative } from 'node:path'
import type { MachinePicture, ReportData } from '../../ensure/report_data.ts'
import type { ImageInfo } from '../../machine/info_types.ts'
import { formatCount } from '../cli/text.ts'
import { type Html, type HtmlValue, html, pathOf } from './html.ts'
import { type Column, type Row, table } from './table.ts'
import { type Moments, sizeText } from './words.ts'

/** Longer tables are shut until somebody wants to see them. */
const LONG_TABLE = 20

/** Makes the table of all images, with what became of each. */
export function imageSection(data: ReportData, moments: Moments): Html {
  const isRun = data.kind === 'run' && moments.after !== undefined
  const after = isRun ? data.after : undefined
  const folder = dirname((data.kind === 'state' ? data.info : data.result).machine.settingsFile)
  const columns: Column[] = [
    { label: 'Image' },
    { label: moments.before, isFigure: true },
    ...(after === undefined ? [] : [{ label: moments.after ?? '', isFigure: true }]),
  ]
  const rows = allImages(data.before, after).map(({ before, later, image }): Row => {
    const sizes: HtmlValue[] = [before === undefined ? '–' : imageSize(data.before, before)]
    if (after !== undefined) sizes.push(later === undefined ? 'gone' : imageSize(after, later))
    return { cells: [imageName(image, folder), ...sizes] }
  })
  const caption = html`Size of each file on the host, and how much of it shows in the current state`
  const whole = table(caption, columns, rows)
  return html`<section aria-labelledby="images">
<h2 id="images">Images</h2>
${rows.length > LONG_TABLE ? html`<details><summary>Show all ${formatCount(rows.length, 'image')}</summary>${whole}</details>` : whole}</section>
`
}

interface Known {
  readonly image: ImageInfo
  readonly before: ImageInfo | undefined
  readonly later: ImageInfo | undefined
}

function allImages(before: MachinePicture, after: MachinePicture | undefined): Known[] {
  const later = new Map((after?.images ?? []).map(image => [image.id, image]))
  const known = before.images.map(image => ({ image, before: image, later: later.get(image.id) }))
  const ids = new Set(before.images.map(({ id }) => id))
  const made = [...later.values()].filter(({ id }) => !ids.has(id))
  return [...known, ...made.map(image => ({ image, before: undefined, later: image }))]
}

function imageSize(picture: MachinePicture, image: ImageInfo): HtmlValue {
  const own = ownBytes(picture, image)
  const shown = own === undefined ? undefined : html` <span class="quiet">${sizeText(own)} shows</span>`
  return html`${sizeText(image.bytes)}${shown}`
}

function ownBytes({ disks }: MachinePicture, { id }: ImageInfo): number | undefined {
  for (const { images } of disks) {
    const found = images.find(image => image.id === id)?.ownBytes
    if (found !== undefined && found !== null) return found
  }
  return undefined
}

function imageName(image: ImageInfo, folder: string): Html {
  const near = relative(folder, image.path)
  const path = near.startsWith('..') || isAbsolute(near) ? image.path : near
  const kind = [image.format, image.variant, ...(image.type === null ? [] : [image.type.toLowerCase()])]
  return html`${pathOf(path)} <span class="quiet">${kind.join(' ')}</span>`
}
