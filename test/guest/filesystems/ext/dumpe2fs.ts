// What e2fsprogs says of an image, to compare with.
import type { ByteRange } from '../../../../lib/guest/device.ts'
import { runTool, tryTool } from '../../../fixtures/guest/tools.ts'

const MIB = 2 ** 20

/** Returns what dumpe2fs calls free, in order, runs that touch as one. */
export async function freeByDumpe2fs(image: string): Promise<ByteRange[]> {
  const { stdout } = await runTool('dumpe2fs', image)
  return freeRangesIn(stdout)
}

/** The same of a file system that was in use: its checksums may fit together only after its replay. */
export async function freeBeforeReplay(image: string): Promise<ByteRange[]> {
  const { stdout } = await tryTool('dumpe2fs', image)
  return freeRangesIn(stdout)
}

function freeRangesIn(stdout: string): ByteRange[] {
  const number = (name: string): number | undefined => {
    const text = new RegExp(`^${name}: +(\\d+)$`, 'm').exec(stdout)?.[1]
    return text === undefined ? undefined : Number(text)
  }
  const blockSize = number('Block size') ?? Number.NaN
  // Of clusters it names the first block, of the last one of a run too.
  const blocksInUnit = (number('Cluster size') ?? blockSize) / blockSize
  const runs = [...stdout.matchAll(/^ {2}Free blocks: (.+)$/gm)]
    .flatMap(([, list]) => (list ?? '').split(', '))
    .map(text => text.split('-').map(Number))
    .map(([first = Number.NaN, last = first]) => ({
      start: first * blockSize,
      length: (last - first + blocksInUnit) * blockSize,
    }))
  return joined(runs)
}

/** Joins runs that touch; they must be in order. */
export function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const result: { start: number; length: number }[] = []
  for (const { start, length } of ranges) {
    const last = result.at(-1)
    if (last !== undefined && last.start + last.length === start) last.length += length
    else result.push({ start, length })
  }
  return result
}

/** Returns what is in both; each must be in order, without overlaps. */
export function common(some: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] {
  const result: ByteRange[] = []
  let next = 0
  for (const { start, length } of some) {
    while (next < others.length && endOf(others[next]) <= start) next++
    for (let at = next; at < others.length && (others[at] as ByteRange).start < start + length; at++) {
      const from = Math.max(start, (others[at] as ByteRange).start)
      result.push({ start: from, length: Math.min(start + length, endOf(others[at])) - from })
    }
  }
  return joined(result)
}

/** Bytes of the blocks of 1 MiB that lie wholly in the ranges. */
export function bytesInWholeMib(ranges: readonly ByteRange[]): number {
  return joined(ranges).reduce((sum, { start, length }) => {
    const first = Math.ceil(start / MIB)
    const behind = Math.floor((start + length) / MIB)
    return sum + Math.max(0, behind - first) * MIB
  }, 0)
}

/** Bytes of all ranges. */
export function bytesOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0)
}

function endOf(range: ByteRange | undefined): number {
  return range === undefined ? 0 : range.start + range.length
}
