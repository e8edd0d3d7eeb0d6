import t from 'tap'
import type { BlockPlan } from '../../../lib/blocks/block_plan.ts'
import { copyBlocks } from '../../../lib/engine/direct/fold_copy.ts'
import type { OpenFile } from '../../../lib/io/files.ts'

const MIB = 2 ** 20
const blockSize = 4 * MIB
const layout = { blockSize, blockExtra: 0, dataOffset: MIB }

/** A plan that fills blocks with zeros, and a file that notes what is done to it. */
function scene(count: number, sync: () => Promise<void> = async () => {}) {
  const numbers = Uint32Array.from({ length: count }, (_, block) => block)
  const pieces: BlockPlan['pieces'] = () => [{ offset: 0, length: blockSize, source: 'zero' }]
  const plan: Pick<BlockPlan, 'table' | 'writes' | 'pieces'> = { table: numbers, writes: numbers, pieces }
  const done: string[] = []
  const file: Pick<OpenFile, 'write' | 'sync'> = {
    write: async (_bytes, position) => {
      done.push(`write ${(position - layout.dataOffset) / blockSize}`)
    },
    sync: async () => {
      done.push('sync')
      await sync()
    },
  }
  const job = { plan: plan as BlockPlan, images: new Map(), modification: '' }
  return { done, run: () => copyBlocks(job, file as OpenFile, layout) }
}

t.test('copyBlocks() flushes while it still copies, where there is much to copy', async t => {
  const { done, run } = scene(40)
  await run()
  const writes = done.filter(one => one !== 'sync')
  t.same(new Set(writes), new Set(Array.from({ length: 40 }, (_, block) => `write ${block}`)))
  const first = done.indexOf('sync')
  t.ok(first >= 16 && first < 24, `the first flush comes after 64 MiB: ${first} blocks`)
})

t.test('copyBlocks() leaves flushing to its caller where there is little', async t => {
  const { done, run } = scene(15)
  await run()
  t.notOk(done.includes('sync'))
})

t.test('copyBlocks() fails when a flush on the way fails', async t => {
  const { run } = scene(17, async () => {
    throw new Error('the disk is gone')
  })
  await t.rejects(run(), { message: 'the disk is gone' })
})
