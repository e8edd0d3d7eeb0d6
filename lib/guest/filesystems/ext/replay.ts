/**
 * What a guest will find after it has replayed its journal, without a byte being written.
 *
 * Why blocks that are free in this view can be dropped although the journal was not replayed yet:
 *
 * - The replay at the guest's next start is a function of what is on the disk: it reads the superblock, the first
 *   group's descriptor, the inode of the journal and the journal, and writes whole blocks to the places that the log
 *   names. What it reads lies in metadata blocks and in the journal, of which none is called free: the walk
 *   through the bitmaps makes sure of that. So dropping free blocks changes nothing of what it will write.
 * - Afterwards the guest knows of no other state than that of this view. What it goes on to do reads metadata and
 *   data of files, which the replayed bitmaps call used; deleted files that were still open are in their lists
 *   as used, and are only ever freed from there.
 * - A block that the replay writes to and that is free afterwards is overwritten in full, then never read.
 * - With data=journal contents of files are in the log as metadata are. Their places are used in the replayed
 *   bitmaps, which were logged with them or before.
 *
 * That holds only if all programs that replay the log replay the same of it. So it is believed only in the one case
 * in which there is nothing to decide: complete transactions, everything in them sound, then a block that is no part
 * of the log, or parts of one more transaction without its end, which nobody replays. Kernels differ in what they do
 * about wrong checksums; here each makes the file system one to keep.
 *
 * Boot loaders replay nothing. GRUB reads a kernel by way of the metadata as they lie on the disk, old as they
 * may be. Therefore a block is free only if the bitmaps on the disk call it free too.
 */
import { crc32c } from '../../checksums/crc32c.ts'
import { type BlockDevice, readBytes } from '../../device.ts'
import { crc32HighFirst } from './checksums.ts'
import { bigEndian, littleEndian } from './fields.ts'
import { isInJournal, type Journal, journalBlocks } from './journal.ts'
import { COMMIT, FAST_COMMIT, JBD2_CRC32_CHKSUM, JOURNAL_COMPAT, JOURNAL_INCOMPAT } from './journal_layout.ts'
import { doubtful, hasBlockChecksums, type LoggedBlock, readLog } from './log_blocks.ts'
import { hasBit, type Superblock } from './superblock.ts'

/** Where blocks of a file system lie that its journal replaces. */
export interface Replay {
  /** By block of the file system; the value is the block of the file system in which the new one lies. */
  readonly blocks: ReadonlyMap<number, Pick<LoggedBlock, 'source' | 'isEscaped'>>
  /** Transactions that are replayed. */
  readonly transactions: number
}

/**
 * Blocks that a log may replace and revoke at most, a limit of this project: some 100 bytes of memory each. A log of
 * 4 GiB in blocks of 4 KiB fits.
 */
const MAX_BLOCKS: number = 2 ** 20

/**
 * Reads the log of a journal and says what a replay would write where.
 *
 * @throws {GuestProblem} With the code `unclean` for all that leaves a doubt.
 * @throws The signal's reason; what reading the device throws.
 */
export async function planReplay(
  device: BlockDevice,
  superblock: Superblock,
  journal: Journal,
  signal: AbortSignal | undefined,
): Promise<Replay> {
  checkAsyncCommit(journal)
  const { revoked, transactions } = await scanLog(device, journal, signal)
  const end = (journal.sequence + transactions) % 2 ** 32
  await checkFastCommits(device, journal, end)
  const blocks = new Map<number, Pick<LoggedBlock, 'source' | 'isEscaped'>>()
  if (transactions === 0) return { blocks, transactions }
  for await (const block of readLog(device, journal, signal)) {
    if (block.sequence === end) break
    if (block.kind !== 'descriptor') continue
    for (const logged of block.logged) {
      checkTarget(superblock, journal, logged.target)
      const revocation = revoked.get(logged.target)
      // A revocation holds for its own transaction and those before.
      if (revocation !== undefined && !isAfter(block.sequence, revocation)) continue
      await checkLogged(device, journal, logged, block.sequence)
      blocks.set(logged.target, { source: logged.source, isEscaped: logged.isEscaped })
      if (blocks.size > MAX_BLOCKS) throw doubtful(`its log replaces more than ${MAX_BLOCKS} blocks`)
    }
  }
  return { blocks, transactions }
}

/** Returns a device that shows what is on another after a replay. */
export function replayedDevice(
  device: BlockDevice,
  { blockSize }: Superblock,
  { blocks }: Replay,
): BlockDevice {
  return {
    size: device.size,
    read: async (buffer, position) => {
      await device.read(buffer, position)
      const first = Math.floor(position / blockSize)
      for (let block = first; block * blockSize < position + buffer.length; block++) {
        const replaced = blocks.get(block)
        if (replaced === undefined) continue
        const bytes = await readBytes(device, replaced.source * blockSize, blockSize)
        if (replaced.isEscaped) bytes.set([0xc0, 0x3b, 0x39, 0x98])
        const start = block * blockSize
        const from = Math.max(position, start)
        buffer.set(bytes.subarray(from - start, position + buffer.length - start), from - position)
      }
    },
  }
}

