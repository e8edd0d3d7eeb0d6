// Writes blocks into a dynamic or differencing VDI image, as a guest's writes would have put them there.
import { open } from 'node:fs/promises'

/** Field offsets in the header, in bytes (VDICore.h). */
const AT = { offBlocks: 0x154, offData: 0x158, cbBlock: 0x178, cbBlockExtra: 0x17c, cBlocks: 0x180 }
const AT_ALLOCATED = 0x184

/** The first entry that is no number of a physical block: ZERO, and above it FREE. */
const FIRST_SPECIAL = 0xfffffffe

/**
 * Writes whole blocks of a disk into its topmost image, appending each that the image does not hold yet.
 *
 * @param path The image; no other program may have it open.
 * @param blocks Numbers of virtual blocks, in the order of writing.
 * @param content Returns the bytes of a block, of the length that it is handed.
 */
export async function writeBlocks(path, blocks, content) {
  const file = await open(path, 'r+')
  try {
    const header = Buffer.alloc(512)
    await file.read(header, 0, header.length, 0)
    const field = at => header.readUInt32LE(at)
    const size = field(AT.cbBlock)
    const table = Buffer.alloc(4 * field(AT.cBlocks))
    await file.read(table, 0, table.length, field(AT.offBlocks))
    let allocated = field(AT_ALLOCATED)
    for (const block of blocks) {
      if (table.readUInt32LE(4 * block) >= FIRST_SPECIAL) table.writeUInt32LE(allocated++, 4 * block)
      const slot = table.readUInt32LE(4 * block)
      const extra = field(AT.cbBlockExtra)
      await file.write(content(block, size), 0, size, field(AT.offData) + slot * (size + extra) + extra)
    }
    await file.write(table, 0, table.length, field(AT.offBlocks))
    header.writeUInt32LE(allocated, AT_ALLOCATED)
    await file.write(header, AT_ALLOCATED, 4, AT_ALLOCATED)
  } finally {
    await file.close()
  }
}
