import { GuestProblem } from '../../file_system.ts'
import { damaged, isPowerOfTwo } from '../windows/fields.ts'
import { type Content, readContent } from './content.ts'
import {
  CHKDSK_MAGIC,
  NO_CLIENT,
  RESTART_AREA,
  RESTART_MAGIC,
  RESTART_PAGE,
  RESTART_VOLUME_IS_CLEAN,
} from './layout.ts'
import type { Volume } from './mft.ts'
import { openSystemContent } from './system_content.ts'
import { magicOf, unprotect } from './update_sequence.ts'

/** Bytes that are read at once. */
const PIECE = 2 ** 20

/** No journal is larger that Windows makes unless told to; one of more bytes is not looked through. */
const MAX_EMPTIED = 2 ** 30

const PAGE_SIZE = 4096

interface RestartPage {
  readonly currentLsn: bigint
  readonly isClean: boolean
}

/**
 * Checks that nothing in the journal is waiting to be carried out: it was emptied, or the newer of its restart
 * pages says that the volume was dismounted.
 *
 * @throws A GuestProblem when that is not so, or not known.
 */
export async function checkLogFile(volume: Volume): Promise<void> {
  const log = await openSystemContent(volume, '$LogFile')
  const start = await readContent(volume, log, 0, PAGE_SIZE)
  if (emptyBytes(start) === PAGE_SIZE) return checkEmptied(volume, log)
  const magic = magicOf(start)
  if (magic === CHKDSK_MAGIC) throw unclean('chkdsk wrote to its journal, and Windows has not read it since')
  if (magic !== RESTART_MAGIC) throw damaged(`its journal begins with ${JSON.stringify(magic)}`)
  const pageSize = new DataView(start.buffer, start.byteOffset).getUint32(RESTART_PAGE.system_page_size, true)
  if (!isPowerOfTwo(pageSize) || pageSize < PAGE_SIZE || pageSize > 16 * PAGE_SIZE) {
    throw damaged(`its journal says pages of ${pageSize} bytes`)
  }
  const first = decodePage(await readContent(volume, log, 0, pageSize), 'first restart page')
  const second = decodePage(await readContent(volume, log, pageSize, pageSize), 'second restart page')
  const isClean =
    (first.isClean || first.currentLsn < second.currentLsn) &&
    (second.isClean || second.currentLsn < first.currentLsn)
  if (!isClean) throw unclean('its journal was not closed: the volume was in use')
}

function decodePage(bytes: Uint8Array, what: string): RestartPage {
  const page = unprotect(bytes, RESTART_MAGIC, what)
  const version = `${page.u16(RESTART_PAGE.major_ver)}.${page.u16(RESTART_PAGE.minor_ver)}`
  // From 8 on, Windows changes 1.1 to 2.0 as long as a volume is mounted, and that outlives a fast shutdown.
  if (version === '2.0') throw unclean('its journal is of version 2.0: Windows has it mounted or sleeps')
  if (version !== '1.1') {
    throw new GuestProblem({ code: 'unsupported_feature', found: `its journal is of version ${version}` })
  }
  const at = page.u16(RESTART_PAGE.restart_area_offset)
  const lsn = page.slice(at + RESTART_AREA.current_lsn, 8)
  const client = page.u16(at + RESTART_AREA.client_in_use_list)
  const isMarkedClean = (page.u16(at + RESTART_AREA.flags) & RESTART_VOLUME_IS_CLEAN) !== 0
  return {
    currentLsn: new DataView(lsn.buffer, lsn.byteOffset).getBigUint64(0, true),
    isClean: client === NO_CLIENT || isMarkedClean,
  }
}

/** What one page of FF promises holds only when no page behind it was written. */
async function checkEmptied(volume: Volume, log: Content): Promise<void> {
  if (log.size > MAX_EMPTIED) throw damaged(`its journal is ${log.size} bytes long`)
  for (let at = 0; at < log.size; at += PIECE) {
    const piece = await readContent(volume, log, at, Math.min(PIECE, log.size - at))
    const written = emptyBytes(piece)
    if (written < piece.length) {
      throw unclean(`its journal was emptied, but holds something at byte ${at + written}`)
    }
  }
}

/** How many bytes are FF before the first other one; the loop is ten times as fast as `findIndex`. */
function emptyBytes(piece: Uint8Array): number {
  let at = 0
  while (at < piece.length && piece[at] === 0xff) at++
  return at
}

function unclean(found: string): GuestProblem {
  return new GuestProblem({ code: 'unclean', found })
}
