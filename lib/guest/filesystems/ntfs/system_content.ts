import { damaged, hex } from '../windows/fields.ts'
import type { Content } from './content.ts'
import { FILE, TYPE } from './layout.ts'
import { openContent, readSystemFile, type Volume } from './mft.ts'

/**
 * Opens the unnamed data of one of the volume's own files.
 *
 * @throws A GuestProblem when it is not stored byte for byte, as all drivers store it.
 */
export async function openSystemContent(volume: Volume, what: '$LogFile' | '$Bitmap'): Promise<Content> {
  const number = what === '$LogFile' ? FILE.logfile : FILE.bitmap
  const file = await readSystemFile(volume, number, what)
  const content = await openContent(volume, file, { type: TYPE.data, name: '' }, what)
  if (content === undefined) throw damaged(`its ${what} has no data`)
  checkPlain(content)
  return content
}

/** Throws a GuestProblem for content that is compressed, encrypted, has holes or is inside its MFT record. */
export function checkPlain({ what, flags, value, runs }: Content): void {
  if (flags !== 0) throw damaged(`its ${what} has the attribute flags ${hex(flags)}`)
  if (value !== undefined) throw damaged(`its ${what} is inside its MFT record`)
  if (runs.some(({ lcn }) => lcn === undefined)) throw damaged(`its ${what} has a hole`)
}
