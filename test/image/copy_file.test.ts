import { createHash } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { copyFile, hashFile } from '../../lib/image/copy_file.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const MIB = 1024 * 1024

t.test('a copy has the same bytes, owner and mode, and holes where there are zeros', async t => {
  const folder = await temporaryFolder(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const file = await open(from, 'wx', 0o640)
  await file.write(Buffer.alloc(4096, 7), 0, 4096, 0)
  await file.write(Buffer.alloc(100, 9), 0, 100, 20 * MIB)
  await file.close()
  let told = 0
  await copyFile(realFiles, from, to, { onBytes: bytes => (told += bytes) })
  const [old, copy] = [await readFile(from), await readFile(to)]
  t.ok(old.equals(copy))
  t.equal(told, old.length)
  const { mode, blocks } = await stat(to)
  t.equal(mode & 0o777, 0o640)
  t.ok(blocks * 512 < 10 * MIB, `${blocks * 512} bytes are held`)
  t.equal(await hashFile(realFiles, to), createHash('sha256').update(old).digest('hex'))
  const head = createHash('sha256').update(old.subarray(0, 100)).digest('hex')
  t.equal(await hashFile(realFiles, to, { most: 100 }), head)
  await t.rejects(copyFile(realFiles, from, to), { code: 'EEXIST' }, 'nothing is overwritten')
})

t.test('where files can share, no more than the end is copied', async t => {
  for (const sharing of [true, false]) {
    const files = new RecordedFiles({ sharing })
    const content = Uint8Array.from({ length: 3 * 4096 + 17 }, (_, at) => at % 251)
    const file = await files.open('/from', 'create')
    await file.write(content, 0)
    await file.close()
    let asked = 0
    const beforeCopy = async (): Promise<void> => {
      asked += 1
    }
    t.equal(await copyFile(files, '/from', '/to', { beforeCopy }), sharing ? 'shared' : 'copied')
    t.same(await files.readFile('/to', MIB), content)
    t.equal(asked, sharing ? 0 : 1, 'room is asked for when it is needed')
  }
})