interface Scan {
  /** By block of the file system: the last transaction that revokes it. */
  readonly revoked: ReadonlyMap<number, number>
  readonly transactions: number
}

/** The first pass: finds the last complete transaction, and what is revoked up to there. */
async function scanLog(
  device: BlockDevice,
  journal: Journal,
  signal: AbortSignal | undefined,
): Promise<Scan> {
  const hasChecksum = hasBit(journal.compat, JOURNAL_COMPAT.checksum)
  const revoked = new Map<number, number>()
  let transactions = 0
  let pending: number[] = []
  let checksum: number | undefined
  for await (const block of readLog(device, journal, signal)) {
    if (block.kind === 'revoke') {
      for (const target of block.targets) pending.push(target)
      if (pending.length > MAX_BLOCKS) throw doubtful(`its log revokes more than ${MAX_BLOCKS} blocks`)
    } else if (block.kind === 'descriptor') {
      if (hasChecksum) checksum = await checksumOf(device, journal, block, checksum)
    } else {
      if (hasChecksum) checkTransaction(block.bytes, checksum)
      for (const target of pending) revoked.set(target, block.sequence)
      if (revoked.size > MAX_BLOCKS) throw doubtful(`its log revokes more than ${MAX_BLOCKS} blocks`)
      pending = []
      checksum = undefined
      transactions++
    }
  }
  return { revoked, transactions }
}

/** Goes on with the checksum of a transaction: over its descriptor blocks, each followed by what it describes. */
async function checksumOf(
  device: BlockDevice,
  { blockSize }: Journal,
  { bytes, logged }: { readonly bytes: Uint8Array; readonly logged: readonly LoggedBlock[] },
  before: number | undefined,
): Promise<number> {
  let checksum = crc32HighFirst(bytes, before)
  for (const { source } of logged) {
    checksum = crc32HighFirst(await readBytes(device, source * blockSize, blockSize), checksum)
  }
  return checksum
}

function checkTransaction(commit: Uint8Array, checksum = 0xffffffff): void {
  const { u8, u32 } = bigEndian(commit)
  const [type, size, stored] = [u8(COMMIT.h_chksum_type), u8(COMMIT.h_chksum_size), u32(COMMIT.h_chksum)]
  const isUnused = type === 0 && size === 0 && stored === 0
  const isRight = type === JBD2_CRC32_CHKSUM.type && size === JBD2_CRC32_CHKSUM.size && stored === checksum
  if (!isUnused && !isRight) throw doubtful('a checksum in its log is wrong')
}

/** With asynchronous commits only checksums tell whether all of a transaction reached the disk. */
function checkAsyncCommit(journal: Journal): void {
  if (!hasBit(journal.incompat, JOURNAL_INCOMPAT.async_commit)) return
  if (hasBlockChecksums(journal) || hasBit(journal.compat, JOURNAL_COMPAT.checksum)) return
  throw doubtful('it commits asynchronously without checksums')
}

/** Fast commits are changes to inodes and names, which Linux replays after the log. They are not understood. */
async function checkFastCommits(device: BlockDevice, journal: Journal, end: number): Promise<void> {
  if (!hasBit(journal.incompat, JOURNAL_INCOMPAT.fast_commit)) return
  const { last, maxLength, blockSize } = journal
  const blockAt = journalBlocks(journal)
  // Linux leaves the first of their blocks out; nothing says that it always will.
  for (let position = last; position < Math.min(last + 2, maxLength); position++) {
    const bytes = await readBytes(device, blockAt(position) * blockSize, 12)
    const { u16, u32 } = littleEndian(bytes)
    const isEmpty = bytes.every(byte => byte === 0)
    const isOld = u16(0) === FAST_COMMIT.TAG_HEAD && isAfter(end, u32(FAST_COMMIT.fc_tid))
    if (!isEmpty && !isOld) throw doubtful('it holds fast commits')
  }
}

function checkTarget({ blocksCount, firstDataBlock }: Superblock, journal: Journal, target: number): void {
  if (target < firstDataBlock || target >= blocksCount) throw doubtful(`its log writes to block ${target}`)
  if (isInJournal(journal, target)) throw doubtful(`its log writes to block ${target} of itself`)
}

async function checkLogged(
  device: BlockDevice,
  { checksumSeed, blockSize, incompat }: Journal,
  { source, checksum }: LoggedBlock,
  sequence: number,
): Promise<void> {
  if (checksum === undefined) return
  const numbered = new Uint8Array(4)
  new DataView(numbered.buffer).setUint32(0, sequence)
  const bytes = await readBytes(device, source * blockSize, blockSize)
  const whole = crc32c(bytes, crc32c(numbered, checksumSeed))
  const expected = hasBit(incompat, JOURNAL_INCOMPAT.csum_v3) ? whole : whole % 2 ** 16
  if (checksum !== expected) throw doubtful('a checksum in its log is wrong')
}

/** Whether a transaction comes after another; numbers go round after 2^32. */
function isAfter(sequence: number, other: number): boolean {
  const distance = (sequence - other + 2 ** 32) % 2 ** 32
  return distance > 0 && distance < 2 ** 31
}
