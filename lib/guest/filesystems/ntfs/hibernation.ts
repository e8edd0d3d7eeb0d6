import { GuestProblem } from '../../file_system.ts'
import { readContent } from './content.ts'
import { HIBERNATION_HEADER_SIZE, TYPE } from './layout.ts'
import { openContent, readFile, type Volume } from './mft.ts'
import type { FileReference } from './mft_record.ts'
import { magicOf } from './update_sequence.ts'

/** Upper-case name of the file in the root directory that Windows sleeps in. */
export const HIBERNATION_FILE = 'HIBERFIL.SYS'

/**
 * Checks that no Windows sleeps in the file. A fast shutdown is sleep as well. The first 4096 bytes are zeros
 * when none does; a volume that is not Windows' own gets a shorter file while it sleeps.
 *
 * @throws A GuestProblem for the whole disk when one sleeps: it remembers what is free in all its volumes.
 */
export async function checkHibernation(volume: Volume, reference: FileReference): Promise<void> {
  const file = await readFile(volume, reference, 'hiberfil.sys')
  const data = await openContent(volume, file, { type: TYPE.data, name: '' }, 'hiberfil.sys')
  if (data === undefined || data.size < HIBERNATION_HEADER_SIZE) {
    throw hibernated(`its hiberfil.sys is ${data?.size ?? 0} bytes long: Windows sleeps with it mounted`)
  }
  // Compressed or encrypted, it says nothing about the bytes in its clusters.
  if (data.flags % 0x8000 !== 0) throw hibernated('its hiberfil.sys is compressed or encrypted')
  const header = await readContent(volume, data, 0, HIBERNATION_HEADER_SIZE)
  if (header.every(byte => byte === 0)) return
  const magic = JSON.stringify(magicOf(header))
  throw hibernated(`its hiberfil.sys begins with ${magic}: Windows sleeps, as it does after a fast shutdown`)
}

function hibernated(found: string): GuestProblem {
  return new GuestProblem({ code: 'hibernated', found, wholeDisk: true })
}
