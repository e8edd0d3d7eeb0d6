import { FREE } from './constants.ts'
import { DATA, type FinalEntries } from './final_entries.ts'

/**
 * Gives every block with data a slot, so that all slots below the number of such blocks are taken.
 *
 * A block that has such a slot already (in `before`) stays there. There are as many other blocks as
 * free slots, so each of them, in the order of the disk, gets the next free one. The entries of `final` are
 * changed and returned.
 */
export function assignSlots(final: FinalEntries, before?: Uint32Array): Uint32Array {
  const table = final.entries
  const isTaken = new Uint8Array(final.dataBlocks)
  if (before !== undefined) keepSlots(table, before, isTaken)
  let slot = 0
  for (let block = 0; block < table.length; block++) {
    if (table[block] !== DATA) continue
    while (isTaken[slot] === 1) slot++
    table[block] = slot++
  }
  return table
}

function keepSlots(table: Uint32Array, before: Uint32Array, isTaken: Uint8Array): void {
  for (let block = 0; block < table.length; block++) {
    const slot = before[block] ?? FREE
    if (table[block] !== DATA || slot >= isTaken.length) continue
    isTaken[slot] = 1
    table[block] = slot
  }
}

/** Returns the blocks in slots below `slots` that are wanted, by ascending slot. */
export function blocksBySlot(
  table: Uint32Array,
  slots: number,
  wanted: (block: number) => boolean,
): Uint32Array {
  const blocks = new Uint32Array(slots)
  for (let block = 0; block < table.length; block++) {
    const slot = table[block] ?? FREE
    if (slot < slots) blocks[slot] = block
  }
  let count = 0
  for (const block of blocks) if (wanted(block)) blocks[count++] = block
  return blocks.slice(0, count)
}
