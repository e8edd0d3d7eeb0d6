import type { KeepReason } from '../../file_system.ts'
import { COMPAT, INCOMPAT, RO_COMPAT } from './layout.ts'
import type { Superblock } from './superblock.ts'

type Names = Readonly<Record<string, number>>

/**
 * Features that change nothing about what a block bitmap means, or whose meaning this project knows. All others
 * are refused, of the word called compat too: so does e2fsck, for a file system may grow one that says "these
 * free blocks are not free".
 */
const KNOWN = {
  compat: without(COMPAT, ['imagic_inodes', 'lazy_bg', 'snapshot_exclude_inode', 'snapshot_exclude_bitmap']),
  incompat: without(INCOMPAT, ['compression', 'journal_dev', 'dirdata']),
  roCompat: without(RO_COMPAT, ['btree_dir', 'has_snapshot', 'replica', 'shared_blocks']),
} as const

/** Returns why a file system is kept for its features, naming them; undefined when all are understood. */
export function unknownFeatures({ compat, incompat, roCompat }: Superblock): KeepReason | undefined {
  const words = [
    ...unknownOf('compat', compat, COMPAT, KNOWN.compat),
    ...unknownOf('incompat', incompat, INCOMPAT, KNOWN.incompat),
    ...unknownOf('ro_compat', roCompat, RO_COMPAT, KNOWN.roCompat),
  ]
  if (words.length === 0) return undefined
  return {
    code: 'unsupported_feature',
    found: `it has features that are not understood: ${words.join(', ')}`,
  }
}

function unknownOf(word: string, value: number, names: Names, known: readonly number[]): string[] {
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit)
  return bits
    .filter(bit => (value & bit) !== 0 && !known.includes(bit))
    .map(bit => {
      const name = Object.keys(names).find(key => names[key] === bit)
      return `${name ?? 'unknown'} (${word} 0x${bit.toString(16)})`
    })
}

function without(names: Names, refused: readonly string[]): readonly number[] {
  return Object.entries(names).flatMap(([name, bit]) => (refused.includes(name) ? [] : [bit]))
}
