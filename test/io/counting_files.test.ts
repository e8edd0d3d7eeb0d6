import t from 'tap'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'

t.test('reading changes nothing and is counted by path', async t => {
  const below = new RecordedFiles()
  await (await below.open('/a', 'create')).write(new Uint8Array(1000), 0)
  const { files, bytesRead, bytesWritten, changes } = countingFiles(below)
  const file = await files.open('/a', 'write')
  await file.read(new Uint8Array(600), 0)
  await file.read(new Uint8Array(600), 600)
  await file.sync()
  await files.readFile('/a', 1000)
  await file.close()
  await files.syncFolder('/')
  t.same(changes(), [])
  t.same([...bytesRead], [['/a', 2000]])
  t.same([...bytesWritten], [])
})

t.test('every change is seen, also one that fails', async t => {
  const { files, bytesWritten, changes } = countingFiles(new RecordedFiles())
  await files.makeFolder('/m')
  const file = await files.open('/m/a', 'create')
  await file.write(new Uint8Array(10), 0)
  await file.write(new Uint8Array(5), 0)
  await file.truncate(1)
  await file.copyOwner(await file.stat())
  await files.link('/m/a', '/m/b')
  await files.rename('/m/b', '/m/c')
  await files.unlink('/m/c')
  await t.rejects(files.unlink('/m/c'))
  t.same(changes(), [
    'makeFolder /m',
    'create /m/a',
    'write /m/a',
    'write /m/a',
    'truncate /m/a',
    'copyOwner /m/a',
    'link /m/a to /m/b',
    'rename /m/b to /m/c',
    'unlink /m/c',
    'unlink /m/c',
  ])
  t.same([...bytesWritten], [['/m/a', 15]])
})
