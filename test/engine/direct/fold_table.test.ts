import t from 'tap'
import { FREE, ZERO } from '../../../lib/blocks/constants.ts'
import { planBlocks } from '../../../lib/blocks/plan_blocks.ts'
import { droppedTable, writeEntries, writeTable } from '../../../lib/engine/direct/fold_table.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { makeImage } from '../../fixtures/block_model.ts'
import { toFoldRange } from '../../fixtures/model_fold.ts'

const START = 512

/** Writes with `write` and returns the entries of the file from `START` on, and the places that were written. */
async function written(
  write: (file: Awaited<ReturnType<RecordedFiles['open']>>) => Promise<void>,
): Promise<{ entries: number[]; places: number[][] }> {
  const files = new RecordedFiles()
  const file = await files.open('/table', 'create')
  files.settle()
  await write(file)
  const places = files.recording().entries.flatMap(entry => {
    return entry.kind === 'write' ? [[(entry.position - START) / 4, entry.data.length / 4]] : []
  })
  const bytes = Buffer.from(await files.readFile('/table', 2 ** 24)).subarray(START)
  return { entries: Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32LE(4 * at)), places }
}

t.test('entries near each other are written in one go, distant ones are not', async t => {
  const table = Uint32Array.from({ length: 5000 }, (_, block) => 7 * block)
  const blocks = Uint32Array.of(2, 3, 500, 4000, 4999)
  const { entries, places } = await written(file => writeEntries(file, START, table, blocks))
  t.same(places, [
    [2, 499],
    [4000, 1000],
  ])
  for (const block of blocks) t.equal(entries[block], 7 * block)
})

t.test('no entries, no write', async t => {
  const { places } = await written(file =>
    writeEntries(file, START, Uint32Array.of(1, 2), new Uint32Array(0)),
  )
  t.same(places, [])
})

t.test('a long table is written in parts that join without a gap', async t => {
  const table = Uint32Array.from({ length: 600_000 }, (_, block) => block + 1)
  const { entries, places } = await written(file => writeTable(file, START, table, 5, table.length))
  t.equal(places.length, 3)
  t.ok(entries.every((entry, block) => entry === (block < 5 ? 0 : block + 1)))
  t.equal(entries.length, 600_000)
})

t.test('the table between drops and data holds the old entries of all other blocks', async t => {
  const low = { variant: 'dynamic' as const, blockSize: 1, capacity: 4, content: 'dzddd', mark: 0 }
  const chain = [
    makeImage(low),
    makeImage({ ...low, variant: 'differencing', capacity: 6, content: 'zdfdfd' }),
  ]
  const plan = planBlocks(toFoldRange(chain, { target: 0, top: 1 }))
  t.same([...droppedTable(plan)], [FREE, ZERO, 1, 2, FREE, FREE], 'and none behind the old end')
})
