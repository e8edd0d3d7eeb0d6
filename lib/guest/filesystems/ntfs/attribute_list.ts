import { damaged, type Fields, fieldsOf, textOf } from '../windows/fields.ts'
import { LIST_ENTRY, LIST_ENTRY_SIZE } from './layout.ts'
import { type FileReference, referenceAt } from './mft_record.ts'

/** Where an attribute is of a file that takes more than one MFT record. */
export interface ListEntry {
  readonly type: number
  readonly name: string
  readonly lowest: number
  readonly reference: FileReference
  readonly instance: number
}

/**
 * Returns the entries of the value of an attribute list, in their order: by type, name and VCN.
 *
 * @throws A GuestProblem for an entry that is no longer than nothing or not inside the list.
 */
export function decodeAttributeList(value: Uint8Array, what: string): ListEntry[] {
  const list = fieldsOf(value, what)
  const entries: ListEntry[] = []
  for (let at = 0; at < value.length; ) {
    const length = list.u16(at + LIST_ENTRY.length)
    if (length < LIST_ENTRY_SIZE) throw damaged(`its ${what} has an entry of ${length} bytes at byte ${at}`)
    entries.push(decodeEntry(fieldsOf(list.slice(at, length), what)))
    at += length
  }
  return entries
}

function decodeEntry(entry: Fields): ListEntry {
  const name = entry.slice(entry.u8(LIST_ENTRY.name_offset), 2 * entry.u8(LIST_ENTRY.name_length))
  return {
    type: entry.u32(LIST_ENTRY.type),
    name: textOf(name),
    lowest: entry.u64(LIST_ENTRY.lowest_vcn),
    reference: referenceAt(entry, LIST_ENTRY.mft_reference),
    instance: entry.u16(LIST_ENTRY.instance),
  }
}
