/** Where the parts of an image file lie. */
export interface FileLayout {
  /** File offset of the block table in bytes. */
  readonly tableOffset: number
  /** File offset of the first physical block in bytes. */
  readonly dataOffset: number
}

/** VirtualBox puts table and data at multiples of this since version 4.3. */
const DATA_ALIGNMENT = 1024 * 1024

/** A sector: what a disk writes whole or not at all. */
const TABLE_ALIGNMENT = 512

/**
 * Returns the layout of a new file like the given one with a table of `entries` entries. It is the old
 * one where that fits and lets a later run work in place.
 */
export function freshLayout(old: FileLayout, entries: number): FileLayout {
  const tableOffset = old.tableOffset % 4 === 0 ? old.tableOffset : alignUp(old.tableOffset, TABLE_ALIGNMENT)
  const tableEnd = tableOffset + 4 * entries
  const dataOffset = tableEnd <= old.dataOffset ? old.dataOffset : alignUp(tableEnd, DATA_ALIGNMENT)
  return { tableOffset, dataOffset }
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment
}
