import t from 'tap'
import { planBlocks } from '../../../lib/blocks/plan_blocks.ts'
import { readFoldRange } from '../../../lib/engine/direct/fold_range.ts'
import { foldRuns } from '../../../lib/engine/direct/fold_runs.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { BLOCK, type DiskWish, openChainOf, putChain } from '../../fixtures/fold_disks.ts'

interface ShortRun {
  readonly to: number
  readonly length: number
  /** Start in the run, length, name of the file or `zero`, file offset. */
  readonly parts: readonly (readonly [number, number, string, number])[]
}

async function runsOf(wishes: readonly DiskWish[], maxBytes: number): Promise<ShortRun[]> {
  const files = new RecordedFiles()
  const chain = await openChainOf(files, await putChain(files, wishes))
  const range = await readFoldRange(chain, { target: 0, top: wishes.length - 1 })
  const job = { plan: planBlocks(range), images: new Map(chain.entries()), modification: '' }
  return Array.from(foldRuns(job, range.target, maxBytes), ({ to, length, parts }) => ({
    to,
    length,
    parts: parts.map(part => [part.at, part.length, part.image?.path ?? 'zero', part.position] as const),
  }))
}

t.test('blocks that lie together in both files are one run with one read', async t => {
  const runs = await runsOf([{ content: 'fff' }, { content: 'ddd' }], 8 * BLOCK)
  t.same(runs, [{ to: 4096, length: 3 * BLOCK, parts: [[0, 3 * BLOCK, '/m/1.vdi', 4096]] }])
})

t.test('blocks that lie apart in their image are one run with several reads', async t => {
  const runs = await runsOf(
    [{ content: 'ff' }, { content: 'df' }, { content: 'fd', blockSize: BLOCK }],
    8 * BLOCK,
  )
  const parts = [
    [0, BLOCK, '/m/1.vdi', 4096],
    [BLOCK, BLOCK, '/m/2.vdi', 4096],
  ]
  t.same(runs, [{ to: 4096, length: 2 * BLOCK, parts }])
})

t.test('a block larger than a run is split, and each part is read from its own place', async t => {
  const runs = await runsOf([{ content: 'f' }, { content: 'd' }], BLOCK / 2)
  t.same(runs, [
    { to: 4096, length: BLOCK / 2, parts: [[0, BLOCK / 2, '/m/1.vdi', 4096]] },
    { to: 4096 + BLOCK / 2, length: BLOCK / 2, parts: [[0, BLOCK / 2, '/m/1.vdi', 4096 + BLOCK / 2]] },
  ])
})

t.test('zeros next to each other are one part', async t => {
  const runs = await runsOf([{ content: 'dd', fixed: true }, { content: 'zz' }], 8 * BLOCK)
  t.same(runs, [{ to: 4096, length: 2 * BLOCK, parts: [[0, 2 * BLOCK, 'zero', 0]] }])
})

t.test('what stays between two changed blocks is not written', async t => {
  const runs = await runsOf([{ content: 'ddd' }, { content: 'dfd' }], 8 * BLOCK)
  t.same(
    runs.map(({ to, length }) => [to, length]),
    [
      [4096, BLOCK],
      [4096 + 2 * BLOCK, BLOCK],
    ],
  )
})
