import type { AllocationCell } from '../../blocks/allocation_map.ts'
import type { DiskMap } from '../../engine/disk_maps.ts'
import type { Glyphs } from './screen.ts'
import { escapeName, formatBytes } from './text.ts'

type Kind = 'base' | 'newer' | 'unused' | 'empty'

/** Bytes of each kind, of a part of a disk or of all of it. */
type Parts = Record<Kind, number>

const NAMES: Readonly<Record<Kind, string>> = {
  base: 'base image',
  newer: 'newer images',
  unused: 'not used by the guest',
  empty: 'nothing',
}

/** Draws a disk as a strip of so many columns at most, with a line that says what its characters mean. */
export function drawDiskMap(disk: DiskMap, columns: number, glyphs: Glyphs): string[] {
  const { map, problem } = disk
  if (map === null) return [escapeName(problem?.message ?? 'it cannot be read')]
  const groups = Math.min(columns, map.cells.length)
  const parts = Array.from({ length: groups }, (_, at) => {
    const first = Math.floor((at * map.cells.length) / groups)
    const end = Math.floor(((at + 1) * map.cells.length) / groups)
    return add(map.cells.slice(first, end).map(partsOf))
  })
  const strip = parts.map(part => glyphOf(part, glyphs)).join('')
  const total = add(parts)
  const shown = (['base', 'newer', 'unused', 'empty'] as const).filter(kind => total[kind] > 0)
  const legend = shown.map(kind => `${glyphs[kind]} ${NAMES[kind]} ${formatBytes(total[kind])}`)
  if (strip.includes(glyphs.partly)) legend.push(`${glyphs.partly} less than half full`)
  return [strip, ...inLines(legend, columns)]
}

function partsOf({ held, zero, unallocated, free }: AllocationCell): Parts {
  const parts = { base: 0, newer: 0, unused: free, empty: zero + unallocated }
  for (const { level, bytes } of held) parts[level === 0 ? 'base' : 'newer'] += bytes
  return parts
}

function add(all: readonly Parts[]): Parts {
  const sum = { base: 0, newer: 0, unused: 0, empty: 0 }
  for (const parts of all) for (const kind of Object.keys(sum) as Kind[]) sum[kind] += parts[kind]
  return sum
}

/** A little data must be seen, however much nothing is around it. */
function glyphOf(parts: Parts, glyphs: Glyphs): string {
  const { base, newer, unused, empty } = parts
  const full = base + newer + unused
  if (full === 0) return glyphs.empty
  if (full < empty) return glyphs.partly
  if (unused >= base && unused >= newer) return glyphs.unused
  return base >= newer ? glyphs.base : glyphs.newer
}

/** Puts the parts of a legend side by side, as many as fit. */
function inLines(parts: readonly string[], columns: number): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const joined = `${lines.at(-1)}   ${part}`
    if (lines.length > 0 && joined.length <= columns) lines[lines.length - 1] = joined
    else lines.push(part)
  }
  return lines
}
