import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { unclean } from './check_superblock.ts'
import { withoutField } from './checksums.ts'
import { bigEndian } from './fields.ts'
import { type Journal, journalBlocks } from './journal.ts'
import {
  BLOCK_TAIL_SIZE,
  BLOCKTYPE,
  COMMIT,
  HEADER,
  HEADER_SIZE,
  JBD2_MAGIC_NUMBER,
  JOURNAL_INCOMPAT,
  REVOKE,
  REVOKE_HEADER_SIZE,
  TAG,
  TAG_FLAG,
  TAG_SIZE,
  TAG_UUID_SIZE,
  TAG3,
  TAG3_SIZE,
} from './journal_layout.ts'
import { hasBit } from './superblock.ts'

/** A block of metadata, or of a file with data=journal, that the log holds. */
export interface LoggedBlock {
  /** The block of the file system that it replaces. */
  readonly target: number
  /** The block of the file system in which it lies: in the journal. */
  readonly source: number
  /** Whether its first four bytes were taken out because they looked like the log's own. */
  readonly isEscaped: boolean
  /** Undefined where the journal has none for each block. 32 bits of it with csum_v3, else 16. */
  readonly checksum: number | undefined
}

/** A block of the log's own. */
export type LogBlock =
  | { readonly kind: 'descriptor'; readonly bytes: Uint8Array; readonly logged: readonly LoggedBlock[] }
  | { readonly kind: 'revoke'; readonly targets: readonly number[] }
  | { readonly kind: 'commit'; readonly bytes: Uint8Array }

/** A block of the log with the number of its transaction. */
export type NumberedLogBlock = LogBlock & { readonly sequence: number }

/**
 * Reads the log from its beginning to where it ends: at the first block that is none of its own, or is of another
 * transaction than the one that is due, which is what the next round of the log left there.
 *
 * @throws {GuestProblem} For everything else that is not as it should be, for it cannot be told from a log that
 *   was damaged, and kernels differ in what they make of it.
 * @throws The signal's reason; what reading the device throws.
 */
export async function* readLog(
  device: BlockDevice,
  journal: Journal,
  signal: AbortSignal | undefined,
): AsyncGenerator<NumberedLogBlock, void, undefined> {
  const { blockSize, start } = journal
  if (start === 0) return
  const blockAt = journalBlocks(journal)
  const next = logPositions(journal)
  let { sequence } = journal
  for (;;) {
    signal?.throwIfAborted()
    const bytes = await readBytes(device, blockAt(next.peek()) * blockSize, blockSize)
    const { u32 } = bigEndian(bytes)
    if (u32(HEADER.h_magic) !== JBD2_MAGIC_NUMBER || u32(HEADER.h_sequence) !== sequence) return
    next.take()
    const type = u32(HEADER.h_blocktype)
    if (type === BLOCKTYPE.descriptor) {
      checkTail(journal, bytes)
      const logged = loggedBlocks(journal, bytes, () => blockAt(next.take()))
      yield { kind: 'descriptor', bytes, logged, sequence }
    } else if (type === BLOCKTYPE.revoke) {
      checkTail(journal, bytes)
      yield { kind: 'revoke', targets: revokedBlocks(journal, bytes), sequence }
    } else if (type === BLOCKTYPE.commit) {
      checkCommit(journal, bytes)
      yield { kind: 'commit', bytes, sequence }
      sequence = (sequence + 1) % 2 ** 32
    } else {
      throw doubtful(`has a block of type ${type} in its log`)
    }
  }
}

/** Whether the journal has a checksum for each of its blocks. */
export function hasBlockChecksums({ incompat }: Journal): boolean {
  return hasBit(incompat, JOURNAL_INCOMPAT.csum_v2) || hasBit(incompat, JOURNAL_INCOMPAT.csum_v3)
}

/** A problem of a journal that cannot be replayed with certainty. */
export function doubtful(found: string): GuestProblem {
  return new GuestProblem(unclean(`its journal has to be replayed (needs_recovery), but ${found}`))
}

