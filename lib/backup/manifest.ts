import { join } from 'node:path'
import * as v from 'valibot'
import type { MachineSummary } from '../ensure/result.ts'
import { VboxmergeError } from '../errors.ts'
import { replaceFile } from '../io/durable_file.ts'
import type { Files } from '../io/files.ts'
import type { Uuid } from '../machine/machine.ts'

/** A file of a machine that is kept in a backup. */
export interface KeptFile {
  readonly kind: 'settings' | 'image' | 'saved_state' | 'nvram'
  /** Absolute path in the machine. */
  readonly path: string
  /** Name in the backup's folder. */
  readonly name: string
  /** How it came there: with a place on the disk of its own, a shared one, or as a second name of the file. */
  readonly how: 'copied' | 'shared' | 'linked'
  /** Length in bytes. */
  readonly size: number
  /** Time of the last change of the machine's file, nanoseconds since 1970. */
  readonly mtimeNs: string
  readonly mode: number
  readonly owner: number
  readonly group: number
  /** UUID of an image; undefined for other files. */
  readonly id: Uuid | undefined
  /** SHA-256; of an image that of its first `HEAD_BYTES`, which change with whatever VirtualBox or we do to it. */
  readonly sha256: string
}

/** What a backup says of itself. It is written last: a folder without one is no backup. */
export interface BackupManifest {
  readonly machine: { readonly id: Uuid; readonly name: string; readonly settingsFile: string }
  /** Whether VirtualBox knew the machine. */
  readonly registered: boolean
  readonly vboxUserHome: string
  /** When it was made, `2026-01-31T12:00:00.000Z`. */
  readonly madeAt: string
  /** The machine before the run. */
  readonly before: MachineSummary
  /** The settings come first. */
  readonly files: readonly KeptFile[]
}

/** Bytes at the start of an image by which it is recognised: all of the header of a VDI file. */
export const HEAD_BYTES = 4096

const FORMAT = 'vboxmerge-backup'
const VERSION = 1
const MAX_BYTES = 16 * 1024 * 1024
const MANIFEST = 'manifest.json'

const Id = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const Hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const Path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096))
const Whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
// Nothing in it can lead out of the folder.
const Name = v.pipe(v.string(), v.regex(/^\d{3,6}-[A-Za-z0-9_(){}. -]{1,200}$/))
const FileSchema = v.strictObject({
  kind: v.picklist(['settings', 'image', 'saved_state', 'nvram']),
  path: Path,
  name: Name,
  how: v.picklist(['copied', 'shared', 'linked']),
  size: Whole,
  mtimeNs: v.pipe(v.string(), v.regex(/^\d{1,20}$/)),
  mode: v.pipe(Whole, v.maxValue(0o7777)),
  owner: Whole,
  group: Whole,
  id: v.optional(Id),
  sha256: Hash,
})
const SummarySchema = v.strictObject({
  state: v.string(),
  snapshots: Whole,
  currentSnapshot: v.nullable(v.strictObject({ id: Id, name: v.string() })),
  images: Whole,
  bytes: Whole,
  allocatedBytes: Whole,
  capacity: Whole,
  exact: v.boolean(),
})
const ManifestSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  machine: v.strictObject({ id: Id, name: v.string(), settingsFile: Path }),
  registered: v.boolean(),
  vboxUserHome: Path,
  madeAt: v.string(),
  before: SummarySchema,
  files: v.pipe(v.array(FileSchema), v.minLength(1), v.maxLength(100_000)),
})

/** Where the manifest of a backup is. */
export function manifestPath(folder: string): string {
  return join(folder, MANIFEST)
}

/** Writes a manifest so that the backup is one, on stable storage, when this resolves. */
export async function writeManifest(files: Files, folder: string, manifest: BackupManifest): Promise<void> {
  const data = { format: FORMAT, version: VERSION, ...manifest }
  const bytes = new TextEncoder().encode(`${JSON.stringify(data, undefined, 2)}\n`)
  await replaceFile(files, manifestPath(folder), bytes, undefined)
}

/**
 * Reads the manifest of a backup; undefined when the folder holds none.
 *
 * @throws {VboxmergeError} `unsupported` when it is damaged, or of a newer version.
 */
export async function readManifest(files: Files, folder: string): Promise<BackupManifest | undefined> {
  const path = manifestPath(folder)
  const stat = await files.stat(path)
  if (stat === undefined) return undefined
  if (stat.kind !== 'file' || stat.size > MAX_BYTES) throw unusable(folder, 'its manifest is none')
  const data = parseJson(await files.readFile(path, MAX_BYTES))
  const version = typeof data === 'object' && data !== null && 'version' in data ? data.version : undefined
  if (typeof version === 'number' && version > VERSION) {
    throw unusable(
      folder,
      `it was made by a newer vboxmerge (backup version ${version}; this one knows version ${VERSION})`,
    )
  }
  const parsed = v.safeParse(ManifestSchema, data)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw unusable(folder, `its manifest is damaged (${v.getDotPath(issue) ?? 'its root'}: ${issue.message})`)
  }
  const { machine, registered, vboxUserHome, madeAt, before, files: kept } = parsed.output
  const facts = kept.map(({ id, ...rest }) => ({ ...rest, id }))
  return { machine, registered, vboxUserHome, madeAt, before, files: facts }
}

/** Says that a backup cannot be used. */
export function unusable(folder: string, found: string): VboxmergeError {
  return new VboxmergeError(
    'unsupported',
    `Cannot go back to the backup ${JSON.stringify(folder)}: ${found}; nothing was changed`,
  )
}

/** Returns undefined for what is no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
