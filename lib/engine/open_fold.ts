import type { FoldRange } from '../blocks/block_plan.ts'
import type { OpenVdi } from '../image/open_image.ts'
import { openImages } from '../image/open_images.ts'
import type { Files } from '../io/files.ts'
import { readFoldRange } from './direct/fold_range.ts'

/** Files of the images that a fold reads. */
export interface FoldPaths {
  /** Images below the range, lowest first. */
  readonly below: readonly string[]
  /** Images of the range, lowest first; the first one is the target. */
  readonly range: readonly string[]
}

/** The images of a fold, open, with the range that a block plan is made from. */
export interface OpenFold {
  /** The whole chain up to the top of the range, lowest first. */
  readonly chain: readonly OpenVdi[]
  readonly target: OpenVdi
  readonly range: FoldRange
  close(): Promise<void>
}

/**
 * Opens the images of a fold and reads their block tables, checking every one.
 *
 * @param access How the target is opened; the others are only read.
 * @throws {VboxmergeError} `image_missing`, `image_corrupt`, `unsupported`; the signal's reason.
 */
export async function openFold(
  files: Files,
  paths: FoldPaths,
  access: 'read' | 'write',
  signal: AbortSignal | undefined,
): Promise<OpenFold> {
  const target = paths.below.length
  const all = [...paths.below, ...paths.range]
  const chain = await openImages(files, all, access === 'write' ? target : undefined)
  const close = async (): Promise<void> => {
    for (const image of chain) await image.file.close()
  }
  try {
    const range = await readFoldRange(chain, { target, top: chain.length - 1 }, signal)
    return { chain, target: chain[target] as OpenVdi, range, close }
  } catch (error) {
    await close()
    throw error
  }
}
