import { VboxmergeError } from '../../errors.ts'
import type { ImageHeader } from '../../image/image.ts'
import { openImage } from '../../image/open_image.ts'
import type { Files } from '../../io/files.ts'

/** What an image file says of itself and of its parent. */
export interface ImageLinks {
  /** Undefined when the file is missing, damaged, or of a format that only VirtualBox reads. */
  readonly header: Pick<ImageHeader, 'id' | 'parent' | 'capacity'> | undefined
  readonly exists: boolean
  /** Length of the file; 0 when it is missing. */
  readonly bytes: number
}

/** Reads the headers of some images, by path. */
export async function readLinks(files: Files, paths: Iterable<string>): Promise<Map<string, ImageLinks>> {
  const links = new Map<string, ImageLinks>()
  for (const path of paths) if (!links.has(path)) links.set(path, await linksOf(files, path))
  return links
}

async function linksOf(files: Files, path: string): Promise<ImageLinks> {
  const stat = await files.stat(path)
  if (stat === undefined) return { header: undefined, exists: false, bytes: 0 }
  try {
    const { file, header } = await openImage(files, path, 'read')
    await file.close()
    return { header, exists: true, bytes: stat.size }
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return { header: undefined, exists: true, bytes: stat.size }
  }
}
