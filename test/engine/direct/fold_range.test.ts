import t from 'tap'
import { readFoldRange } from '../../../lib/engine/direct/fold_range.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { BLOCK, type DiskWish, openChainOf, putChain } from '../../fixtures/fold_disks.ts'

async function rangeOf(
  wishes: readonly DiskWish[],
  target: number,
  top: number,
): ReturnType<typeof readFoldRange> {
  const files = new RecordedFiles()
  return readFoldRange(await openChainOf(files, await putChain(files, wishes)), { target, top })
}

t.test('the map above the target is made in the smallest block of the range', async t => {
  const range = await rangeOf([{ content: 'dd', blockSize: 2 * BLOCK }, { content: 'fdzf' }], 0, 1)
  t.equal(range.above?.unitSize, BLOCK)
  t.equal(range.above?.owners[1], 1)
  t.equal(range.target.blockSize, 2 * BLOCK)
  t.equal(range.below, undefined)
})

t.test('what lies below is read only where the target can be covered in part', async t => {
  const chain = [{ content: 'dddd' }, { content: 'ff', blockSize: 2 * BLOCK }, { content: 'fdzf' }]
  t.equal((await rangeOf(chain, 1, 2)).below?.owners[0], 0)
  t.equal((await rangeOf([{ content: 'dd' }, { content: 'ff' }, { content: 'fd' }], 1, 2)).below, undefined)
})

t.test('a range of one image has nothing above it', async t => {
  const range = await rangeOf([{ content: 'dd' }, { content: 'fd' }], 0, 0)
  t.equal(range.above, undefined)
  t.equal(range.capacity, 2 * BLOCK)
})

t.test('a disk that is larger than the one above it is refused by name', async t => {
  const message = /"\/m\/0.vdi": its disk has 393216 bytes, that of "\/m\/1.vdi" above it has only 262144/
  await t.rejects(rangeOf([{ content: 'ddd' }, { content: 'fd' }], 0, 1), { code: 'unsupported', message })
  await t.rejects(rangeOf([{ content: 'ddd' }, { content: 'fd' }, { content: 'fff' }], 1, 2), {
    code: 'unsupported',
  })
})

t.test('a target that an interrupted fold has enlarged to the size of the top is accepted', async t => {
  const range = await rangeOf([{ content: 'ddd' }, { content: 'fd' }, { content: 'fff' }], 0, 2)
  t.equal(range.above?.reach, 2 * BLOCK)
})

t.test('a block table that cannot be followed is refused', async t => {
  const chain = [{ content: 'dd' }, { content: 'dd', order: [0, 0], allocated: 1 }, { content: 'ff' }]
  await t.rejects(rangeOf(chain, 0, 2), { code: 'image_corrupt', message: /1.vdi/ })
  await t.rejects(rangeOf(chain, 1, 2), { code: 'image_corrupt', message: /1.vdi/ })
})
