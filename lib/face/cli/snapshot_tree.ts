import type { SnapshotInfo } from '../../machine/info_types.ts'
import type { Painter } from './paint.ts'
import type { Screen } from './screen.ts'
import { escapeName } from './text.ts'

interface Node {
  readonly text: string
  readonly children: readonly Node[]
}

interface Visit {
  readonly node: Node
  /** What stands in front of the node's own line, and of the lines below it. */
  readonly lead: string
  readonly indent: string
}

/**
 * Draws a tree of snapshots with the current state as one more child, a line each. A chain runs straight
 * down, only forks indent, so that hundreds of snapshots in a row stay readable.
 */
export function drawSnapshotTree(
  snapshots: readonly SnapshotInfo[],
  { paint, glyphs }: Pick<Screen, 'paint' | 'glyphs'>,
): string[] {
  const lines: string[] = []
  const open: Visit[] = rootsOf(snapshots, paint).map(node => ({ node, lead: '', indent: '' }))
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    const { node, lead, indent } = visit
    lines.push(lead + node.text)
    const last = node.children.length - 1
    const visits = node.children.map((child, at): Visit => {
      if (last === 0) return { node: child, lead: indent, indent }
      if (at === last) return { node: child, lead: indent + glyphs.corner, indent: `${indent}   ` }
      return { node: child, lead: indent + glyphs.fork, indent: indent + glyphs.bar }
    })
    open.push(...visits.reverse())
  }
  return lines
}

function rootsOf(snapshots: readonly SnapshotInfo[], paint: Painter): Node[] {
  const childrenOf = new Map<string, Node[]>(snapshots.map(({ id }) => [id, []]))
  const roots: Node[] = []
  for (const snapshot of snapshots) {
    const children = childrenOf.get(snapshot.id) ?? []
    const siblings = snapshot.parent === null ? roots : childrenOf.get(snapshot.parent)
    siblings?.push({ text: describeSnapshot(snapshot, paint), children })
  }
  const current: Node = { text: paint('bold', '* current state (you are here)'), children: [] }
  const holder = snapshots.find(snapshot => snapshot.current)
  const siblings = holder === undefined ? roots : childrenOf.get(holder.id)
  siblings?.push(current)
  return roots.reverse()
}

function describeSnapshot({ name, timeStamp }: SnapshotInfo, paint: Painter): string {
  const when = timeStamp.replace('T', ' ').replace('Z', ' UTC')
  return `${escapeName(name)}  ${paint('dim', escapeName(when))}`
}
