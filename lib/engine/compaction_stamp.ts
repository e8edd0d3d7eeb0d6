import { wholeMilliseconds } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'

/** What a finished compaction leaves in the machine's extra data, so that the next check reads no disk. */
export interface CompactionStamp {
  /** Whether free space of guest file systems was looked for too. */
  readonly freeSpace: 'keep' | 'discard'
  readonly modification: Uuid
  readonly allocatedBlocks: number
  /** Length of the file in bytes. */
  readonly fileSize: number
  /** Time of the last change of content, whole milliseconds since 1970: all that every runtime tells. */
  readonly mtimeMs: number
  /** Bytes that compaction could still give back; more than 0 where it was not worth while. */
  readonly reclaimableBytes: number
}

const FIELDS = /^1;(keep|discard);([0-9a-f-]{36});(\d{1,10});(\d{1,16});(\d{1,20});(\d{1,16})$/

/** Name of the extra data item for an image. */
export function stampName(image: Uuid): string {
  return `vboxmerge/compacted/${image}`
}

/** Encodes a stamp as the value of its extra data item. */
export function encodeStamp(stamp: CompactionStamp): string {
  const { freeSpace, modification, allocatedBlocks, fileSize, mtimeMs, reclaimableBytes } = stamp
  return ['1', freeSpace, modification, allocatedBlocks, fileSize, mtimeMs, reclaimableBytes].join(';')
}

/** Decodes a stamp; undefined for anything that is none. */
export function decodeStamp(value: string): CompactionStamp | undefined {
  const match = FIELDS.exec(value)
  if (match === null) return undefined
  const [, freeSpace, modification, allocatedBlocks, fileSize, mtimeMs, reclaimableBytes] = match
  return {
    freeSpace: freeSpace === 'discard' ? 'discard' : 'keep',
    modification: modification ?? '',
    allocatedBlocks: Number(allocatedBlocks),
    fileSize: Number(fileSize),
    mtimeMs: Number(mtimeMs),
    reclaimableBytes: Number(reclaimableBytes),
  }
}

/** The stamp of an image, when the image is as it was when it was stamped. */
export function validStamp(machine: Inspection, id: Uuid): CompactionStamp | undefined {
  const image = machine.images.get(id)
  const value = machine.settings.extraData.get(stampName(id))
  if (image?.header === undefined || value === undefined) return undefined
  const stamp = decodeStamp(value)
  if (stamp === undefined) return undefined
  const same =
    stamp.modification === image.header.modification &&
    stamp.allocatedBlocks === image.header.allocatedBlocks &&
    stamp.fileSize === image.fileSize &&
    stamp.mtimeMs === wholeMilliseconds(image.mtimeNs)
  return same ? stamp : undefined
}
