import type { Buffer } from 'node:buffer'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { viewOf } from '../../numbers.ts'
import {
  BASIC_BLOCK,
  HEADER_CYCLE_SIZE,
  LOG_CLIENT,
  OPERATION,
  RECORD,
  RECORD_MAGIC,
  UNMOUNT_TRANS,
} from './layout.ts'
import { type Superblock, uuidAt } from './superblock.ts'

/** Bytes that are read at once. */
const PIECE = 2 ** 20

/** The head of a record of the log. */
interface LogRecord {
  /** Its basic block in the log. */
  readonly block: number
  readonly cycle: number
  readonly operations: number
  /** Basic blocks of the head. */
  readonly headBlocks: number
  /** The basic block behind the record. */
  readonly end: number
}

/**
 * Checks that the file system was unmounted: there is no such bit, but the newest record of the log says so and
 * nothing was written behind it.
 *
 * @throws {GuestProblem} When the log has to be replayed, or is damaged.
 */
export async function checkLogIsClean(device: BlockDevice, superblock: Superblock): Promise<void> {
  const { start, length } = superblock.log
  let newest: LogRecord | undefined
  /** The last basic block of the highest cycle, which is where the log is written next. */
  let highest = { cycle: 0, block: -1 }
  for (let at = 0; at < length; at += PIECE) {
    const piece = viewOf(await readBytes(device, start + at, Math.min(PIECE, length - at)))
    for (let offset = 0; offset < piece.byteLength; offset += BASIC_BLOCK) {
      const block = (at + offset) / BASIC_BLOCK
      const word = piece.getUint32(offset)
      const isHead = word === RECORD_MAGIC
      const cycle = isHead ? piece.getUint32(offset + RECORD.h_cycle) : word
      if (cycle >= highest.cycle) highest = { cycle, block }
      if (!isHead) continue
      const record = readRecord(
        new DataView(piece.buffer, piece.byteOffset + offset, BASIC_BLOCK),
        block,
        superblock.uuid,
      )
      if (newest === undefined || record.cycle >= newest.cycle) newest = record
    }
  }
  if (newest === undefined) throw new GuestProblem({ code: 'damaged', found: 'its log has no record' })
  const isNewest = highest.cycle === newest.cycle && highest.block === newest.end - 1
  if (isNewest && (await isUnmount(device, superblock, newest))) return
  throw new GuestProblem({
    code: 'unclean',
    found: 'its log has to be replayed (the last record is no unmount)',
  })
}

function readRecord(head: DataView, block: number, uuid: Buffer): LogRecord {
  const cycle = head.getUint32(RECORD.h_cycle)
  const isItself =
    head.getUint32(RECORD.h_lsn) === cycle &&
    head.getUint32(RECORD.h_lsn + 4) === block &&
    uuidAt(head, RECORD.h_fs_uuid).equals(uuid)
  const version = head.getUint32(RECORD.h_version)
  if (!isItself || (version !== 1 && version !== 2)) {
    throw new GuestProblem({ code: 'damaged', found: `its log has a strange record at basic block ${block}` })
  }
  const size = version === 2 ? head.getUint32(RECORD.h_size) : 0
  const headBlocks = Math.max(1, Math.ceil(size / HEADER_CYCLE_SIZE))
  return {
    block,
    cycle,
    operations: head.getUint32(RECORD.h_num_logops),
    headBlocks,
    end: block + headBlocks + Math.ceil(head.getUint32(RECORD.h_len) / BASIC_BLOCK),
  }
}

/** Tells whether a record has one operation, unmount, and was written whole. */
async function isUnmount(device: BlockDevice, { log }: Superblock, record: LogRecord): Promise<boolean> {
  const at = (record.block + record.headBlocks) * BASIC_BLOCK
  if (record.operations !== 1 || at + BASIC_BLOCK > log.length) return false
  const operation = viewOf(await readBytes(device, log.start + at, BASIC_BLOCK))
  const flags = operation.getUint8(OPERATION.oh_flags)
  return (
    operation.getUint32(0) === record.cycle &&
    operation.getUint8(OPERATION.oh_clientid) === LOG_CLIENT &&
    Math.floor(flags / UNMOUNT_TRANS) % 2 === 1
  )
}
