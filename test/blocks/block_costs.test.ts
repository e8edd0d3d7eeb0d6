import t from 'tap'
import { cheaperPlan } from '../../lib/blocks/block_costs.ts'
import { freshPlan, planBlocks } from '../../lib/blocks/plan_blocks.ts'
import { type ModelImage, makeImage } from '../fixtures/block_model.ts'
import { toFoldRange } from '../fixtures/model_fold.ts'

function image(content: string, more: Partial<ModelImage> = {}): ModelImage {
  return makeImage({
    variant: more.variant ?? 'dynamic',
    blockSize: 8,
    capacity: more.capacity ?? 8 * content.length,
    content,
    mark: 1,
  })
}

t.test('in place only what changes is read and written', async t => {
  const range = toFoldRange([image('dddf'), image('fdfd', { variant: 'differencing' })], {
    target: 0,
    top: 1,
  })
  const { costs } = planBlocks(range)
  t.same(costs, { readBytes: 16, writtenBytes: 16 + 4, neededBytes: 8, freedBytes: -8 })
})

t.test('a fresh file costs every block and a whole table', async t => {
  const range = toFoldRange([image('dddf'), image('fdfd', { variant: 'differencing' })], {
    target: 0,
    top: 1,
  })
  const { costs, fileSize } = freshPlan(range)
  t.same(costs, { readBytes: 32, writtenBytes: 32 + 16, neededBytes: fileSize, freedBytes: -8 })
})

t.test('zeros are written but not read', async t => {
  const range = toFoldRange([image('df', { variant: 'fixed' })], { target: 0, top: 0 })
  t.same(planBlocks(range).costs, { readBytes: 0, writtenBytes: 8 + 4, neededBytes: 8, freedBytes: -8 })
})

t.test('growth costs its new entries and the zeros behind the old end', async t => {
  const chain = [image('d', { capacity: 5 }), image('ff', { variant: 'differencing' })]
  const { costs } = planBlocks(toFoldRange(chain, { target: 0, top: 1 }))
  t.same(costs, { readBytes: 0, writtenBytes: 3 + 4, neededBytes: 0, freedBytes: 0 })
})

t.test('in place is preferred unless the table has no room', async t => {
  const range = toFoldRange([image('dd'), image('fd', { variant: 'differencing' })], { target: 0, top: 1 })
  t.equal(cheaperPlan(planBlocks(range), freshPlan(range)).way, 'in-place')
  const wide = toFoldRange([image('dd'), image('fffff', { variant: 'differencing' })], { target: 0, top: 1 })
  const tight = { ...wide, target: { ...wide.target, tableOffset: 4088 } }
  t.equal(cheaperPlan(planBlocks(tight), freshPlan(tight)).way, 'fresh')
})
