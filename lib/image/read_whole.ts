import { VboxmergeError } from '../errors.ts'
import type { OpenImage } from './image.ts'

/**
 * Fills a buffer from an image's file, which someone may have cut short since it was opened: what is missing is never
 * taken for zeros.
 *
 * @param position Offset in the file in bytes.
 * @throws {VboxmergeError} `image_corrupt` when the file ends before.
 */
export async function readWhole(
  { file, path }: Pick<OpenImage, 'file' | 'path'>,
  buffer: Uint8Array,
  position: number,
): Promise<void> {
  const done = await file.read(buffer, position)
  if (done === buffer.length) return
  const problem = `it ended at byte ${position + done}, before byte ${position + buffer.length} that was there before`
  throw new VboxmergeError(
    'image_corrupt',
    `Cannot read ${JSON.stringify(path)}: ${problem}; close the program that changes it`,
  )
}
