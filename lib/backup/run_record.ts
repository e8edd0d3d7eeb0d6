import { join } from 'node:path'
import * as v from 'valibot'
import { removeIfThere, replaceFile } from '../io/durable_file.ts'
import { type Files, wholeMilliseconds } from '../io/files.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { Uuid } from '../machine/machine.ts'
import { eachState } from '../machine/media_graph.ts'
import { parseJson } from './manifest.ts'

/** An image, so far as it shows whether someone wrote to it. */
export interface ImageRecord {
  readonly id: Uuid
  /** Absolute path. */
  readonly path: string
  readonly size: number
  readonly mtimeMs: number
}

/** A machine as someone left it, beside a backup of it. */
export interface StateRecord {
  /** SHA-256 of its settings. */
  readonly settingsHash: string
  readonly images: readonly ImageRecord[]
  /** Absolute paths of saved states and EFI variables of its snapshots. */
  readonly others: readonly string[]
}

/** How far going back has come. */
export interface UndoRecord {
  /** Of the settings that it puts in place. */
  readonly hashes: readonly string[]
  /** Images without data of their own that the machine had when going back began, and not before the run. */
  readonly images: readonly Pick<ImageRecord, 'id' | 'path'>[]
  /** Absolute paths of EFI variables of snapshots that were no more than a copy then. */
  readonly others: readonly string[]
}

const MAX_BYTES = 16 * 1024 * 1024
const Hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const Path = v.pipe(v.string(), v.minLength(1), v.maxLength(4096))
const StateSchema = v.strictObject({
  settingsHash: Hash,
  images: v.array(v.strictObject({ id: v.string(), path: Path, size: v.number(), mtimeMs: v.number() })),
  others: v.array(Path),
})
const UndoSchema = v.strictObject({
  hashes: v.pipe(v.array(Hash), v.maxLength(100)),
  images: v.array(v.strictObject({ id: v.string(), path: Path })),
  others: v.array(Path),
})

/** Names of the records in a backup's folder: the machine after the run, and after going back; the way there. */
const NAMES = { outcome: 'outcome.json', undone: 'undone.json', undoing: 'undoing.json' } as const

/** The state of a machine as it is now. */
export function recordOf({ settings, settingsHash, images }: Inspection): StateRecord {
  const states = [...eachState(settings)].flatMap(({ state }) => [state.stateFile, state.nvramFile])
  return {
    settingsHash,
    images: [...images.values()].map(({ medium, fileSize, mtimeNs }) => ({
      id: medium.id,
      path: medium.path,
      size: fileSize,
      mtimeMs: wholeMilliseconds(mtimeNs),
    })),
    others: [...new Set(states.filter(path => path !== undefined))],
  }
}

/** Whether nobody changed settings or images since a state was recorded. */
export function isAsRecorded(record: StateRecord, machine: Inspection): boolean {
  const present = recordOf(machine)
  if (record.settingsHash !== present.settingsHash || record.images.length !== present.images.length)
    return false
  const known = new Map(record.images.map(image => [image.id, image]))
  return present.images.every(({ id, path, size, mtimeMs }) => {
    const image = known.get(id)
    return image?.path === path && image.size === size && image.mtimeMs === mtimeMs
  })
}

/** Notes how a machine is after the run, or after going back. */
export async function writeState(
  files: Files,
  folder: string,
  when: 'outcome' | 'undone',
  record: StateRecord,
): Promise<void> {
  await write(files, folder, when, record)
}

/** Reads such a note; undefined when there is none that can be read. */
export async function readState(
  files: Files,
  folder: string,
  when: 'outcome' | 'undone',
): Promise<StateRecord | undefined> {
  const parsed = v.safeParse(StateSchema, await read(files, folder, when))
  return parsed.success ? parsed.output : undefined
}

/** Notes how far going back has come. */
export async function writeUndoing(files: Files, folder: string, record: UndoRecord): Promise<void> {
  await write(files, folder, 'undoing', record)
}

/** Reads such a note; nothing has begun when there is none that can be read. */
export async function readUndoing(files: Files, folder: string): Promise<UndoRecord> {
  const parsed = v.safeParse(UndoSchema, await read(files, folder, 'undoing'))
  return parsed.success ? parsed.output : { hashes: [], images: [], others: [] }
}

/** Forgets how far going back had come: it is done. */
export async function removeUndoing(files: Files, folder: string): Promise<void> {
  if (await removeIfThere(files, join(folder, NAMES.undoing))) await files.syncFolder(folder)
}

async function write(
  files: Files,
  folder: string,
  name: keyof typeof NAMES,
  data: StateRecord | UndoRecord,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(data, undefined, 2)}\n`)
  await replaceFile(files, join(folder, NAMES[name]), bytes, undefined)
}

async function read(files: Files, folder: string, name: keyof typeof NAMES): Promise<unknown> {
  const path = join(folder, NAMES[name])
  const stat = await files.stat(path)
  if (stat?.kind !== 'file' || stat.size > MAX_BYTES) return undefined
  return parseJson(await files.readFile(path, MAX_BYTES))
}
