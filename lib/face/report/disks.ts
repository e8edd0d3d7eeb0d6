import { basename } from 'node:path'
import type { DiskMap } from '../../engine/disk_maps.ts'
import type { ReportData } from '../../ensure/report_data.ts'
import { formatCount } from '../cli/text.ts'
import { type Html, html, named } from './html.ts'
import { mapPicture, swatch } from './map_picture.ts'
import { KINDS, type Kind, type Shares, totalShares } from './shares.ts'
import { type Row, table } from './table.ts'
import { formatShare, joinPhrases, type Moments, sizeText } from './words.ts'

/** A disk at one moment, with what its whole is made of; undefined where it cannot be read. */
interface Shown {
  readonly label: string
  readonly disk: DiskMap
  readonly shares: Shares | undefined
}

/** Makes the part that shows what each part of each disk is made of. */
export function diskSection(data: ReportData, moments: Moments): Html | undefined {
  const after = data.kind === 'run' && moments.after !== undefined ? data.after.disks : []
  const disks = data.before.disks.map(disk => {
    const later = after.find(other => placeOf(other) === placeOf(disk))
    return [shown(moments.before, disk), ...(later === undefined ? [] : [shown(moments.after ?? '', later)])]
  })
  if (disks.length === 0) return undefined
  return html`<section aria-labelledby="disks">
<h2 id="disks">Disks</h2>
<p>Each square is an equal part of the disk, in reading order; the paler it is, the less of it is held by an image.</p>
${disks.map(diskPart)}</section>
`
}

function shown(label: string, disk: DiskMap): Shown {
  return { label, disk, shares: disk.map === null ? undefined : totalShares(disk.map, disk.images.length) }
}

function placeOf({ controller, port, device }: DiskMap): string {
  return `${controller} ${port}:${device}`
}

function diskPart(moments: readonly Shown[]): Html {
  const [first] = moments
  if (first === undefined) return html``
  const capacity = first.disk.map?.capacity
  const base = first.disk.images[0]?.path
  return html`<article class="disk">
<h3>${named(placeOf(first.disk))} <span class="quiet">${base === undefined ? undefined : html`${named(basename(base))}, `}${capacity === undefined ? undefined : sizeText(capacity)}</span></h3>
<div class="pair">
${moments.map(picture)}</div>
${legend(moments)}</article>
`
}

function picture({ label, disk, shares }: Shown): Html {
  if (disk.map === null || shares === undefined) {
    return html`<p class="problem"><b>${label}:</b> cannot be shown. ${disk.problem?.message}</p>
`
  }
  const { capacity, cellSize } = disk.map
  const parts = KINDS.filter(kind => shares[kind] > 0).map(
    kind => `${formatShare(shares[kind], capacity)} ${nameOf(kind, disk)}`,
  )
  const text = `${label}, ${placeOf(disk)}: ${joinPhrases(parts)}`
  const images = formatCount(disk.images.length, 'image')
  return html`<figure>
<figcaption><b>${label}</b> <span class="quiet">${images}; a square is ${sizeText(Math.min(cellSize, capacity))}</span></figcaption>
${mapPicture(disk.map, disk.images.length, text)}</figure>
`
}

function legend(moments: readonly Shown[]): Html | undefined {
  const known = moments.filter(({ shares }) => shares !== undefined)
  const kinds = KINDS.filter(kind => known.some(({ shares }) => (shares?.[kind] ?? 0) > 0))
  const [first] = known
  if (first === undefined) return undefined
  const rows = kinds.map((kind): Row => {
    const holder = known.find(({ shares }) => (shares?.[kind] ?? 0) > 0) ?? first
    const cells = known.map(({ shares, disk }) => {
      const bytes = shares?.[kind] ?? 0
      if (bytes === 0) return sizeText(0)
      return html`${sizeText(bytes)} <span class="quiet">${formatShare(bytes, disk.map?.capacity ?? 0)}</span>`
    })
    return { cells: [html`${swatch(kind)}${nameOf(kind, holder.disk)}`, ...cells] }
  })
  const columns = known.map(({ label }) => ({ label, isFigure: true }))
  return table(html`What ${named(placeOf(first.disk))} is made of`, [{ label: 'Part' }, ...columns], rows)
}

function nameOf(kind: Kind, { images }: DiskMap): string {
  switch (kind) {
    case 'base':
      return 'held by the base image'
    case 'band1':
      return 'held by the oldest differencing images'
    case 'band2':
      return images.length > 2 ? 'held by newer differencing images' : 'held by the differencing image'
    case 'band3':
      return 'held by the newest differencing images'
    case 'free':
      return 'held, but not used by the guest'
    case 'zero':
      return 'zeros that take no space'
    case 'never':
      return 'never written'
  }
}
