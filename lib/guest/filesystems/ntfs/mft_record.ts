import { damaged, type Fields, fieldsOf, textOf } from '../windows/fields.ts'
import { ATTRIBUTE, RECORD, RECORD_IN_USE, RECORD_MAGIC, TYPE } from './layout.ts'
import { unprotect } from './update_sequence.ts'

/** Where a file is described. The sequence number tells a record from what it was used for before. */
export interface FileReference {
  readonly record: number
  readonly sequence: number
}

/** A part of an MFT record. */
export interface Attribute {
  readonly type: number
  readonly name: string
  readonly flags: number
  /** Tells the attributes of one record apart. */
  readonly instance: number
  /** The value itself, where the record holds it. */
  readonly value: Uint8Array | undefined
  /** Where its clusters are, otherwise. */
  readonly extent: Extent | undefined
}

/** What an attribute says whose value lies in clusters; a long one is told in several attributes. */
export interface Extent {
  readonly lowest: number
  /** Below `lowest` when there are no clusters. */
  readonly highest: number
  /** Bytes, in the attribute that begins with VCN 0; others say 0. */
  readonly dataSize: number
  readonly initializedSize: number
  /** The run list and what is behind it. */
  readonly runList: Uint8Array
}

/** What an MFT record in use says. */
export interface MftRecord {
  readonly reference: FileReference
  /** The first record of the same file; undefined in that one. */
  readonly base: FileReference | undefined
  readonly attributes: readonly Attribute[]
}

/** Returns the reference at a byte of a structure. */
export function referenceAt(fields: Fields, at: number): FileReference {
  return { record: fields.u32(at) + fields.u16(at + 4) * 2 ** 32, sequence: fields.u16(at + 6) }
}

/**
 * Returns what an MFT record says, or undefined for one that is not in use.
 *
 * @throws A GuestProblem for one that is not whole or contradicts itself.
 */
export function decodeRecord(bytes: Uint8Array, record: number): MftRecord | undefined {
  const fields = unprotect(bytes, RECORD_MAGIC, `MFT record ${record}`)
  if (fields.u16(RECORD.flags) % 2 !== RECORD_IN_USE) return undefined
  const base = referenceAt(fields, RECORD.base_mft_record)
  const isFirst = base.record === 0 && base.sequence === 0
  return {
    reference: { record, sequence: fields.u16(RECORD.sequence_number) },
    base: isFirst ? undefined : base,
    attributes: decodeAttributes(fields, record),
  }
}

function decodeAttributes(fields: Fields, record: number): Attribute[] {
  const attributes: Attribute[] = []
  const used = fieldsOf(fields.slice(0, fields.u32(RECORD.bytes_in_use)), `MFT record ${record}`)
  let at = fields.u16(RECORD.attrs_offset)
  while (used.u32(at + ATTRIBUTE.type) !== TYPE.end) {
    const length = used.u32(at + ATTRIBUTE.length)
    if (length < 0x18 || length % 8 !== 0) {
      throw damaged(`its MFT record ${record} has an attribute of ${length} bytes at byte ${at}`)
    }
    const what = `attribute at byte ${at} of MFT record ${record}`
    attributes.push(decodeAttribute(fieldsOf(used.slice(at, length), what)))
    at += length
  }
  return attributes
}

function decodeAttribute(fields: Fields): Attribute {
  const isResident = fields.u8(ATTRIBUTE.non_resident) === 0
  const name = fields.slice(fields.u16(ATTRIBUTE.name_offset), 2 * fields.u8(ATTRIBUTE.name_length))
  return {
    type: fields.u32(ATTRIBUTE.type),
    name: textOf(name),
    flags: fields.u16(ATTRIBUTE.flags),
    instance: fields.u16(ATTRIBUTE.instance),
    value: isResident
      ? fields.slice(fields.u16(ATTRIBUTE.value_offset), fields.u32(ATTRIBUTE.value_length))
      : undefined,
    extent: isResident ? undefined : decodeExtent(fields),
  }
}

function decodeExtent(fields: Fields): Extent {
  const lowest = fields.u64(ATTRIBUTE.lowest_vcn)
  const isEmpty = fields.slice(ATTRIBUTE.highest_vcn, 8).every(byte => byte === 0xff)
  const runListAt = fields.u16(ATTRIBUTE.mapping_pairs_offset)
  return {
    lowest,
    highest: isEmpty ? -1 : fields.u64(ATTRIBUTE.highest_vcn),
    dataSize: lowest === 0 ? fields.u64(ATTRIBUTE.data_size) : 0,
    initializedSize: lowest === 0 ? fields.u64(ATTRIBUTE.initialized_size) : 0,
    runList: fields.slice(runListAt, fields.bytes.length - runListAt),
  }
}
