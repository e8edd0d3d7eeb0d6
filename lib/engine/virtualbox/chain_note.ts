import { dirname, isAbsolute } from 'node:path'
import * as v from 'valibot'
import type { SnapshotRef } from '../../ensure/result.ts'
import { VboxmergeError } from '../../errors.ts'
import { removeIfThere, replaceFile } from '../../io/durable_file.ts'
import { isFull } from '../../io/errno.ts'
import type { Files } from '../../io/files.ts'
import { describeIssue } from '../../machine/describe_issue.ts'
import type { MachineSettings, Snapshot, Uuid } from '../../machine/machine.ts'
import { eachState, indexMedia } from '../../machine/media_graph.ts'
import type { ImageLinks } from './read_links.ts'

/** An image as it was before its snapshot was deleted. */
export interface NotedImage {
  readonly id: Uuid
  /** Absolute path. */
  readonly path: string
  /** The parent that the image file names; null for a base. */
  readonly parent: Uuid | null
  /** Length of the file. */
  readonly bytes: number
}

/** A disk of a snapshot that is deleted: its image, and the only child of that, which is merged with it. */
export interface NotedDisk {
  readonly image: NotedImage
  readonly child: NotedImage | null
}

/**
 * What is noted beside the `.vbox` before VirtualBox is told to delete a snapshot. VirtualBox deletes an image
 * file first and saves its settings later; if it dies in between, this tells what the settings meant.
 */
export interface ChainNote {
  readonly machine: Uuid
  readonly snapshot: SnapshotRef
  /** Disks without an image of their own in the snapshot (writethrough, …) are left out. */
  readonly disks: readonly NotedDisk[]
}

const FORMAT = 'vboxmerge-note'
const VERSION = 1
const MOST_BYTES = 1024 * 1024

const Id = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const ImageSchema = v.strictObject({
  id: Id,
  path: v.pipe(v.string(), v.check(isAbsolute, 'not an absolute path')),
  parent: v.nullable(Id),
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
})
const NoteSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  machine: Id,
  snapshot: v.strictObject({ id: Id, name: v.string() }),
  disks: v.pipe(
    v.array(v.strictObject({ image: ImageSchema, child: v.nullable(ImageSchema) })),
    v.maxLength(1000),
  ),
})

/** Where the note of a machine stands. */
export function notePath(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-note`
}

/** The images of a snapshot that its deletion merges or deletes, each with its children in the registry. */
export function ownImages(settings: MachineSettings, snapshot: Snapshot): Uuid[] {
  const elsewhere = new Set<Uuid>()
  for (const { id, state } of eachState(settings)) {
    if (id !== snapshot.id) for (const { image } of state.attachments) elsewhere.add(image)
  }
  return snapshot.attachments.map(({ image }) => image).filter(image => !elsewhere.has(image))
}

/**
 * Makes the note for the deletion of a snapshot.
 *
 * @param links what the image files say, by path; an image that cannot be read is noted as its registry has it
 */
export function noteFor(
  settings: MachineSettings,
  snapshot: Snapshot,
  links: ReadonlyMap<string, ImageLinks>,
): ChainNote {
  const media = indexMedia([settings.media])
  const noted = (id: Uuid): NotedImage | undefined => {
    const medium = media.get(id)
    if (medium === undefined) return undefined
    const found = links.get(medium.path)
    const parent = found?.header?.parent ?? medium.parent ?? null
    return { id, path: medium.path, parent, bytes: found?.bytes ?? 0 }
  }
  const disks = ownImages(settings, snapshot).flatMap((id): NotedDisk[] => {
    const image = noted(id)
    const [child, ...others] = media.get(id)?.children ?? []
    if (image === undefined || others.length > 0) return []
    return [{ image, child: child === undefined ? null : (noted(child.id) ?? null) }]
  })
  return { machine: settings.id, snapshot: { id: snapshot.id, name: snapshot.name }, disks }
}

/**
 * Writes a note; when it returns, the note is on stable storage.
 *
 * @throws {VboxmergeError} `no_space`, `engine_failed`
 */
export async function writeNote(files: Files, settingsFile: string, note: ChainNote): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, version: VERSION, ...note }, undefined, 2)}\n`
  const path = notePath(settingsFile)
  try {
    await replaceFile(files, path, new TextEncoder().encode(text), settingsFile)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `Cannot write ${JSON.stringify(path)}, without which no snapshot is deleted: ${why}`
    throw new VboxmergeError(isFull(cause) ? 'no_space' : 'engine_failed', message, { cause })
  }
}

/** Removes the note, if there is one. */
export async function removeNote(files: Files, settingsFile: string): Promise<void> {
  const path = notePath(settingsFile)
  if (await removeIfThere(files, path)) await files.syncFolder(dirname(path))
}

/**
 * Reads the note of a run that did not end; undefined when there is none.
 *
 * @throws {VboxmergeError} `journal_foreign` when it cannot be understood or is about another machine.
 */
export async function readNote(
  files: Files,
  settingsFile: string,
  machine: Uuid,
): Promise<ChainNote | undefined> {
  const path = notePath(settingsFile)
  const stat = await files.stat(path)
  if (stat === undefined) return undefined
  if (stat.kind !== 'file' || stat.size > MOST_BYTES) throw foreign(path, 'is not one of this program')
  const note = decodeNote(new TextDecoder().decode(await files.readFile(path, MOST_BYTES)), path)
  if (note.machine !== machine) throw foreign(path, `is about another machine, ${note.machine}`)
  return note
}

function decodeNote(text: string, path: string): ChainNote {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    throw foreign(path, 'is no JSON', cause)
  }
  const version = typeof data === 'object' && data !== null && 'version' in data ? data.version : undefined
  if (typeof version === 'number' && version > VERSION) {
    throw foreign(
      path,
      `was written by a newer vboxmerge (note version ${version}; this one knows version ${VERSION}); use that one`,
    )
  }
  const parsed = v.safeParse(NoteSchema, data)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw foreign(path, `is damaged (${describeIssue(issue)})`)
  }
  const { machine, snapshot, disks } = parsed.output
  return { machine, snapshot, disks }
}

function foreign(path: string, found: string, cause?: unknown): VboxmergeError {
  return new VboxmergeError(
    'journal_foreign',
    `Cannot go on with an interrupted deletion: the note ${JSON.stringify(path)} ${found}; nothing was changed. ` +
      'If the machine is known to be whole, move the note away',
    { cause },
  )
}
