import type { Files } from '../io/files.ts'
import { inLanes } from '../io/in_lanes.ts'
import { type OpenVdi, openImage } from './open_image.ts'

/** Images that are opened at a time: of the calls that each takes, most of the time is waiting. */
const LANES = 4

/**
 * Opens images and reads their headers, some at a time. When one cannot be opened, the others are closed again.
 *
 * @param writable Number of the image that is opened for writing, from 0 on. Default: none.
 * @returns The images in the order of their paths.
 * @throws {VboxmergeError} As `openImage` does.
 */
export async function openImages(
  files: Files,
  paths: readonly string[],
  writable?: number,
): Promise<OpenVdi[]> {
  const opened = new Map<number, OpenVdi>()
  try {
    await inLanes(LANES, paths.entries(), async ([index, path]) => {
      opened.set(index, await openImage(files, path, index === writable ? 'write' : 'read'))
    })
    return [...opened].sort(([one], [other]) => one - other).map(([, image]) => image)
  } catch (error) {
    for (const image of opened.values()) await image.file.close()
    throw error
  }
}
