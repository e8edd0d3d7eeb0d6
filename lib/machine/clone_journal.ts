import { basename, dirname, join } from 'node:path'
import * as v from 'valibot'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { JournalFile } from './journal.ts'
import type { Uuid } from './machine.ts'

/** A file that is written under a name of its own and gets its final name once it is complete. */
export interface StagedFile {
  readonly kind: 'image' | 'nvram'
  /** UUID of an image; of other files a random one that their first name is made of. */
  readonly id: Uuid
  /** Final name, in the clone's folder. */
  readonly name: string
  /** SHA-256 of the content of what is no image. */
  readonly sha256: string | undefined
}

/**
 * What a run notes beside the coming `.vbox` of a clone before it makes any file: what it makes, and what of an
 * older clone is to go. It is of use for cleaning up alone; nothing is replayed from it.
 */
export interface CloneJournal {
  readonly clone: Uuid
  readonly created: readonly StagedFile[]
  /** Files of the clone that is replaced, to be deleted once the settings name them no more. */
  readonly deletes: readonly JournalFile[]
}

const FORMAT = 'vboxmerge-clone'
const VERSION = 1
const MAX_BYTES = 4 * 1024 * 1024

const Id = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const Name = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(4096),
  v.check(name => basename(name) === name && name !== '.' && name !== '..'),
)
const JournalSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  clone: Id,
  created: v.array(
    v.strictObject({
      kind: v.picklist(['image', 'nvram']),
      id: Id,
      name: Name,
      sha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
    }),
  ),
  deletes: v.array(
    v.strictObject({
      kind: v.picklist(['image', 'saved_state', 'nvram']),
      folder: v.picklist(['machine', 'snapshots']),
      name: Name,
      id: v.optional(Id),
    }),
  ),
})

/** Where the journal of a clone stands. */
export function cloneJournalPath(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-clone`
}

/** The name that a file has until it is complete; no one else gives a file such a name. */
export function stagedPath(settingsFile: string, { id }: StagedFile): string {
  return join(dirname(settingsFile), `{${id}}.vboxmerge-part`)
}

/** Where the files of a clone lie that a later run may delete; what is elsewhere is none of its own. */
export function cloneFolders(settingsFile: string): Readonly<Record<'machine' | 'snapshots', string>> {
  const machine = dirname(settingsFile)
  return { machine, snapshots: join(machine, 'Snapshots') }
}

/** Encodes a journal. Files to delete lie in the clone's folders. */
export function encodeCloneJournal(settingsFile: string, journal: CloneJournal): Uint8Array {
  const { machine } = cloneFolders(settingsFile)
  const { clone, created, deletes } = journal
  const document = {
    format: FORMAT,
    version: VERSION,
    clone,
    created,
    deletes: deletes.map(({ kind, path, id }) => {
      return { kind, folder: dirname(path) === machine ? 'machine' : 'snapshots', name: basename(path), id }
    }),
  }
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 2)}\n`)
}

/**
 * Reads the journal of an interrupted run; undefined when there is none.
 *
 * @throws {VboxmergeError} `journal_foreign` when it cannot be read.
 */
export async function readCloneJournal(
  files: Files,
  settingsFile: string,
): Promise<CloneJournal | undefined> {
  const path = cloneJournalPath(settingsFile)
  const stat = await files.stat(path)
  if (stat === undefined) return undefined
  const found = stat.kind === 'file' && stat.size <= MAX_BYTES ? await parse(files, path) : undefined
  if (found === undefined) {
    throw new VboxmergeError(
      'journal_foreign',
      `Cannot go on with the clone at ${JSON.stringify(settingsFile)}: ${JSON.stringify(path)} is no journal that ` +
        'this version can read; look at what is in the folder, then delete that file',
    )
  }
  const folders = cloneFolders(settingsFile)
  return {
    clone: found.clone,
    created: found.created.map(({ kind, id, name, sha256 }) => ({ kind, id, name, sha256 })),
    deletes: found.deletes.map(({ kind, folder, name, id }) => ({
      kind,
      path: join(folders[folder], name),
      id,
    })),
  }
}

async function parse(files: Files, path: string): Promise<v.InferOutput<typeof JournalSchema> | undefined> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await files.readFile(path, MAX_BYTES))
    const parsed = v.safeParse(JournalSchema, JSON.parse(text))
    return parsed.success ? parsed.output : undefined
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}
