import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path'
import * as v from 'valibot'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import { describeIssue } from './describe_issue.ts'
import type { Relink } from './inspection.ts'
import type { Uuid } from './machine.ts'

/** A file that a run makes or means to delete. Images are recognised by their UUID before they are deleted. */
export interface JournalFile {
  readonly kind: 'image' | 'saved_state' | 'nvram'
  /** Absolute path. */
  readonly path: string
  /** UUID of an image, otherwise undefined. */
  readonly id: Uuid | undefined
}

/**
 * What a run of the direct engine notes beside the `.vbox` before it changes anything: who it is and what is
 * to be cleaned up. It holds no block plan and no settings, so nothing is ever replayed from it.
 */
export interface Journal {
  readonly machine: Uuid
  /** Whether the machine was registered when the run began. */
  readonly registered: boolean
  readonly user: string
  readonly vboxUserHome: string
  /** SHA-256 of the `.vbox` before the run, after the first commit, and after the second. */
  readonly hashes: {
    readonly before: string
    readonly first: string | undefined
    readonly second: string | undefined
  }
  readonly relinks: readonly Relink[]
  /** Files that the run makes; unwanted when the settings do not name them. */
  readonly created: readonly JournalFile[]
  /** Files that are to go once no settings name them. */
  readonly deletes: readonly JournalFile[]
  /** The EFI variables of a restored snapshot, which are copied over the machine's after the first commit. */
  readonly restoredNvram: { readonly from: string; readonly to: string } | undefined
  /** The restored snapshot, when the run merges it too and its state is there to stay. */
  readonly settles: { readonly id: Uuid; readonly name: string } | undefined
}

const FORMAT = 'vboxmerge-journal'
const VERSION = 1
const MAX_BYTES = 4 * 1024 * 1024

const Hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const Id = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const Path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096))
const FileSchema = v.strictObject({
  kind: v.picklist(['image', 'saved_state', 'nvram']),
  path: Path,
  id: v.optional(Id),
})
const JournalSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  machine: Id,
  registered: v.boolean(),
  user: v.string(),
  vboxUserHome: v.string(),
  hashes: v.strictObject({ before: Hash, first: v.optional(Hash), second: v.optional(Hash) }),
  relinks: v.pipe(v.array(v.strictObject({ child: Id, from: Id, to: Id })), v.maxLength(10_000)),
  created: v.pipe(v.array(FileSchema), v.maxLength(10_000)),
  deletes: v.pipe(v.array(FileSchema), v.maxLength(10_000)),
  restoredNvram: v.optional(v.strictObject({ from: Path, to: Path })),
  settles: v.optional(v.strictObject({ id: Id, name: v.string() })),
})

/** Where the journal of a machine stands. */
export function journalPath(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-journal`
}

/**
 * Reads the journal of an interrupted run; undefined when there is none.
 *
 * @throws {VboxmergeError} `journal_foreign` when it cannot be read, is of a newer version, or is about
 * another machine.
 */
export async function readJournal(
  files: Files,
  settingsFile: string,
  machine: Uuid,
): Promise<Journal | undefined> {
  const path = journalPath(settingsFile)
  const stat = await files.stat(path)
  if (stat === undefined) return undefined
  if (stat.kind !== 'file' || stat.size > MAX_BYTES) throw foreign(path, 'is no journal of this program')
  const text = new TextDecoder().decode(await files.readFile(path, MAX_BYTES))
  const journal = decodeJournal(text, path)
  if (journal.machine !== machine) throw foreign(path, `is about another machine, {${journal.machine}}`)
  return journal
}

/** Decodes the text of a journal; the opposite of {@link encodeJournal}. */
export function decodeJournal(text: string, path: string): Journal {
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
      `was written by a newer vboxmerge (journal version ${version}; this one knows version ${VERSION}); use that one`,
    )
  }
  const parsed = v.safeParse(JournalSchema, data)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw foreign(path, `is damaged (${describeIssue(issue)})`)
  }
  const { hashes, created, deletes, restoredNvram, ...rest } = parsed.output
  const absolute = (name: string): string => (isAbsolute(name) ? normalize(name) : join(dirname(path), name))
  const located = (file: v.InferOutput<typeof FileSchema>): JournalFile => ({
    kind: file.kind,
    path: absolute(file.path),
    id: file.id,
  })
  return {
    machine: rest.machine,
    registered: rest.registered,
    user: rest.user,
    vboxUserHome: rest.vboxUserHome,
    hashes: { before: hashes.before, first: hashes.first, second: hashes.second },
    relinks: rest.relinks,
    created: created.map(located),
    deletes: deletes.map(located),
    restoredNvram:
      restoredNvram === undefined
        ? undefined
        : { from: absolute(restoredNvram.from), to: absolute(restoredNvram.to) },
    settles: rest.settles,
  }
}

/** Encodes a journal as the text of its file. Paths inside the machine's folder become relative. */
export function encodeJournal(journal: Journal, path: string): string {
  const brief = (name: string): string => {
    const inside = relative(dirname(path), name)
    return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside) ? name : inside
  }
  const located = (file: JournalFile): JournalFile => ({ ...file, path: brief(file.path) })
  const { restoredNvram } = journal
  const data = {
    format: FORMAT,
    version: VERSION,
    ...journal,
    created: journal.created.map(located),
    deletes: journal.deletes.map(located),
    restoredNvram:
      restoredNvram === undefined
        ? undefined
        : { from: brief(restoredNvram.from), to: brief(restoredNvram.to) },
  }
  return `${JSON.stringify(data, undefined, 2)}\n`
}

function foreign(path: string, found: string, cause?: unknown): VboxmergeError {
  return new VboxmergeError(
    'journal_foreign',
    `Cannot go on with the interrupted run: its journal ${JSON.stringify(path)} ${found}; nothing was changed. ` +
      'If the machine is known to be whole, move the journal away',
    { cause },
  )
}
