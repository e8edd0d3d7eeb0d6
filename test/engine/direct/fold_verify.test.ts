import t from 'tap'
import { verifyTables } from '../../../lib/engine/direct/fold_verify.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { BLOCK, putChain } from '../../fixtures/fold_disks.ts'
import { NEW_MODIFICATION, runFold } from '../../fixtures/fold_run.ts'

async function foldedAnd(
  change: (bytes: DataView, file: { cut(length: number): void }) => void,
): Promise<unknown> {
  const files = new RecordedFiles()
  const paths = await putChain(files, [{ content: 'dfd' }, { content: 'fdf' }])
  const plan = await runFold(files, { paths, target: 0, top: 1 })
  const path = paths[0] ?? ''
  const bytes = await files.readFile(path, 2 ** 24)
  let length = bytes.length
  change(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), { cut: to => (length = to) })
  const file = await files.open(path, 'write')
  await file.write(bytes, 0)
  await file.truncate(length)
  await file.close()
  return verifyTables(files, path, plan, NEW_MODIFICATION).catch((error: unknown) => error)
}

t.test('an image that is as planned is confirmed', async t => {
  t.equal(await foldedAnd(() => undefined), undefined)
})

t.test('an image that differs from the plan is reported with the difference', async t => {
  const wrong = async (message: RegExp, change: Parameters<typeof foldedAnd>[0]): Promise<void> => {
    t.match(await foldedAnd(change), { code: 'verify_failed', message })
  }
  await wrong(/the entry of block 1 is 4294967295, not 2 as planned/, view =>
    view.setUint32(516, 0xffffffff, true),
  )
  await wrong(/number of allocated blocks is 2, not 3/, view => view.setUint32(0x184, 2, true))
  await wrong(/its capacity is \d+, not/, view => view.setUint32(0x170, 2 * BLOCK, true))
  await wrong(/modification UUID is 7777/, view => view.setUint8(0x1a7, 1))
  await wrong(/its length is \d+, not/, (_, { cut }) => cut(4096 + 2 * BLOCK))
})
