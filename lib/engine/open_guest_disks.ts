import { BlockSet } from '../blocks/block_set.ts'
import type { GuestDisk } from '../guest/free_space.ts'
import { type ChainView, openChain } from '../image/chain_view.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { GuestState } from './guest_states.ts'

const DEFAULT_BLOCK_SIZE = 2 ** 20

/** Returns which disk of a state cannot be read here and why, as a sentence without an end; else undefined. */
export function unreadableDisk(machine: Inspection, { name, disks }: GuestState): string | undefined {
  for (const { attachment, chain } of disks) {
    const { controller, port, device, image } = attachment
    const where = `the disk ${JSON.stringify(controller)} ${port}:${device} of ${name}`
    if (chain.length === 0) return `${where} has the image {${image}}, which is in no media registry`
    if (chain[0]?.parent !== undefined) return `the base of ${where} is in no media registry`
    const foreign = chain.find(({ id }) => machine.images.get(id)?.header === undefined)
    if (foreign !== undefined) return `${where} has an image of the format ${foreign.format}`
  }
  return undefined
}

/** Opens all disks of a state for reading. The caller closes them. */
export async function openGuestDisks(
  files: Files,
  { disks }: GuestState,
  signal: AbortSignal | undefined,
): Promise<ChainView[]> {
  const views: ChainView[] = []
  try {
    for (const { chain } of disks) {
      const paths = chain.map(({ path }) => path)
      views.push(
        await openChain(files, paths, { links: 'ignore', ...(signal === undefined ? {} : { signal }) }),
      )
    }
    return views
  } catch (error) {
    await Promise.all(views.map(view => view.close()))
    throw error
  }
}

/** Returns open disks as the search for free space takes them. */
export function guestDisks(
  views: readonly ChainView[],
  blockSizes: readonly (number | undefined)[],
): GuestDisk[] {
  return views.map((view, index) => {
    const blockSize = blockSizes[index] ?? DEFAULT_BLOCK_SIZE
    const held = heldBlocks(view, blockSize)
    const device = {
      size: view.capacity,
      read: async (buffer: Uint8Array, position: number) => await view.read(buffer, position),
    }
    return { device, blockSize, holds: block => held.has(block) }
  })
}

function heldBlocks(view: ChainView, blockSize: number): BlockSet {
  const held = new BlockSet(Math.ceil(view.capacity / blockSize))
  for (const { start, length, kind } of view.extents()) {
    if (kind === 'zero') continue
    for (let block = Math.floor(start / blockSize); block * blockSize < start + length; block++)
      held.add(block)
  }
  return held
}
