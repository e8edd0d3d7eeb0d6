import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf, textOf } from '../windows/fields.ts'
import { type Content, readContent } from './content.ts'
import {
  FILE_NAME,
  FILE_NAME_INDEX,
  INDEX_BLOCK,
  INDEX_ENTRY,
  INDEX_ENTRY_END,
  INDEX_HEADER,
  INDEX_MAGIC,
  INDEX_ROOT,
  TYPE,
} from './layout.ts'
import { openContent, type Volume } from './mft.ts'
import { type FileReference, type MftRecord, referenceAt } from './mft_record.ts'
import { unprotect } from './update_sequence.ts'

/** A name in a directory; a file can have several. */
export interface DirectoryEntry {
  readonly name: string
  readonly reference: FileReference
}

/** Bytes of index blocks that are looked through: half a million names. */
const MAX_INDEX = 2 ** 26

/**
 * Yields every name of a directory. All blocks of the index that are in use are read in their order on the disk,
 * not along its tree: what a tree that is out of order would hide is found as well.
 *
 * @param what Names the directory in problems.
 * @throws A GuestProblem for what is damaged.
 */
export async function* namesIn(
  volume: Volume,
  directory: MftRecord,
  what: string,
): AsyncGenerator<DirectoryEntry> {
  const open = (type: number): Promise<Content | undefined> =>
    openContent(volume, directory, { type, name: FILE_NAME_INDEX }, `index of the ${what}`)
  const root = await open(TYPE.index_root)
  if (root?.value === undefined) throw damaged(`its ${what} has no index of names`)
  const fields = fieldsOf(root.value, `index of the ${what}`)
  if (fields.u32(INDEX_ROOT.type) !== TYPE.file_name) throw damaged(`its ${what} is not sorted by names`)
  yield* entriesOf(fields, INDEX_ROOT.header)

  const blocks = await open(TYPE.index_allocation)
  if (blocks === undefined) return
  const used = await open(TYPE.bitmap)
  if (used === undefined) throw damaged(`its ${what} does not say which blocks of its index are used`)
  const blockSize = fields.u32(INDEX_ROOT.index_block_size)
  if (blockSize !== volume.geometry.indexBlockSize) {
    throw damaged(`the index of its ${what} has blocks of ${blockSize} bytes`)
  }
  if (blocks.size > MAX_INDEX || used.size > MAX_INDEX / blockSize) {
    const found = `the index of its ${what} is ${blocks.size} bytes long, of which ${used.size} tell what is used`
    throw new GuestProblem({ code: 'unsupported_feature', found })
  }
  yield* namesInBlocks(volume, blocks, await readContent(volume, used, 0, used.size), what)
}

async function* namesInBlocks(
  volume: Volume,
  blocks: Content,
  used: Uint8Array,
  what: string,
): AsyncGenerator<DirectoryEntry> {
  const { indexBlockSize, clusterSize } = volume.geometry
  const vcnSize = clusterSize <= indexBlockSize ? clusterSize : 512
  const count = Math.floor(blocks.size / indexBlockSize)
  for (let block = 0; block < used.length * 8; block++) {
    if ((((used[Math.floor(block / 8)] ?? 0) >> (block % 8)) & 1) === 0) continue
    const name = `index block ${block} of the ${what}`
    if (block >= count) throw damaged(`its ${name} is used, but there are only ${count}`)
    const position = block * indexBlockSize
    const bytes = await readContent(volume, blocks, position, indexBlockSize)
    const fields = unprotect(bytes, INDEX_MAGIC, name)
    const vcn = fields.u64(INDEX_BLOCK.index_block_vcn)
    if (vcn * vcnSize !== position) throw damaged(`its ${name} says that it begins at VCN ${vcn}`)
    yield* entriesOf(fields, INDEX_BLOCK.header)
  }
}

function* entriesOf(fields: Fields, header: number): Generator<DirectoryEntry> {
  let at = header + fields.u32(header + INDEX_HEADER.entries_offset)
  const end = header + fields.u32(header + INDEX_HEADER.index_length)
  while (at < end) {
    const length = fields.u16(at + INDEX_ENTRY.length)
    if (length < INDEX_ENTRY.key || length % 8 !== 0 || at + length > end) {
      throw damaged(`it has a directory with an entry of ${length} bytes`)
    }
    if ((fields.u16(at + INDEX_ENTRY.flags) & INDEX_ENTRY_END) !== 0) return
    yield { name: nameOf(fields, at + INDEX_ENTRY.key), reference: referenceAt(fields, at) }
    at += length
  }
  throw damaged('it has a directory whose entries do not end')
}

function nameOf(fields: Fields, key: number): string {
  const units = fields.u8(key + FILE_NAME.file_name_length)
  return textOf(fields.slice(key + FILE_NAME.file_name, 2 * units))
}
