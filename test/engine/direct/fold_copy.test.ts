import t from 'tap'
import type { BlockPlan } from '../../../lib/blocks/block_plan.ts'
import { copyBlocks } from '../../../lib/engine/direct/fold_copy.ts'
import type { OpenImage } from '../../../lib/image/image.ts'
import type { OpenFile } from '../../../lib/io/files.ts'

const MIB = 2 ** 20
const blockSize = 4 * MIB
/** File offset of a source that is not shared. */
const UNSHAREABLE = MIB + 2 * blockSize

const layout = { blockSize, blockExtra: 0, dataOffset: MIB }

const zeros: BlockPlan['pieces'] = () => [{ offset: 0, length: blockSize, source: 'zero' }]

/** A plan that fills blocks with zeros, and a file that notes what is done to it. */
function scene(count: number, sync: () => Promise<void> = async () => {}, pieces = zeros) {
  const numbers = Uint32Array.from({ length: count }, (_, block) => block)
  const plan: Pick<BlockPlan, 'table' | 'writes' | 'pieces'> = { table: numbers, writes: numbers, pieces }
  const done: string[] = []
  const file: Pick<OpenFile, 'write' | 'sync' | 'share'> = {
    share: async (_source, from, length, position) => {
      done.push(`share ${(position - layout.dataOffset) / blockSize}: ${from}+${length}`)
      return from !== UNSHAREABLE
    },
    write: async (_bytes, position) => {
      done.push(`write ${(position - layout.dataOffset) / blockSize}`)
    },
    sync: async () => {
      done.push('sync')
      await sync()
    },
  }
  const source = {
    path: '/m/source.vdi',
    file: { read: async (buffer: Uint8Array) => buffer.length },
    header: layout,
  }
  const images = new Map([[1, source as unknown as OpenImage]])
  const shared: number[] = []
  const onShared = (bytes: number): unknown => shared.push(bytes)
  const job = { plan: plan as BlockPlan, images, modification: '', onShared }
  return { done, shared, run: () => copyBlocks(job, file as OpenFile, layout) }
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

t.test('copyBlocks() shares blocks where files can, and copies the others', async t => {
  const pieces: BlockPlan['pieces'] = block => [
    { offset: 0, length: blockSize, source: { image: 1, slot: block, offset: 0 } },
  ]
  const { done, shared, run } = scene(4, undefined, pieces)
  await run()
  const tries = done.filter(one => one.startsWith('share'))
  t.same(
    tries,
    [0, 1, 2, 3].map(block => `share ${block}: ${MIB + block * blockSize}+${blockSize}`),
  )
  t.same(
    done.filter(one => one.startsWith('write')),
    ['write 2'],
    'only what could not be shared is written',
  )
  t.same(shared, [blockSize, blockSize, blockSize])
})
