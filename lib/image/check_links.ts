import { VboxmergeError } from '../errors.ts'
import type { OpenImage } from './image.ts'

/**
 * Checks that each image of a chain is a child of the one below it, from the headers alone. Modification
 * UUIDs are not compared: VirtualBox never does, and leaves them stale after every merge.
 *
 * @param images Lowest first.
 * @throws `chain_mismatch`; the message names the image and both UUIDs.
 */
export function checkLinks(images: readonly Pick<OpenImage, 'path' | 'header'>[]): void {
  const seen = new Set<string>()
  let below: Pick<OpenImage, 'path' | 'header'> | undefined
  for (const image of images) {
    const { id, parent, variant } = image.header
    if (seen.has(id)) throw mismatch(image.path, `its UUID ${id} occurs twice in the chain`)
    seen.add(id)
    if (parent !== below?.header.id) {
      const wanted = below === undefined ? 'none' : `${below.header.id} of ${JSON.stringify(below.path)}`
      throw mismatch(image.path, `its parent is ${parent ?? 'none'}, expected is ${wanted}`)
    }
    if (below === undefined && variant === 'differencing') {
      throw mismatch(image.path, 'it is a differencing image without a parent')
    }
    if (below !== undefined && variant === 'fixed')
      throw mismatch(image.path, 'it is a fixed image with a parent')
    below = image
  }
}

function mismatch(path: string, problem: string): VboxmergeError {
  return new VboxmergeError('chain_mismatch', `Cannot read the chain at ${JSON.stringify(path)}: ${problem}`)
}
