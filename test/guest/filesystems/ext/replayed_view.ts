// What a replay makes of an image, ours in memory and that of e2fsck on a copy, block by block.
import { rm } from 'node:fs/promises'
import { type BlockDevice, readBytes } from '../../../../lib/guest/device.ts'
import { readJournal } from '../../../../lib/guest/filesystems/ext/journal.ts'
import { planReplay, replayedDevice } from '../../../../lib/guest/filesystems/ext/replay.ts'
import { decodeSuperblock, type Superblock } from '../../../../lib/guest/filesystems/ext/superblock.ts'
import { copyImage, fileDevice } from '../../../fixtures/guest/disk_image.ts'
import { runTool, tryTool } from '../../../fixtures/guest/tools.ts'

/** Ours beside the one of e2fsck. */
export interface Comparison {
  /** Blocks that differ, without the superblock and that of the journal, which a replay marks as done. */
  readonly differing: readonly number[]
  /** Blocks that the replay changed. */
  readonly changed: number
  readonly transactions: number
}

/** Bytes that are compared at once. */
const PIECE: number = 2 ** 20

type Teardown = Parameters<typeof fileDevice>[0]

/** Replays an image in both ways and compares every block. */
export async function compareReplays(t: Teardown, image: string): Promise<Comparison> {
  const device = await fileDevice(t, image)
  const superblock = await superblockOf(device)
  const journal = await readJournal(device, superblock)
  const replay = await planReplay(device, superblock, journal, undefined)
  const ours = replayedDevice(device, superblock, replay)
  const copy = await replayedCopy(image)
  try {
    const theirs = await fileDevice(t, copy)
    const markers = [superblock.blockSize === 1024 ? 1 : 0, journal.map.runs[0]?.start]
    const differing: number[] = []
    let changed = 0
    for (let start = 0; start < device.size; start += PIECE) {
      const length = Math.min(PIECE, device.size - start)
      const [before, expected, found] = await Promise.all(
        [device, theirs, ours].map(async one => Buffer.from((await readBytes(one, start, length)).buffer)),
      )
      for (let at = 0; at < length; at += superblock.blockSize) {
        const isSame = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
          one?.compare(other as Buffer, at, at + superblock.blockSize, at, at + superblock.blockSize) === 0
        const block = (start + at) / superblock.blockSize
        if (!isSame(found, expected) && !markers.includes(block)) differing.push(block)
        if (!isSame(before, expected)) changed++
      }
    }
    return { differing, changed, transactions: replay.transactions }
  } finally {
    await rm(copy)
  }
}

/** Copies an image and has e2fsck replay its journal, and do nothing else; returns the path of the copy. */
export async function replayedCopy(image: string): Promise<string> {
  const copy = await copyImage(image, '.replayed')
  const { exitCode, stdout, stderr } = await tryTool('e2fsck', '-y', '-E', 'journal_only', copy)
  // 1: something was changed.
  if (exitCode > 1) throw new Error(`e2fsck ended with ${exitCode}: ${stdout}${stderr}`)
  await runTool('dumpe2fs', '-h', copy)
  return copy
}

/** The superblock of a device. */
export async function superblockOf(device: BlockDevice): Promise<Superblock> {
  const superblock = decodeSuperblock(await readBytes(device, 1024, 1024))
  if (superblock === undefined) throw new Error('there is no superblock')
  return superblock
}
