import t from 'tap'
import { decodeHeader } from '../../../lib/image/vdi/header.ts'
import { type HeaderChanges, patchHeader } from '../../../lib/image/vdi/patch_header.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { makeImage, readBytes } from '../../fixtures/disks.ts'

const ID = '10000000-2000-4000-8000-000000000001'
const OTHER = '10000000-2000-4000-8000-000000000002'
const PATH = '/disk.vdi'

/** A header with a byte of its own at every place that no field claims. */
async function fullHead(): Promise<Buffer> {
  const files = new RecordedFiles()
  const places = { tableOffset: 4096, dataOffset: 8192, cbHeader: 1000 }
  await makeImage(files, PATH, {
    capacity: 2 ** 20,
    blockSize: 2 ** 17,
    comment: 'mine',
    ...places,
    parent: ID,
  })
  return readBytes(files, PATH, 0, 512)
}

function apply(head: Buffer, changes: HeaderChanges): Buffer {
  const patched = Buffer.from(head)
  for (const { offset, bytes } of patchHeader(changes)) patched.set(bytes, offset)
  return patched
}

const CASES: readonly (readonly [changes: HeaderChanges, offset: number, length: number])[] = [
  [{ allocatedBlocks: 7 }, 0x184, 4],
  [{ capacity: 2 ** 19 }, 0x170, 8],
  [{ blockCount: 9 }, 0x180, 4],
  [{ modification: OTHER }, 0x198, 16],
  [{ parent: OTHER }, 0x1a8, 16],
  [{ parentModification: OTHER }, 0x1b8, 16],
]

t.test('each change reads back and touches its own field only', async t => {
  const head = await fullHead()
  for (const [changes, offset, length] of CASES) {
    const patched = apply(head, changes)
    t.match(decodeHeader(patched, PATH), changes)
    t.strictSame(patched.subarray(0, offset), head.subarray(0, offset))
    t.strictSame(patched.subarray(offset + length), head.subarray(offset + length))
  }
})

t.test('several changes at once stay within the first sector', async t => {
  const changes = { allocatedBlocks: 3, capacity: 512, blockCount: 8, modification: ID, parent: OTHER }
  t.match(decodeHeader(apply(await fullHead(), changes), PATH), changes)
  for (const { offset, bytes } of patchHeader(changes)) t.ok(offset + bytes.length <= 512)
})

t.test('null takes the parent away', async t => {
  const header = decodeHeader(apply(await fullHead(), { parent: null, parentModification: null }), PATH)
  t.equal(header.parent, undefined)
  t.equal(header.parentModification, undefined)
})

t.test('nothing to change is no write', async t => {
  t.strictSame(patchHeader({}), [])
})

t.test('what does not fit its field is refused', async t => {
  for (const value of [-1, 2 ** 32, 0.5, Number.NaN]) {
    t.throws(() => patchHeader({ allocatedBlocks: value }), RangeError)
    t.throws(() => patchHeader({ blockCount: value }), RangeError)
  }
  for (const value of [-1, 2 ** 53, 0.5]) t.throws(() => patchHeader({ capacity: value }), RangeError)
  t.throws(() => patchHeader({ parent: 'none' }), RangeError)
})
