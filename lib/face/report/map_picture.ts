import type { AllocationMap } from '../../blocks/allocation_map.ts'
import { type Html, html, trusted } from './html.ts'
import { type Kind, type Look, lookOf, sharesOf } from './shares.ts'

/** Side of a part in the picture's own units. */
const SIDE = 10

/** Parts in a row of a large picture. */
const MOST_COLUMNS = 48

/** Draws a disk as rows of squares, which read like a text. Says for those who cannot see it what it shows. */
export function mapPicture(map: AllocationMap, levels: number, label: string): Html {
  const columns = columnsOf(map.cells.length)
  const rows = Math.ceil(map.cells.length / columns)
  const looks = map.cells.map(cell => lookOf(sharesOf(cell, levels)))
  const [width, height] = [columns * SIDE, Math.max(1, rows) * SIDE]
  return html`<svg class="map" role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" style="max-width:${Math.max(columns, 16) * 16}px">
${paths(looks, columns)}<rect class="grid" width="${width}" height="${height}" />
</svg>
`
}

/** Patterns by which kinds differ without colours; they are in a page once. */
export const mapPatterns: Html =
  trusted(`<svg class="patterns" aria-hidden="true" focusable="false" width="0" height="0"><defs>
<pattern id="pattern-band" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="stroke" d="M1 0v5" /></pattern>
<pattern id="pattern-free" width="5" height="5" patternUnits="userSpaceOnUse"><circle class="dot" cx="2.5" cy="2.5" r="1.1" /></pattern>
<pattern id="pattern-zero" width="10" height="10" patternUnits="userSpaceOnUse"><path class="stroke" d="M3.5 5h3" /></pattern>
<pattern id="pattern-grid" width="10" height="10" patternUnits="userSpaceOnUse"><path class="gap" d="M0 0h10M0 0v10M10 0v10M0 10h10" /></pattern>
</defs></svg>
`)

/** Draws what stands for a kind in a legend. */
export function swatch(kind: Kind): Html {
  return html`<svg class="swatch" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shape({ kind, weight: 4 }, 'M0 0h20v20h-20z')}</svg>`
}

function columnsOf(cells: number): number {
  if (cells >= 4 * MOST_COLUMNS) return MOST_COLUMNS
  return Math.max(1, Math.min(cells, cells >= MOST_COLUMNS ? MOST_COLUMNS / 2 : MOST_COLUMNS / 4))
}

/** Neighbours in a row that look the same are one rectangle, and all of one look are one path. */
function paths(looks: readonly Look[], columns: number): Html[] {
  const found = new Map<string, { readonly look: Look; readonly runs: string[] }>()
  for (let at = 0; at < looks.length; ) {
    const look = looks[at] as Look
    const endOfRow = at - (at % columns) + columns
    let end = at + 1
    while (end < Math.min(endOfRow, looks.length) && isSame(looks[end] as Look, look)) end++
    const key = `${look.kind} ${look.weight}`
    const entry = found.get(key) ?? { look, runs: [] }
    const [x, y, width] = [(at % columns) * SIDE, Math.floor(at / columns) * SIDE, (end - at) * SIDE]
    entry.runs.push(`M${x} ${y}h${width}v${SIDE}h-${width}z`)
    found.set(key, entry)
    at = end
  }
  return [...found.values()].map(({ look, runs }) => shape(look, runs.join('')))
}

function isSame(one: Look, other: Look): boolean {
  return one.kind === other.kind && one.weight === other.weight
}

function shape({ kind, weight }: Look, d: string): Html {
  const pattern = kind.startsWith('band') ? 'band' : kind === 'free' || kind === 'zero' ? kind : undefined
  const texture =
    pattern === undefined
      ? undefined
      : html`<path class="texture" fill="url(#pattern-${pattern})" d="${d}" />`
  return html`<path class="${kind} weight${weight}" d="${d}" />${texture}
`
}
