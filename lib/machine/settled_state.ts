import { createHash } from 'node:crypto'
import { wholeMilliseconds } from '../io/files.ts'
import type { Inspection } from './inspection.ts'
import type { Uuid } from './machine.ts'

/**
 * Remembers, in the machine's extra data, a current state that a run made on purpose by restoring a snapshot
 * and merging it: the same run again is not to throw it away as a change since the snapshot below.
 */
export interface SettledState {
  readonly restored: { readonly id: Uuid; readonly name: string }
  /** The current snapshot, and the facts by which its images are known to be as they were. */
  readonly fingerprint: string
}

/** Facts of an image by which it is known to be unchanged. */
export interface ImageFacts {
  readonly id: Uuid
  readonly modification: Uuid
  readonly allocatedBlocks: number
  readonly fileSize: number
  readonly mtimeMs: number
}

/** Name of the extra data item. */
export const SETTLED_NAME = 'vboxmerge/settled'

/** What tells a current state apart from every later one. */
export function fingerprintOf(currentSnapshot: Uuid | undefined, images: readonly ImageFacts[]): string {
  const hash = createHash('sha256').update(`${currentSnapshot ?? ''}\n`)
  const lines = images.map(
    ({ id, modification, allocatedBlocks, fileSize, mtimeMs }) =>
      `${id} ${modification} ${allocatedBlocks} ${fileSize} ${mtimeMs}\n`,
  )
  // Restoring lists the disks in another order than the settings.
  return hash.update(lines.sort().join('')).digest('hex')
}

/** Encodes a settled state as the value of its extra data item. */
export function encodeSettled({ restored, fingerprint }: SettledState): string {
  return `1;${fingerprint};${restored.id};${encodeURIComponent(restored.name)}`
}

/** The snapshot whose state the current state was made to be, when it still is. */
export function settledState({
  settings,
  images,
  interrupted,
}: Inspection): SettledState['restored'] | undefined {
  const reached = interrupted?.reached
  if (reached === 'first_commit' || reached === 'second_commit') return interrupted?.settles
  const match = /^1;([0-9a-f]{64});([0-9a-f-]{36});([^;]*)$/.exec(settings.extraData.get(SETTLED_NAME) ?? '')
  const [, fingerprint, id, name] = match ?? []
  if (fingerprint === undefined || id === undefined || name === undefined) return undefined
  const facts: ImageFacts[] = []
  for (const { image } of settings.currentState.attachments) {
    const found = images.get(image)
    if (found?.header === undefined) return undefined
    const { modification, allocatedBlocks } = found.header
    facts.push({
      id: image,
      modification,
      allocatedBlocks,
      fileSize: found.fileSize,
      mtimeMs: wholeMilliseconds(found.mtimeNs),
    })
  }
  if (fingerprintOf(settings.currentSnapshot, facts) !== fingerprint) return undefined
  return { id, name: decodeName(name) }
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
