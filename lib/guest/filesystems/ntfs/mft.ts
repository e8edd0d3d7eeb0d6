import { readBytes } from '../../device.ts'
import { damaged } from '../windows/fields.ts'
import { decodeAttributeList, type ListEntry } from './attribute_list.ts'
import { type Content, type Ground, joinPieces, readContent } from './content.ts'
import { FILE, MAX_ATTRIBUTE_LIST, TYPE } from './layout.ts'
import { type Attribute, decodeRecord, type FileReference, type MftRecord } from './mft_record.ts'
import type { Run } from './run_list.ts'

/** A volume whose MFT can be read. */
export interface Volume extends Ground {
  readonly mft: Content
}

/** Which attribute of a file; one of another name is another attribute. */
export interface AttributeKey {
  readonly type: number
  readonly name: string
}

type RecordReader = (record: number) => Promise<MftRecord | undefined>

/**
 * Opens the MFT, which describes itself: its later records are found by what its earlier ones say.
 *
 * @throws A GuestProblem when what is needed of it is damaged.
 */
export async function openMft(ground: Ground): Promise<Volume> {
  const { device, geometry } = ground
  const start = geometry.mftLcn * geometry.clusterSize
  const room = geometry.clusters * geometry.clusterSize - start
  if (geometry.recordSize > room) throw damaged(`its $MFT begins at byte ${start}, behind its last cluster`)
  const bytes = await readBytes(device, start, geometry.recordSize)
  const first = decodeRecord(bytes, FILE.mft)
  if (first === undefined || first.base !== undefined) throw damaged('its first MFT record is not in use')
  const runs: Run[] = []
  const readEarlier: RecordReader = record => {
    const known = (runs.at(-1)?.vcn ?? 0) + (runs.at(-1)?.count ?? 0)
    const size = known * geometry.clusterSize
    const soFar = { what: '$MFT', flags: 0, size, initializedSize: size, value: undefined, runs }
    return readRecord({ ...ground, mft: soFar }, record)
  }
  const pieces = piecesOf(ground, first, { type: TYPE.data, name: '' }, readEarlier)
  const mft = await joinPieces(pieces, geometry, '$MFT', runs)
  if (mft === undefined || mft.runs[0]?.lcn !== geometry.mftLcn) {
    throw damaged(`its $MFT does not say that it begins at cluster ${geometry.mftLcn}`)
  }
  return { ...ground, mft }
}

/** Returns an MFT record, or undefined when it is not in use. */
export async function readRecord(volume: Volume, record: number): Promise<MftRecord | undefined> {
  const { recordSize } = volume.geometry
  return decodeRecord(await readContent(volume, volume.mft, record * recordSize, recordSize), record)
}

/**
 * Returns the first record of a file.
 *
 * @param what Names the file in problems.
 * @throws A GuestProblem when the record is not one of that file any more.
 */
export async function readFile(volume: Volume, reference: FileReference, what: string): Promise<MftRecord> {
  const record = await readRecord(volume, reference.record)
  const isIt = record?.base === undefined && record?.reference.sequence === reference.sequence
  if (record !== undefined && isIt) return record
  throw damaged(`${what} leads to MFT record ${reference.record}, which is of another file`)
}

/** Returns a file that every volume has. */
export async function readSystemFile(volume: Volume, number: number, what: string): Promise<MftRecord> {
  const record = await readRecord(volume, number)
  if (record !== undefined && record.base === undefined) return record
  throw damaged(`the MFT record of ${what} is not in use`)
}

/** Returns the content of an attribute of a file; undefined when the file has none of that kind. */
export function openContent(
  volume: Volume,
  file: MftRecord,
  key: AttributeKey,
  what: string,
): Promise<Content | undefined> {
  const pieces = piecesOf(volume, file, key, record => readRecord(volume, record))
  return joinPieces(pieces, volume.geometry, what)
}

/** Yields each attribute of a file, of all the records that it takes. */
export async function* attributesOf(volume: Volume, file: MftRecord): AsyncGenerator<Attribute> {
  yield* file.attributes
  const others = new Map<number, ListEntry>()
  for (const entry of await listOf(volume, file)) {
    if (entry.reference.record !== file.reference.record) others.set(entry.reference.record, entry)
  }
  for (const entry of others.values()) {
    yield* (await extensionOf(file, entry, record => readRecord(volume, record))).attributes
  }
}

async function* piecesOf(
  ground: Ground,
  file: MftRecord,
  { type, name }: AttributeKey,
  read: RecordReader,
): AsyncGenerator<Attribute> {
  const isWanted = (one: AttributeKey): boolean => one.type === type && one.name === name
  const list = await listOf(ground, file)
  if (list.length === 0) yield* file.attributes.filter(isWanted)
  for (const entry of list.filter(isWanted)) {
    const record = await extensionOf(file, entry, read)
    const found = record.attributes.find(one => isWanted(one) && one.instance === entry.instance)
    if (found === undefined || (found.extent?.lowest ?? 0) !== entry.lowest) {
      throw damaged(`MFT record ${record.reference.record} lacks an attribute of ${file.reference.record}`)
    }
    yield found
  }
}

async function extensionOf(
  file: MftRecord,
  { reference }: ListEntry,
  read: RecordReader,
): Promise<MftRecord> {
  const isSame = (one: FileReference | undefined, other: FileReference): boolean =>
    one?.record === other.record && one.sequence === other.sequence
  if (isSame(file.reference, reference)) return file
  const record = await read(reference.record)
  if (record !== undefined && isSame(record.reference, reference) && isSame(record.base, file.reference)) {
    return record
  }
  throw damaged(
    `MFT record ${reference.record} is not the part of ${file.reference.record} that it should be`,
  )
}

/** The attribute list of a file; empty for a file of one record. */
async function listOf(ground: Ground, file: MftRecord): Promise<ListEntry[]> {
  const what = `attribute list of MFT record ${file.reference.record}`
  const lists = file.attributes.filter(({ type }) => type === TYPE.attribute_list)
  const content = await joinPieces(inTurn(lists), ground.geometry, what)
  if (content === undefined) return []
  if (content.size > MAX_ATTRIBUTE_LIST) throw damaged(`the ${what} is ${content.size} bytes long`)
  return decodeAttributeList(await readContent(ground, content, 0, content.size), what)
}

async function* inTurn<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
