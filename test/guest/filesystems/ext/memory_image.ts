// Small images in memory, to be changed byte by byte.
import { readFile } from 'node:fs/promises'
import type { BlockDevice } from '../../../../lib/guest/device.ts'
import { type FileSystem, GuestProblem, type KeepReason } from '../../../../lib/guest/file_system.ts'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { runTool } from '../../../fixtures/guest/tools.ts'

/** An image in memory. */
export interface MemoryImage {
  readonly bytes: Uint8Array
  readonly view: DataView
}

/** Makes a file system of 16 MiB and returns its image. */
export async function memoryImage(
  t: Parameters<typeof makeDiskImage>[0],
  ...options: readonly string[]
): Promise<MemoryImage> {
  const path = await makeDiskImage(t, 16)
  await runTool('mke2fs', '-q', '-F', ...options, path)
  return await imageOf(path)
}

/** Reads an image into memory. */
export async function imageOf(path: string): Promise<MemoryImage> {
  const bytes = new Uint8Array(await readFile(path))
  return { bytes, view: new DataView(bytes.buffer) }
}

/** Returns a copy in which some bytes were changed. */
export function changed({ bytes }: MemoryImage, change: (view: DataView) => void): MemoryImage {
  const copy = bytes.slice()
  const view = new DataView(copy.buffer)
  change(view)
  return { bytes: copy, view }
}

/** An image as a device. */
export function deviceOf({ bytes }: MemoryImage): BlockDevice {
  return {
    size: bytes.length,
    read: async (buffer, position) => {
      if (!(position >= 0 && position + buffer.length <= bytes.length)) {
        throw new RangeError(`Cannot read ${buffer.length} bytes at ${position} of ${bytes.length} bytes`)
      }
      buffer.set(bytes.subarray(position, position + buffer.length))
    },
  }
}

/** What is found on a device; throws when nothing is. */
export async function foundOn(device: BlockDevice): Promise<FileSystem> {
  const found = await ext.probe(device)
  if (found === undefined) throw new Error('no ext was found')
  return found
}

/** Why all of it is kept, whether that shows at first sight or while it is read; undefined when it is not. */
export async function whyKeptOn(device: BlockDevice): Promise<KeepReason | undefined> {
  const found = await foundOn(device)
  if (found.keep !== undefined) return found.keep
  try {
    await found.freeRanges(() => {})
    return undefined
  } catch (error) {
    if (error instanceof GuestProblem) return error.reason
    throw error
  }
}
