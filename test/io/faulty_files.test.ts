import t from 'tap'
import { errorCode } from '../../lib/io/errno.ts'
import { type Fault, faultyFiles } from '../../lib/io/faulty_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'

async function outcomes(works: readonly (() => Promise<unknown>)[]): Promise<(string | undefined)[]> {
  const codes: (string | undefined)[] = []
  for (const work of works) {
    codes.push(
      await work().then(
        () => 'done',
        error => errorCode(error),
      ),
    )
  }
  return codes
}

async function withFile(...faults: Fault[]) {
  const below = new RecordedFiles()
  await (await below.open('/a', 'create')).write(Buffer.from('0123456789'), 0)
  await (await below.open('/b', 'create')).close()
  const faulty = faultyFiles(below, faults)
  return { ...faulty, below }
}

t.test('the Nth call fails, the others do not', async t => {
  const { files, counts, hits } = await withFile({ operation: 'stat', at: 2, error: 'EACCES' })
  const look = () => files.stat('/a')
  t.same(await outcomes([look, look, look]), ['done', 'EACCES', 'done'])
  t.same(counts, [3])
  t.equal(hits(), 1)
})

t.test('a sticky fault stays', async t => {
  const { files, below } = await withFile({ operation: 'changing', at: 2, error: 'ENOSPC', sticky: true })
  const file = await files.open('/a', 'write')
  const write = () => file.write(Buffer.from('x'), 0)
  const codes = await outcomes([
    write,
    () => file.sync(),
    () => files.unlink('/b'),
    write,
    () => files.stat('/a'),
  ])
  t.same(codes, ['done', 'done', 'ENOSPC', 'ENOSPC', 'done'])
  t.same(await below.list('/'), ['a', 'b'])
})

t.test('a fault can be meant for one path, also as the second of two', async t => {
  const { files } = await withFile({ operation: 'any', path: /c$/, at: 1, sticky: true })
  const codes = await outcomes([() => files.rename('/a', '/c'), () => files.rename('/a', '/d')])
  t.same(codes, ['EIO', 'done'])
})

t.test('a short read ends early', async t => {
  const { files } = await withFile({ operation: 'read', at: 1, short: true })
  const file = await files.open('/a', 'read')
  const buffer = new Uint8Array(10)
  t.equal(await file.read(buffer, 0), 5)
  t.equal(Buffer.from(buffer).toString(), '01234\0\0\0\0\0')
  t.equal(await file.read(buffer, 0), 10)
})

t.test('a short write leaves the sectors in its first half and fails', async t => {
  const { files, below } = await withFile({ operation: 'write', at: 1, short: true, sticky: true })
  const file = await files.open('/a', 'write')
  t.same(await outcomes([() => file.write(Buffer.from('abcdef'), 0)]), ['ENOSPC'])
  t.equal(Buffer.from(await below.readFile('/a', 99)).toString(), '0123456789', 'of one sector nothing')
  t.same(await outcomes([() => file.write(Buffer.alloc(1200, 'x'), 8)]), ['ENOSPC'])
  t.equal(Buffer.from(await below.readFile('/a', 2000)).toString(), `01234567${'x'.repeat(504)}`)
})

t.test('every operation can fail', async t => {
  const { files } = await withFile()
  const like = await (await files.open('/a', 'read')).stat()
  const byName: Record<string, (files: Awaited<ReturnType<typeof withFile>>['files']) => Promise<unknown>> = {
    stat: files => files.stat('/a'),
    realPath: files => files.realPath('/a'),
    list: files => files.list('/'),
    readFile: files => files.readFile('/a', 99),
    open: files => files.open('/a', 'write'),
    create: files => files.open('/c', 'create'),
    rename: files => files.rename('/a', '/c'),
    link: files => files.link('/a', '/c'),
    unlink: files => files.unlink('/a'),
    makeFolder: files => files.makeFolder('/c'),
    syncFolder: files => files.syncFolder('/'),
    freeSpace: files => files.freeSpace('/'),
    fileStat: async files => (await files.open('/a', 'write')).stat(),
    read: async files => (await files.open('/a', 'write')).read(new Uint8Array(1), 0),
    write: async files => (await files.open('/a', 'write')).write(new Uint8Array(1), 0),
    truncate: async files => (await files.open('/a', 'write')).truncate(0),
    reserve: async files => (await files.open('/a', 'write')).reserve(9),
    sync: async files => (await files.open('/a', 'write')).sync(),
    copyOwner: async files => (await files.open('/a', 'write')).copyOwner(like),
    close: async files => (await files.open('/a', 'write')).close(),
  }
  for (const [operation, deed] of Object.entries(byName)) {
    const { files } = await withFile({ operation: operation as Fault['operation'], at: 1, error: 'EDQUOT' })
    t.same(await outcomes([() => deed(files)]), ['EDQUOT'], operation)
  }
})
