import { createHash } from 'node:crypto'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { errorCode } from '../../lib/io/errno.ts'
import { describeEntry } from '../../lib/io/file_log.ts'
import type { FileAccess, Files, OpenFile } from '../../lib/io/files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import type { SeededRandom } from '../../lib/io/seeded_random.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { budgetMs, randomBytes, testRandom } from '../fixtures/test_run.ts'

type Deed = (files: Files, open: OpenFile[]) => Promise<unknown>

const NAMES = ['a', 'b', 'c', 'folder', 'folder/a', 'folder/b', 'folder/c', 'folder/sub', 'folder/sub/a']
const EXTRA_NAMES = ['link', 'link/a', 'to-file', 'dangling', 'a/below', 'nothing/here', '.']

t.test(
  'does what a real file system does, errors included',
  { skip: process.platform !== 'linux' },
  async t => {
    const random = testRandom(t)
    const end = Date.now() + budgetMs(3)
    let rounds = 0
    while (Date.now() < end && rounds < 60) {
      rounds++
      const folder = await temporaryFolder(t)
      const double = new RecordedFiles()
      await double.makeFolder(folder)
      for (const [name, target] of [
        ['link', 'folder'],
        ['to-file', join(folder, 'a')],
        ['dangling', '../nothing'],
      ] as const) {
        await symlink(target, join(folder, name))
        double.addLink(join(folder, name), target)
      }
      const sides = [
        { files: realFiles, open: [] as OpenFile[] },
        { files: double, open: [] as OpenFile[] },
      ]
      for (let step = 0; step < 120; step++) {
        const { text, deed } = randomDeed(random, folder)
        const [real, memory] = await Promise.all(sides.map(({ files, open }) => outcome(deed(files, open))))
        if (!t.same(memory, real, `round ${rounds}, step ${step}: ${text}`)) return
      }
      const [real, memory] = await Promise.all(sides.map(({ files }) => everything(files, folder)))
      t.same(memory, real, 'in the end both hold the same')
      for (const { open } of sides) for (const file of open) await file.close()
    }
    t.comment(`${rounds} rounds`)
  },
)

t.test('records each change with the inode it was done to', async t => {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  const file = await files.open('/m/a', 'create')
  await file.write(new Uint8Array([1, 2]), 512)
  await file.truncate(100)
  await file.copyOwner({ ...(await file.stat()), mode: 0o640 })
  await file.sync()
  await files.link('/m/a', '/m/b')
  await files.rename('/m/a', '/m/c')
  await files.unlink('/m/b')
  await files.syncFolder('/m')
  await file.write(new Uint8Array([3]), 0)
  await file.reserve(100)
  await file.reserve(101)
  t.same(files.entries.map(describeEntry), [
    'mkdir /m',
    'syncFolder /',
    'create /m/a',
    'write /m/a 512+2',
    'truncate /m/a 100',
    'setowner /m/a',
    'sync /m/a',
    'link /m/b',
    'rename /m/a to c',
    'unlink /m/b',
    'syncFolder /m',
    'write /m/a 0+1',
    'truncate /m/a 101',
  ])
  const inodes = files.entries.flatMap(entry => (entry.path === '/m/a' ? [entry.inode] : []))
  t.equal(new Set(inodes).size, 1, 'an open file keeps its identity when it is renamed')
  t.same((await files.readFile('/m/c', 1000))[0], 3)
})

t.test('a recorded write keeps its bytes when the caller uses the buffer again', async t => {
  const files = new RecordedFiles()
  const file = await files.open('/a', 'create')
  const buffer = new Uint8Array(65_536).fill(1)
  await file.write(buffer, 0)
  buffer.fill(2)
  t.ok((await files.readFile('/a', 65_536)).every(byte => byte === 1))
})

t.test('fork() and settle() start anew from the present state', async t => {
  const files = new RecordedFiles({ freeBytes: 1000 })
  const file = await files.open('/a', 'create')
  await file.write(new Uint8Array([1]), 0)
  const copy = files.fork()
  t.equal(copy.entries.length, 0)
  t.equal(await copy.freeSpace('/'), 1000)
  await file.write(new Uint8Array([2]), 0)
  t.same(await copy.readFile('/a', 10), new Uint8Array([1]))
  t.same(await files.readFile('/a', 10), new Uint8Array([2]))
  files.settle()
  t.equal(files.entries.length, 0)
  t.same(await files.readFile('/a', 10), new Uint8Array([2]))
})

