import { type Html, type HtmlValue, html } from './html.ts'

/** A column of a table. */
export interface Column {
  readonly label: string
  /** Whether its cells are figures, which stand at the right. */
  readonly isFigure?: boolean
}

/** A row: its cells, the first of which names it, and what is said below it over the whole width. */
export interface Row {
  readonly cells: readonly HtmlValue[]
  readonly note?: HtmlValue
}

/**
 * Makes a table. On a narrow screen each row becomes a card and each cell carries the label of its column; roles are
 * written out, because a browser forgets what a table is when it is not shown as one.
 */
export function table(caption: HtmlValue, columns: readonly Column[], rows: readonly Row[]): Html {
  const heads = columns.map(
    ({ label, isFigure }) => html`<th role="columnheader" scope="col"${figure(isFigure)}>${label}</th>`,
  )
  return html`<table role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${heads}</tr></thead>
<tbody role="rowgroup">
${rows.map(row => tableRow(columns, row))}</tbody>
</table>
`
}

function tableRow(columns: readonly Column[], { cells, note }: Row): Html {
  const [name, ...others] = cells
  const rest = others.map((cell, at) => {
    const column = columns[at + 1]
    return html`<td role="cell" data-label="${column?.label}"${figure(column?.isFigure)}><div>${cell}</div></td>`
  })
  const below =
    note === undefined
      ? undefined
      : html`<tr role="row" class="note"><td role="cell" colspan="${columns.length}">${note}</td></tr>
`
  return html`<tr role="row"><th role="rowheader" scope="row">${name}</th>${rest}</tr>
${below}`
}

function figure(isFigure: boolean | undefined): Html | undefined {
  return isFigure === true ? html` class="figure"` : undefined
}
