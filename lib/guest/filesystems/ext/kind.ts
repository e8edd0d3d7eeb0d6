import { COMPAT, INCOMPAT, RO_COMPAT } from './layout.ts'
import { hasBit, hasIncompat, type Superblock } from './superblock.ts'

/** Features that the ext3 driver of Linux knew; one more makes an ext4, with a journal or without. */
const EXT3_INCOMPAT: number = INCOMPAT.filetype | INCOMPAT.needs_recovery | INCOMPAT.meta_bg
const EXT3_RO_COMPAT: number = RO_COMPAT.sparse_super | RO_COMPAT.large_file | RO_COMPAT.btree_dir

/** Returns what blkid calls a file system: ext2, ext3, ext4, or jbd for a journal on a device of its own. */
export function kindOf(superblock: Superblock): 'ext2' | 'ext3' | 'ext4' | 'jbd' {
  if (hasIncompat(superblock, 'journal_dev')) return 'jbd'
  const { compat, incompat, roCompat } = superblock
  if (hasBit(incompat, ~EXT3_INCOMPAT) || hasBit(roCompat, ~EXT3_RO_COMPAT)) return 'ext4'
  return hasBit(compat, COMPAT.has_journal) ? 'ext3' : 'ext2'
}
