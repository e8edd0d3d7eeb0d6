import t from 'tap'
import { describeEntry } from '../../lib/io/file_log.ts'
import { splitByDurability } from '../../lib/io/pending_changes.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'

/** The durable and pending changes after some work, as text; the folder /m exists before. */
async function split(work: (files: RecordedFiles) => Promise<void>): Promise<{
  durable: string[]
  pending: string[]
  needs: (readonly number[])[]
}> {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  await files.makeFolder('/n')
  for (const name of ['old', 'older']) await (await files.open(`/m/${name}`, 'create')).close()
  files.settle()
  await work(files)
  const { durable, pending } = splitByDurability(files.entries)
  return {
    durable: durable.map(describeEntry),
    pending: pending.map(({ entry }) => describeEntry(entry)),
    needs: pending.map(({ needs }) => needs),
  }
}

t.test('content is safe once its file was flushed, a name once its folder was', async t => {
  const seen = await split(async files => {
    const file = await files.open('/m/new', 'create')
    await file.write(new Uint8Array(1), 0)
    await file.sync()
    await file.write(new Uint8Array(2), 0)
    await files.rename('/m/old', '/m/renamed')
    await files.syncFolder('/m')
    await files.unlink('/m/older')
    await file.truncate(0)
  })
  t.same(seen.durable, ['create /m/new', 'write /m/new 0+1', 'rename /m/old to renamed'])
  t.same(seen.pending, ['write /m/new 0+2', 'unlink /m/older', 'truncate /m/new 0'])
})

t.test('a rename into another folder is safe once both folders were flushed', async t => {
  const move = async (files: RecordedFiles): Promise<void> => files.rename('/m/old', '/n/old')
  const half = await split(async files => {
    await move(files)
    await files.syncFolder('/n')
  })
  t.same(half.pending, ['rename /m/old to old'])
  const whole = await split(async files => {
    await move(files)
    await files.syncFolder('/n')
    await files.syncFolder('/m')
  })
  t.same(whole.durable, ['rename /m/old to old'])
})

t.test('the changes of one name keep their order, those of other names do not', async t => {
  const seen = await split(async files => {
    await files.rename('/m/old', '/m/x')
    await files.unlink('/m/older')
    await files.open('/m/old', 'create')
    await files.unlink('/m/x')
  })
  t.same(seen.needs, [[], [], [0], [0]])
})

t.test('what a safe change of the same name needs is safe too', async t => {
  const seen = await split(async files => {
    await files.rename('/m/old', '/n/x')
    await files.unlink('/n/x')
    await files.syncFolder('/n')
  })
  t.same(seen.durable, ['rename /m/old to x', 'unlink /n/x'])
  t.same(seen.pending, [])
})
