import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem, type KeepReason } from '../../file_system.ts'
import { type BlockMap, readBlockMap } from './block_map.ts'
import { damaged } from './check_superblock.ts'
import { withoutField } from './checksums.ts'
import { bigEndian } from './fields.ts'
import type { BlockRange } from './groups.ts'
import { readInode } from './inode.ts'
import {
  BLOCKTYPE,
  DEFAULT_FAST_COMMIT_BLOCKS,
  HEADER,
  JBD2_CRC32C_CHKSUM,
  JBD2_MAGIC_NUMBER,
  JOURNAL_COMPAT,
  JOURNAL_INCOMPAT,
  JOURNAL_SUPER,
  JOURNAL_SUPERBLOCK_SIZE,
  MIN_LOG_BLOCKS,
} from './journal_layout.ts'
import { JOURNAL_INO } from './layout.ts'
import { hasBit, hasIncompat, type Superblock } from './superblock.ts'

/** The journal of a file system, as its superblock describes it. */
export interface Journal {
  /** Bytes. */
  readonly blockSize: number
  /** The first block of the log. */
  readonly first: number
  /** The block behind the last of the log, which goes on at `first`. */
  readonly last: number
  /** Blocks of the journal; those from `last` on are for fast commits. */
  readonly maxLength: number
  /** The block at which the log begins; 0 when there is nothing to replay. */
  readonly start: number
  /** Number of the transaction that the log begins with. */
  readonly sequence: number
  readonly compat: number
  readonly incompat: number
  /** What its checksums begin with. */
  readonly checksumSeed: number
  /** Where it lies, and runs of blocks of the file system that it takes up, in order, its map included. */
  readonly map: BlockMap
  readonly usedRuns: readonly BlockRange[]
}

/**
 * Finds the journal inside a file system and reads its superblock.
 *
 * @throws {GuestProblem} For what is damaged, contradicts itself or is not understood.
 * @throws What reading the device throws.
 */
export async function readJournal(device: BlockDevice, superblock: Superblock): Promise<Journal> {
  const inode = await readInode(device, superblock, JOURNAL_INO)
  const count = Math.floor(inode.size / superblock.blockSize)
  if (!inode.isRegularFile || inode.links === 0 || count === 0 || count > superblock.blocksCount) {
    throw new GuestProblem(damaged('its journal is no file'))
  }
  const map = await readBlockMap(device, superblock, inode, count)
  const [first] = map.runs as [BlockRange]
  const bytes = await readBytes(device, first.start * superblock.blockSize, JOURNAL_SUPERBLOCK_SIZE)
  const { blockSize, maxLength, ...journal } = decodeJournalSuperblock(bytes)
  const needsRecovery = hasIncompat(superblock, 'needs_recovery')
  const reason = problemOf(bytes, needsRecovery)
  if (reason !== undefined) throw new GuestProblem(reason)
  const last = maxLength - fastCommitBlocks(bytes, maxLength)
  const isSound =
    blockSize === superblock.blockSize &&
    maxLength <= count &&
    journal.first >= 1 &&
    journal.first < last &&
    (journal.start === 0 || (journal.start >= journal.first && journal.start < last))
  if (!isSound) throw new GuestProblem(damaged('the superblock of its journal contradicts itself'))
  return { ...journal, blockSize, maxLength, last, map, usedRuns: usedRunsOf(map) }
}

/** Returns a function that tells in which block of the file system a block of the journal lies. */
export function journalBlocks({ map }: Journal): (position: number) => number {
  let behind = 0
  const ends = map.runs.map(({ length }) => {
    behind += length
    return behind
  })
  return position => {
    const index = firstWhere(ends.length, at => (ends[at] as number) > position)
    const run = map.runs[index]
    if (run === undefined) throw new RangeError(`Cannot find block ${position} of a journal: it is shorter`)
    return run.start + run.length - ((ends[index] as number) - position)
  }
}

/** Whether a block of the file system belongs to the journal. */
export function isInJournal({ usedRuns }: Journal, block: number): boolean {
  const index = firstWhere(usedRuns.length, at => endOf(usedRuns[at]) > block)
  const run = usedRuns[index]
  return run !== undefined && run.start <= block
}

/** The least number below `count` for which something is so that is so for all that follow; else `count`. */
function firstWhere(count: number, isSo: (index: number) => boolean): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isSo(middle)) high = middle
    else low = middle + 1
  }
  return low
}

function endOf(run: BlockRange | undefined): number {
  return run === undefined ? 0 : run.start + run.length
}

interface JournalSuperblock {
  readonly blockSize: number
  readonly maxLength: number
  readonly first: number
  readonly start: number
  readonly sequence: number
  readonly compat: number
  readonly incompat: number
  readonly checksumSeed: number
}

