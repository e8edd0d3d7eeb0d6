import type { BlockPlan } from '../../blocks/block_plan.ts'
import { FREE } from '../../blocks/constants.ts'
import { encodeEntries } from '../../image/vdi/block_table.ts'
import { ENTRY_SIZE } from '../../image/vdi/layout.ts'
import type { OpenFile } from '../../io/files.ts'

/** Entries written at once: 1 MiB. */
const PART_ENTRIES = 262144

/** Unchanged entries up to this number are written along with the changed ones on both sides: 4 KiB. */
const GAP_ENTRIES = 1024

/** Returns the block table as it is on disk once the growth and the drops of a plan are flushed. */
export function droppedTable(plan: BlockPlan): Uint32Array {
  const { growth, target, table, drops } = plan
  const dropped = new Uint32Array(table.length).fill(FREE)
  dropped.set(growth === undefined ? target.table : target.table.subarray(0, growth.firstBlock))
  for (const block of drops) dropped[block] = table[block] ?? FREE
  return dropped
}

/** Writes the entries of the blocks from `first` up to `end`. */
export async function writeTable(
  file: OpenFile,
  tableOffset: number,
  table: Uint32Array,
  first: number,
  end: number,
): Promise<void> {
  for (let from = first; from < end; from += PART_ENTRIES) {
    const part = table.subarray(from, Math.min(from + PART_ENTRIES, end))
    await file.write(encodeEntries(part), tableOffset + from * ENTRY_SIZE)
  }
}

/**
 * Writes the entries of some blocks in few writes.
 *
 * @param table Holds for every block what its entry on disk is or may become now, because entries
 *   between two blocks are written again.
 * @param blocks Ascending.
 */
export async function writeEntries(
  file: OpenFile,
  tableOffset: number,
  table: Uint32Array,
  blocks: Uint32Array,
): Promise<void> {
  let first = blocks[0] ?? 0
  let end = first
  for (const block of blocks) {
    if (block > end + GAP_ENTRIES) {
      await writeTable(file, tableOffset, table, first, end)
      first = block
    }
    end = block + 1
  }
  await writeTable(file, tableOffset, table, first, end)
}