function randomDeed(random: SeededRandom, folder: string): { text: string; deed: Deed } {
  const path = (): string => join(folder, random.pick(random.below(5) === 0 ? EXTRA_NAMES : NAMES))
  const [a, b] = [path(), path()]
  const which = random.below(6)
  const position = random.pick([0, 1, 511, 512, 5000, 16_384, 20_000])
  const data = randomBytes(random, random.pick([0, 1, 512, 5000, 17_000]))
  const access = random.pick<FileAccess>(['read', 'write', 'create', 'create'])
  const mode = random.pick([0o600, 0o640, 0o644])
  const onFile =
    (use: (file: OpenFile) => Promise<unknown>): Deed =>
    async (_, open) => {
      const file = open[which % Math.max(1, open.length)]
      return file === undefined ? undefined : use(file)
    }
  const deeds: Record<string, Deed> = {
    [`open ${access} ${a}`]: async (files, open) => {
      open.push(await files.open(a, access))
    },
    [`open write ${a}`]: async (files, open) => {
      open.push(await files.open(a, 'write'))
    },
    [`write ${which} ${position}+${data.length}`]: onFile(file => file.write(data, position)),
    [`read ${which} ${position}+${data.length}`]: onFile(async file => {
      const buffer = new Uint8Array(data.length)
      return [await file.read(buffer, position), digest(buffer)]
    }),
    [`truncate ${which} ${position}`]: onFile(file => file.truncate(position)),
    [`sync ${which}`]: onFile(file => file.sync()),
    [`fstat ${which}`]: onFile(async file => comparable(await file.stat())),
    [`copyOwner ${which} ${mode}`]: onFile(async file => file.copyOwner({ ...(await file.stat()), mode })),
    [`close ${which}`]: onFile(async file => file.close()),
    [`rename ${a} ${b}`]: files => files.rename(a, b),
    [`link ${a} ${b}`]: files => files.link(a, b),
    [`unlink ${a}`]: files => files.unlink(a),
    [`makeFolder ${a}`]: files => files.makeFolder(a),
    [`syncFolder ${a}`]: files => files.syncFolder(a),
    [`stat ${a}`]: async files => comparable(await files.stat(a)),
    [`realPath ${a}`]: files => files.realPath(a),
    [`list ${a}`]: files => files.list(a),
    [`readFile ${a}`]: async files => digest(await files.readFile(a, 20_000)),
    [`freeSpace ${a}`]: async files => typeof (await files.freeSpace(a)),
  }
  const text = random.pick(Object.keys(deeds))
  return { text, deed: deeds[text] ?? (async () => undefined) }
}

/** What must be equal; sizes of folders and times are each file system's own. */
function comparable(stat: Awaited<ReturnType<Files['stat']>>): unknown {
  if (stat === undefined || stat.kind !== 'file') return stat?.kind
  const { kind, size, links, mode } = stat
  return { kind, size, links, mode }
}

async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    value => ({ value }),
    error => ({ error: errorCode(error) ?? error.name }),
  )
}

async function everything(files: Files, folder: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const name of await files.list(folder)) {
    const path = join(folder, name)
    const stat = await files.stat(path)
    found[path] = [comparable(stat), stat?.kind === 'file' && digest(await files.readFile(path, 1 << 20))]
    if (stat?.kind === 'folder') Object.assign(found, await everything(files, path))
  }
  return found
}

function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`
}

t.test('two that look the same have the same digest, others have not', async t => {
  const make = async (): Promise<RecordedFiles> => {
    const files = new RecordedFiles()
    await files.makeFolder('/m')
    const file = await files.open('/m/a', 'create')
    await file.write(new Uint8Array(40_000).fill(7), 0)
    await file.close()
    return files
  }
  const files = await make()
  const digest = files.digest()
  t.equal((await make()).digest(), digest)
  t.equal(files.fork().digest(), digest)
  const changes: ((files: RecordedFiles) => Promise<unknown>)[] = [
    async files => await (await files.open('/m/a', 'write')).write(new Uint8Array(1), 39_999),
    async files => await (await files.open('/m/a', 'write')).truncate(40_001),
    async files => await files.rename('/m/a', '/m/b'),
    async files => await files.link('/m/a', '/m/b'),
    async files => await files.makeFolder('/m/b'),
  ]
  const seen = new Set([digest])
  for (const change of changes) {
    const other = files.fork()
    await change(other)
    seen.add(other.digest())
  }
  t.equal(seen.size, changes.length + 1)
  t.equal(files.digest(), digest, 'a fork changes nothing')
})