function decodeJournalSuperblock(bytes: Uint8Array): JournalSuperblock {
  const { u32 } = bigEndian(bytes)
  const isVersion2 = u32(HEADER.h_blocktype) === BLOCKTYPE.superblockV2
  return {
    blockSize: u32(JOURNAL_SUPER.s_blocksize),
    maxLength: u32(JOURNAL_SUPER.s_maxlen),
    first: u32(JOURNAL_SUPER.s_first),
    start: u32(JOURNAL_SUPER.s_start),
    sequence: u32(JOURNAL_SUPER.s_sequence),
    compat: isVersion2 ? u32(JOURNAL_SUPER.s_feature_compat) : 0,
    incompat: isVersion2 ? u32(JOURNAL_SUPER.s_feature_incompat) : 0,
    checksumSeed: crc32c(bytes.subarray(JOURNAL_SUPER.s_uuid, JOURNAL_SUPER.s_uuid + 16)),
  }
}

/** What stands against a journal's superblock by itself. */
function problemOf(bytes: Uint8Array, needsRecovery: boolean): KeepReason | undefined {
  const { u8, u32 } = bigEndian(bytes)
  // Where it has to be replayed that is what stands in the way; a guest with a newer Linux will do it.
  const notUnderstood = (found: string): KeepReason => ({
    code: needsRecovery ? 'unclean' : 'unsupported_feature',
    found,
  })
  const type = u32(HEADER.h_blocktype)
  const isKnownType = type === BLOCKTYPE.superblockV1 || type === BLOCKTYPE.superblockV2
  if (u32(HEADER.h_magic) !== JBD2_MAGIC_NUMBER || !isKnownType) {
    return damaged('its journal has no superblock')
  }
  if (u32(JOURNAL_SUPER.s_errno) !== 0) {
    return damaged(
      `its guest noted the error ${u32(JOURNAL_SUPER.s_errno)} in its journal; e2fsck repairs it`,
    )
  }
  if (type === BLOCKTYPE.superblockV1) return undefined
  const { compat, incompat } = decodeJournalSuperblock(bytes)
  const unknown = [
    ...unknownBits('compat', compat, JOURNAL_COMPAT),
    ...unknownBits('incompat', incompat, JOURNAL_INCOMPAT),
    ...unknownBits('ro_compat', u32(JOURNAL_SUPER.s_feature_ro_compat), {}),
  ]
  if (unknown.length > 0) {
    return notUnderstood(`its journal has features that are not understood: ${unknown.join(', ')}`)
  }
  const versions = [JOURNAL_INCOMPAT.csum_v2, JOURNAL_INCOMPAT.csum_v3].filter(bit => hasBit(incompat, bit))
  if (versions.length === 0) return undefined
  if (versions.length > 1 || hasBit(compat, JOURNAL_COMPAT.checksum)) {
    return damaged('its journal has checksums of two kinds at once')
  }
  if (u8(JOURNAL_SUPER.s_checksum_type) !== JBD2_CRC32C_CHKSUM) {
    return notUnderstood(
      `the checksums of its journal are of type ${u8(JOURNAL_SUPER.s_checksum_type)}; 4 (crc32c) is understood`,
    )
  }
  if (crc32c(withoutField(bytes, JOURNAL_SUPER.s_checksum, 4)) === u32(JOURNAL_SUPER.s_checksum))
    return undefined
  return damaged('the checksum of the superblock of its journal is wrong')
}

function unknownBits(word: string, value: number, known: Readonly<Record<string, number>>): string[] {
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit)
  return bits
    .filter(bit => hasBit(value, bit) && !Object.values(known).includes(bit))
    .map(bit => `${word} 0x${bit.toString(16)}`)
}

function fastCommitBlocks(bytes: Uint8Array, maxLength: number): number {
  if (!hasBit(decodeJournalSuperblock(bytes).incompat, JOURNAL_INCOMPAT.fast_commit)) return 0
  const blocks = bigEndian(bytes).u32(JOURNAL_SUPER.s_num_fc_blocks) || DEFAULT_FAST_COMMIT_BLOCKS
  return maxLength - blocks < MIN_LOG_BLOCKS ? 0 : blocks
}

function usedRunsOf({ runs, nodes }: BlockMap): BlockRange[] {
  const all = [...runs, ...nodes.map(start => ({ start, length: 1 }))].sort((a, b) => a.start - b.start)
  const isOverlapping = all.some(({ start }, at) => {
    const before = all[at - 1]
    return before !== undefined && before.start + before.length > start
  })
  if (isOverlapping) throw new GuestProblem(damaged('two parts of its journal lie in the same block'))
  return all
}
