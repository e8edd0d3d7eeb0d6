import { openImage } from '../../image/open_image.ts'
import { type Files, wholeMilliseconds } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import { encodeSettled, fingerprintOf, type ImageFacts, SETTLED_NAME } from '../../machine/settled_state.ts'
import { encodeStamp, stampName } from '../compaction_stamp.ts'
import type { Prepared } from '../prepared.ts'

/** A machine's current state as it is after the work. */
export interface PresentState {
  readonly currentSnapshot: Uuid | undefined
  readonly currentImages: readonly Uuid[]
  readonly pathOf: (id: Uuid) => string | undefined
}

/** The extra data that the machine deserves as its images are on disk now, by name. */
export async function readStamps(
  files: Files,
  { measured, plan }: Pick<Prepared, 'measured' | 'plan'>,
  { currentSnapshot, currentImages, pathOf }: PresentState,
): Promise<Map<string, string>> {
  const stamps = new Map<string, string>()
  const freeSpace = measured.free === undefined ? 'keep' : 'discard'
  for (const [id, reclaimableBytes] of measured.scanned) {
    const facts = await factsOf(files, id, pathOf(id))
    if (facts !== undefined) stamps.set(stampName(id), encodeStamp({ freeSpace, reclaimableBytes, ...facts }))
  }
  const { settles } = plan.tree
  if (settles === undefined) return stamps
  const facts: ImageFacts[] = []
  for (const id of currentImages) {
    const found = await factsOf(files, id, pathOf(id))
    if (found === undefined) return stamps
    facts.push(found)
  }
  const fingerprint = fingerprintOf(currentSnapshot, facts)
  stamps.set(SETTLED_NAME, encodeSettled({ restored: settles, fingerprint }))
  return stamps
}

async function factsOf(files: Files, id: Uuid, path: string | undefined): Promise<ImageFacts | undefined> {
  if (path === undefined) return undefined
  const image = await openImage(files, path, 'read')
  try {
    const { modification, allocatedBlocks } = image.header
    const { mtimeNs, size: fileSize } = await image.file.stat()
    return { id, modification, allocatedBlocks, fileSize, mtimeMs: wholeMilliseconds(mtimeNs) }
  } finally {
    await image.file.close()
  }
}
