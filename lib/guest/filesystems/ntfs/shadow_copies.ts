import { readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf } from '../windows/fields.ts'
import { namesIn } from './directory.ts'
import {
  VSS,
  VSS_BLOCK_HEADER_SIZE,
  VSS_BLOCK_SIZE,
  VSS_CATALOG_TYPE,
  VSS_EMPTY_ENTRIES,
  VSS_ENTRY_SIZE,
  VSS_HEADER_AT,
  VSS_HEADER_SIZE,
  VSS_IDENTIFIER,
  VSS_IDENTIFIER_TEXT,
} from './layout.ts'
import { readFile, type Volume } from './mft.ts'
import type { FileReference } from './mft_record.ts'

/** Upper-case name of the directory that holds shadow copies. */
export const SHADOW_DIRECTORY = 'SYSTEM VOLUME INFORMATION'

/** Windows keeps up to 512 shadow copies, of some 130 to a block. */
const MAX_BLOCKS = 1024

/**
 * Checks that the catalog of shadow copies names none. They read free clusters of their volume: a cluster is
 * copied for them only when something else is written to it.
 *
 * @throws A GuestProblem when there are shadow copies, or when that cannot be told.
 */
export async function checkShadowCatalog({ device, geometry }: Volume): Promise<void> {
  if (device.size < VSS_HEADER_AT + VSS_HEADER_SIZE) return
  const bytes = await readBytes(device, VSS_HEADER_AT, VSS_HEADER_SIZE)
  const header = fieldsOf(bytes, 'header of shadow copies')
  if (!isOfShadowCopies(header)) return
  let position = header.u64(VSS.catalog_offset)
  for (let count = 0; position !== 0; count++) {
    const isInside = position + VSS_BLOCK_SIZE <= geometry.size
    if (!isInside || count >= MAX_BLOCKS)
      throw damaged(`its catalog of shadow copies goes on at byte ${position}`)
    const block = fieldsOf(await readBytes(device, position, VSS_BLOCK_SIZE), 'catalog of shadow copies')
    if (!isOfShadowCopies(block) || block.u32(VSS.record_type) !== VSS_CATALOG_TYPE) {
      throw damaged(`its catalog of shadow copies is not at byte ${position}, where it should be`)
    }
    checkEntries(block)
    position = block.u64(VSS.next_block)
  }
}

/**
 * Checks that the directory of shadow copies holds none, for catalogs that were lost.
 *
 * @throws A GuestProblem when it holds one.
 */
export async function checkShadowFiles(volume: Volume, reference: FileReference): Promise<void> {
  const directory = await readFile(volume, reference, 'System Volume Information')
  for await (const { name } of namesIn(volume, directory, 'System Volume Information')) {
    // The catalog itself is named by the identifier alone, and stays when the last copy has gone.
    const isCopy =
      name.length > VSS_IDENTIFIER_TEXT.length && name.toLowerCase().endsWith(VSS_IDENTIFIER_TEXT)
    if (isCopy) throw snapshotOrigin(`it has shadow copies (System Volume Information/${name})`)
  }
}

function isOfShadowCopies(fields: Fields): boolean {
  return VSS_IDENTIFIER.every((byte, at) => fields.u8(VSS.identifier + at) === byte)
}

function checkEntries(block: Fields): void {
  for (let at = VSS_BLOCK_HEADER_SIZE; at < VSS_BLOCK_SIZE; at += VSS_ENTRY_SIZE) {
    const type = block.u64(at)
    if (!VSS_EMPTY_ENTRIES.includes(type)) {
      throw snapshotOrigin('it has shadow copies (restore points), which read its free clusters')
    }
  }
}

function snapshotOrigin(found: string): GuestProblem {
  return new GuestProblem({ code: 'snapshot_origin', found })
}
