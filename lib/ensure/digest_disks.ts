import { openChain } from '../image/chain_view.ts'
import { digestDisk } from '../image/digest.ts'
import type { Files } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { StateSettings } from '../machine/machine.ts'
import { chainOf, indexMedia } from '../machine/media_graph.ts'
import type { Progress } from './progress.ts'
import type { DiskDigest } from './result.ts'

/** What digesting needs beside the machine. */
export interface DigestContext {
  readonly files: Files
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Digests the whole content of every hard disk of a state (the current one), as the guest sees it. Disks whose
 * images only VirtualBox reads are left out.
 *
 * @throws {VboxmergeError} `image_corrupt`, `image_missing`, `unsupported`; the signal's reason.
 */
export async function digestDisks(
  context: DigestContext,
  machine: Inspection,
  state: StateSettings = machine.settings.currentState,
): Promise<DiskDigest[]> {
  const { files, onProgress, signal } = context
  const media = indexMedia([[...machine.images.values()].map(image => image.medium)])
  const digests: DiskDigest[] = []
  for (const { controller, port, device, image } of state.attachments) {
    const chain = chainOf(media, image)
    if (chain.length === 0 || chain.some(({ id }) => machine.images.get(id)?.header === undefined)) continue
    const subject = chain[chain.length - 1]?.path ?? ''
    const view = await openChain(
      files,
      chain.map(medium => medium.path),
    )
    try {
      const sha256 = await digestDisk(view, {
        ...(signal === undefined ? {} : { signal }),
        onProgress: (done, total) => onProgress({ phase: 'digest', subject, done, total, unit: 'bytes' }),
      })
      digests.push({ controller, port, device, image, sha256 })
    } finally {
      await view.close()
    }
  }
  return digests
}