/** Positions in the log, one after the other, round and round, but not twice. */
function logPositions({ first, last, start, incompat }: Journal): { peek(): number; take(): number } {
  let position = start
  let left = last - first
  const peek = (): number => {
    if (left === 0) throw doubtful('its log has no end')
    return position
  }
  return {
    peek,
    take: () => {
      const taken = peek()
      left--
      position++
      if (position < last) return taken
      // Linux before 6.5 went on in the blocks of the fast commits.
      if (hasBit(incompat, JOURNAL_INCOMPAT.fast_commit))
        throw doubtful('its log with fast commits has wrapped')
      position = first
      return taken
    },
  }
}

function loggedBlocks(journal: Journal, bytes: Uint8Array, nextBlock: () => number): LoggedBlock[] {
  const { incompat } = journal
  const { u16, u32 } = bigEndian(bytes)
  const isVersion3 = hasBit(incompat, JOURNAL_INCOMPAT.csum_v3)
  const isVersion2 = hasBit(incompat, JOURNAL_INCOMPAT.csum_v2)
  const is64Bit = hasBit(incompat, JOURNAL_INCOMPAT['64bit'])
  const tagSize = isVersion3 ? TAG3_SIZE : TAG_SIZE + (isVersion2 ? 2 : 0) + (is64Bit ? 4 : 0)
  const high = isVersion3 ? TAG3.t_blocknr_high : TAG.t_blocknr_high
  const end = bytes.length - (hasBlockChecksums(journal) ? BLOCK_TAIL_SIZE : 0)
  const logged: LoggedBlock[] = []
  for (let at = HEADER_SIZE; at + tagSize <= end; at += tagSize) {
    const flags = u16(at + TAG.t_flags)
    if (hasBit(flags, ~(TAG_FLAG.ESCAPE | TAG_FLAG.SAME_UUID | TAG_FLAG.LAST_TAG))) {
      throw doubtful(`a block in it has the unknown flags 0x${flags.toString(16)}`)
    }
    logged.push({
      target: (is64Bit ? u32(at + high) * 2 ** 32 : 0) + u32(at + TAG.t_blocknr),
      source: nextBlock(),
      isEscaped: hasBit(flags, TAG_FLAG.ESCAPE),
      checksum: isVersion3 ? u32(at + TAG3.t_checksum) : isVersion2 ? u16(at + TAG.t_checksum) : undefined,
    })
    if (hasBit(flags, TAG_FLAG.LAST_TAG)) return logged
    if (!hasBit(flags, TAG_FLAG.SAME_UUID)) at += TAG_UUID_SIZE
  }
  throw doubtful('a list of blocks in it has no end')
}

function revokedBlocks(journal: Journal, bytes: Uint8Array): number[] {
  const { u32, joined } = bigEndian(bytes)
  const recordSize = hasBit(journal.incompat, JOURNAL_INCOMPAT['64bit']) ? 8 : 4
  const end = u32(REVOKE.r_count)
  const room = bytes.length - (hasBlockChecksums(journal) ? BLOCK_TAIL_SIZE : 0)
  if (end < REVOKE_HEADER_SIZE || end > room || (end - REVOKE_HEADER_SIZE) % recordSize !== 0) {
    throw doubtful(`a revocation block in it has ${end} bytes`)
  }
  const count = (end - REVOKE_HEADER_SIZE) / recordSize
  return Array.from({ length: count }, (_, index) => {
    const at = REVOKE_HEADER_SIZE + index * recordSize
    return recordSize === 8 ? joined(at + 4, at) : u32(at)
  })
}

/** The checksum at the end of descriptor and revocation blocks. */
function checkTail(journal: Journal, bytes: Uint8Array): void {
  if (hasBlockChecksums(journal)) checkChecksum(journal, bytes, bytes.length - BLOCK_TAIL_SIZE)
}

function checkCommit(journal: Journal, bytes: Uint8Array): void {
  if (hasBlockChecksums(journal)) checkChecksum(journal, bytes, COMMIT.h_chksum)
}

function checkChecksum({ checksumSeed }: Journal, bytes: Uint8Array, at: number): void {
  if (bigEndian(bytes).u32(at) === crc32c(withoutField(bytes, at, 4), checksumSeed)) return
  throw doubtful('a checksum in its log is wrong')
}
