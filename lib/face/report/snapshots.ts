import type { ReportData } from '../../ensure/report_data.ts'
import type { SnapshotInfo } from '../../machine/info_types.ts'
import { formatCount } from '../cli/text.ts'
import { type Html, html, named } from './html.ts'
import type { Moments } from './words.ts'

/** Trees with more snapshots are shut until somebody wants to see them. */
const LONG_TREE = 40

/** Makes the part with the trees of snapshots. */
export function snapshotSection(data: ReportData, moments: Moments): Html {
  const after = data.kind === 'state' || moments.after === undefined ? undefined : data.after.snapshots
  return html`<section aria-labelledby="snapshots">
<h2 id="snapshots">Snapshots</h2>
<div class="pair">
${treeColumn(moments.before, data.before.snapshots)}${after === undefined ? undefined : treeColumn(moments.after ?? '', after)}</div>
</section>
`
}

function treeColumn(title: string, snapshots: readonly SnapshotInfo[]): Html {
  const tree = branchOf(snapshots, null)
  const isLong = snapshots.length > LONG_TREE
  const shown = isLong
    ? html`<details><summary>Show all ${formatCount(snapshots.length, 'snapshot')}</summary>
${tree}</details>
`
    : tree
  return html`<div><h3>${title} <span class="quiet">${formatCount(snapshots.length, 'snapshot')}</span></h3>
${shown}</div>
`
}

interface Item {
  readonly markup: Html
  readonly children: Item[]
}

/** A chain runs straight down, and only forks begin a list of their own, as deep trees stay readable that way. */
function branchOf(snapshots: readonly SnapshotInfo[], root: string | null): Html {
  const items = new Map<string | null, Item>([[root, { markup: html``, children: [] }]])
  for (const snapshot of snapshots) items.set(snapshot.id, { markup: snapshotItem(snapshot), children: [] })
  for (const { id, parent } of snapshots) {
    const item = items.get(id)
    if (item !== undefined) items.get(parent)?.children.push(item)
  }
  const holder = snapshots.find(({ current }) => current)?.id ?? root
  items.get(holder)?.children.push({ markup: html`<b class="current">Current state</b>`, children: [] })
  return list(items.get(root)?.children ?? [])
}

function snapshotItem({ name, timeStamp }: SnapshotInfo): Html {
  const when = timeStamp.replace('T', ' ').replace('Z', ' UTC')
  return html`${named(name)} <span class="quiet">${when}</span>`
}

/** Lists are opened and closed one by one, not by a function that calls itself: chains can be thousands long. */
function list(roots: readonly Item[]): Html {
  const parts: string[] = []
  const open: (Item | string)[] = [...lines(roots)].reverse()
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === 'string') {
      parts.push(next)
      continue
    }
    parts.push(`<li>${next.markup.markup}`)
    const { children } = next
    // The only child is the next item of the same list.
    const [only] = children
    if (children.length === 1 && only !== undefined) open.push(only, '</li>\n')
    else open.push('</li>\n', ...[...lines(children)].reverse())
  }
  return { markup: parts.join('') }
}

/** Children of a fork are lists side by side, each with its own branch. */
function lines(children: readonly Item[]): (Item | string)[] {
  if (children.length === 0) return []
  const branches = children.flatMap((child, at) => [
    ...(at === 0 ? [] : ['</ul></li>\n', '<li class="branch"><ul>\n']),
    child,
  ])
  return children.length === 1
    ? ['\n<ul class="tree">\n', ...branches, '</ul>\n']
    : ['\n<ul class="tree fork">\n<li class="branch"><ul>\n', ...branches, '</ul></li>\n</ul>\n']
}
