import type { AllocationCell, AllocationMap } from '../../blocks/allocation_map.ts'

/** Differencing images are told apart by their height in the chain: the oldest, newer ones, the newest. */
const BANDS = ['band1', 'band2', 'band3'] as const

/** What a part of a disk can be made of, in the order in which legends list it. */
export const KINDS = ['base', 'band1', 'band2', 'band3', 'free', 'zero', 'never'] as const

/** One thing that a part of a disk can be made of. */
export type Kind = (typeof KINDS)[number]

/** Bytes of each kind. */
export type Shares = Readonly<Record<Kind, number>>

/** Returns what an image of a chain of so many is: the base, or a band of differencing images, the oldest first. */
export function heldKind(level: number, levels: number): Kind {
  if (level === 0) return 'base'
  const differencing = levels - 1
  // A single one stands between old and new.
  if (differencing === 1) return 'band2'
  const band = Math.min(BANDS.length - 1, Math.floor(((level - 1) * BANDS.length) / differencing))
  return BANDS[band] ?? 'band3'
}

/** Adds a part's bytes up by kind. */
export function sharesOf(cell: AllocationCell, levels: number): Shares {
  const shares = {
    base: 0,
    band1: 0,
    band2: 0,
    band3: 0,
    free: cell.free,
    zero: cell.zero,
    never: cell.unallocated,
  }
  for (const { level, bytes } of cell.held) {
    shares[heldKind(level, levels)] += bytes
  }
  return shares
}

/** Adds the bytes of a whole disk up by kind. */
export function totalShares({ cells }: AllocationMap, levels: number): Shares {
  const total = { base: 0, band1: 0, band2: 0, band3: 0, free: 0, zero: 0, never: 0 }
  for (const cell of cells) {
    const shares = sharesOf(cell, levels)
    for (const kind of KINDS) total[kind] += shares[kind]
  }
  return total
}

/** What a part is drawn as. */
export interface Look {
  readonly kind: Kind
  /** How much of the part is held by images, in quarters from 1 to 4; 4 where nothing is. */
  readonly weight: number
}

/** Returns what a part is drawn as: the kind that images hold most bytes of, where they hold any. */
export function lookOf(shares: Shares): Look {
  const held = (['base', 'band1', 'band2', 'band3', 'free'] as const).filter(kind => shares[kind] > 0)
  const all = KINDS.reduce((sum, kind) => sum + shares[kind], 0)
  if (held.length === 0) return { kind: shares.zero > shares.never ? 'zero' : 'never', weight: 4 }
  const bytes = held.reduce((sum, kind) => sum + shares[kind], 0)
  const kind = held.reduce((most, one) => (shares[one] > shares[most] ? one : most))
  return { kind, weight: Math.max(1, Math.ceil((4 * bytes) / all)) }
}
