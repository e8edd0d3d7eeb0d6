import { createHash } from 'node:crypto'
import { wholeMilliseconds } from '../io/files.ts'
import type { Inspection } from './inspection.ts'
import type { Snapshot, Uuid } from './machine.ts'
import { chainOf, indexMedia } from './media_graph.ts'

/** What a clone says of itself in its extra data: what it is a clone of, in which state. */
export interface CloneStamp {
  /** The clone's own UUID: a copy that VirtualBox makes of a clone has the item, too, and is none of ours. */
  readonly clone: Uuid
  /** UUID of the machine that was cloned. */
  readonly source: Uuid
  /** Of the state that was cloned, as `cloneFingerprint` returns it. */
  readonly fingerprint: string
}

/** Names of extra data that are about one machine alone begin with this. */
export const OWN_EXTRA_DATA = 'vboxmerge/'

/** Name of the extra data item. */
export const CLONE_NAME: string = `${OWN_EXTRA_DATA}clone`

const UUID_TEXT = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const FIELDS = new RegExp(`^1;(${UUID_TEXT});(${UUID_TEXT});([0-9a-f]{64})$`)

/** Encodes a stamp as the value of its extra data item. */
export function encodeCloneStamp({ clone, source, fingerprint }: CloneStamp): string {
  return `1;${clone};${source};${fingerprint}`
}

/** Decodes a stamp; undefined for anything that is none. */
export function decodeCloneStamp(value: string | undefined): CloneStamp | undefined {
  const [, clone, source, fingerprint] = FIELDS.exec(value ?? '') ?? []
  if (clone === undefined || source === undefined || fingerprint === undefined) return undefined
  return { clone, source, fingerprint }
}

/** What a fingerprint takes in beside images. */
export interface CloneFacts {
  /** The settings of the state, as `stateText` returns them. */
  readonly settings: string
  /** SHA-256 of the EFI variables; undefined where there are none. */
  readonly nvram: string | undefined
}

/**
 * What tells a state of a machine apart from every other one, from facts that need no disk read: those of every
 * image that the state reads, its settings, its EFI variables.
 *
 * @param state Undefined for the current state.
 */
export function cloneFingerprint(
  { settings, images }: Inspection,
  state: Snapshot | undefined,
  facts: CloneFacts,
): string {
  const hash = createHash('sha256').update(`${facts.settings}\n${facts.nvram ?? ''}\n`)
  const media = indexMedia([[...images.values()].map(image => image.medium)])
  for (const { controller, port, device, image } of (state ?? settings.currentState).attachments) {
    hash.update(`${JSON.stringify([controller, port, device])}\n`)
    for (const { id, type } of chainOf(media, image)) {
      const found = images.get(id)
      const { modification, allocatedBlocks } = found?.header ?? {}
      const mtimeMs = wholeMilliseconds(found?.mtimeNs ?? 0n)
      hash.update(`${id} ${type} ${modification} ${allocatedBlocks} ${found?.fileSize} ${mtimeMs}\n`)
    }
  }
  return hash.digest('hex')
}
