import { execFileSync } from 'node:child_process'
import { chmod, chown, lstat, mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { errorCode } from '../../lib/io/errno.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const posix = process.platform !== 'win32'
const root = posix && process.getuid?.() === 0

/** Resolves to the code with which a promise rejects, or `done`. */
async function outcome(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => 'done',
    error => errorCode(error) ?? error.name,
  )
}

t.test('a file that was written reads back, also behind its end', async t => {
  const path = join(await temporaryFolder(t), 'a')
  const file = await realFiles.open(path, 'create')
  const data = Uint8Array.from({ length: 3_000_001 }, (_, i) => i % 251)
  await file.write(data, 7)
  const buffer = new Uint8Array(data.length + 100).fill(9)
  t.equal(await file.read(buffer, 0), data.length + 7)
  t.same(buffer.subarray(0, 7), new Uint8Array(7))
  t.ok(Buffer.from(buffer.subarray(7, 7 + data.length)).equals(data))
  t.equal(await file.read(buffer, data.length + 7), 0)
  await file.truncate(5)
  await file.truncate(10)
  t.equal(await file.read(buffer, 0), 10)
  t.same(buffer.subarray(0, 10), new Uint8Array(10))
  await file.sync()
  await file.close()
  t.equal((await realFiles.stat(path))?.size, 10)
  t.equal(await outcome(file.read(buffer, 0)), 'EBADF')
})

t.test('many reads and writes at a time do not get into one another, also far behind 4 GiB', async t => {
  const file = await realFiles.open(join(await temporaryFolder(t), 'a'), 'create')
  const lanes = Array.from({ length: 16 }, (_, lane) => lane)
  const positionOf = (lane: number): number => (lane % 4) * 3 * 2 ** 30 + lane * 70_000 + 5
  const all = async (work: (lane: number) => Promise<unknown>): Promise<void> => {
    await Promise.all(lanes.map(work))
  }
  await all(lane => file.write(new Uint8Array(65_536).fill(lane + 1), positionOf(lane)))
  const buffers = lanes.map(() => new Uint8Array(65_536))
  await all(async lane => file.read(buffers[lane] ?? new Uint8Array(), positionOf(lane)))
  for (const lane of lanes)
    t.ok(
      buffers[lane]?.every(byte => byte === lane + 1),
      `lane ${lane}`,
    )
  const { size, allocatedBytes } = await file.stat()
  t.equal(size, positionOf(15) + 65_536)
  t.ok(allocatedBytes < 8 * 2 ** 20, 'holes take no space')
  await file.close()
})

t.test('a new file is private until copyOwner()', { skip: !posix && 'needs POSIX modes' }, async t => {
  const path = join(await temporaryFolder(t), 'a')
  const file = await realFiles.open(path, 'create')
  const stat = await file.stat()
  t.equal(stat.mode & 0o077, 0)
  await file.copyOwner({ ...stat, mode: 0o640 })
  t.equal((await file.stat()).mode, 0o640)
  await file.close()
})

t.test(
  'copyOwner() gives the file away before it sets the mode',
  { skip: !root && 'needs root' },
  async t => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'like'), '')
    await chown(join(folder, 'like'), 1234, 2345)
    await chmod(join(folder, 'like'), 0o4751)
    const like = await realFiles.stat(join(folder, 'like'))
    const file = await realFiles.open(join(folder, 'a'), 'create')
    if (like !== undefined) await file.copyOwner(like)
    const { mode, owner, group } = await file.stat()
    await file.close()
    t.same({ mode, owner, group }, { mode: 0o4751, owner: 1234, group: 2345 })
  },
)

t.test(
  'copyOwner() leaves an owner that may not be set',
  { skip: !root && 'needs root to drop it' },
  async t => {
    const folder = await temporaryFolder(t)
    await chown(folder, 1234, 1234)
    const like = await realFiles.stat(folder)
    process.setegid?.(1234)
    process.seteuid?.(1234)
    try {
      const file = await realFiles.open(join(folder, 'a'), 'create')
      if (like !== undefined) await file.copyOwner({ ...like, mode: 0o644, owner: 0, group: 0 })
      const { mode, owner, group } = await file.stat()
      await file.close()
      t.same({ mode, owner, group }, { mode: 0o644, owner: 1234, group: 1234 })
      process.seteuid?.(0)
      await writeFile(join(folder, 'foreign'), '', { mode: 0o666 })
      await chmod(join(folder, 'foreign'), 0o666)
      process.seteuid?.(1234)
      const foreign = await realFiles.open(join(folder, 'foreign'), 'write')
      t.equal(await outcome(foreign.copyOwner({ ...(await foreign.stat()), mode: 0o600 })), 'EPERM')
      await foreign.close()
    } finally {
      process.seteuid?.(0)
      process.setegid?.(0)
    }
  },
)

t.test(
  'open() never follows a link, and takes nothing but files',
  { skip: !posix && 'needs links' },
  async t => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'a'), 'x')
    await symlink(join(folder, 'a'), join(folder, 'link'))
    await symlink(join(folder, 'nothing'), join(folder, 'dangling'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    const tryOpen = async (name: string): Promise<(string | undefined)[]> => {
      const path = join(folder, name)
      const open = (access: 'read' | 'write' | 'create') => async () =>
        (await realFiles.open(path, access)).close()
      return Promise.all([open('read'), open('write'), open('create')].map(work => outcome(work())))
    }
    t.same(await tryOpen('link'), ['ELOOP', 'ELOOP', 'EEXIST'])
    t.same(await tryOpen('dangling'), ['ELOOP', 'ELOOP', 'EEXIST'])
    t.same(await tryOpen('pipe'), ['EINVAL', 'EINVAL', 'EEXIST'])
    t.same(await tryOpen('.'), ['EISDIR', 'EISDIR', 'EEXIST'])
    t.equal((await realFiles.stat(join(folder, 'link')))?.kind, 'link')
    t.equal((await realFiles.stat(join(folder, 'pipe')))?.kind, 'other')
    t.equal(await realFiles.realPath(join(folder, 'link')), join(folder, 'a'))
    t.equal(await realFiles.realPath(join(folder, 'dangling')), undefined)
    t.equal(await outcome(realFiles.readFile(join(folder, 'link'), 100)), 'ELOOP')
  },
)

t.test('stat() tells two names of one file, holes and nanoseconds', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'a')
  await writeFile(path, 'x')
  await truncate(path, 8_000_000)
  await realFiles.link(path, join(folder, 'b'))
  const [a, b] = [await realFiles.stat(path), await realFiles.stat(join(folder, 'b'))]
  t.equal(a?.links, 2)
  t.same([a?.device, a?.inode], [b?.device, b?.inode])
  t.equal(a?.size, 8_000_000)
  t.ok((a?.allocatedBytes ?? Infinity) < 8_000_000)
  t.equal(a?.mtimeNs, (await lstat(path, { bigint: true })).mtimeNs)
  t.equal(await realFiles.stat(join(folder, 'a', 'below a file')), undefined)
  t.equal(await realFiles.stat(join(folder, 'nothing')), undefined)
})

t.test('readFile() refuses what is longer than asked for', async t => {
  const path = join(await temporaryFolder(t), 'a')
  await writeFile(path, 'x'.repeat(1000))
  t.equal((await realFiles.readFile(path, 1000)).length, 1000)
  await t.rejects(realFiles.readFile(path, 999), { name: 'RangeError', message: /longer than 999 bytes/ })
})

t.test(
  'readFile() reads files that do not tell their length',
  { skip: process.platform !== 'linux' },
  async t => {
    const bytes = await realFiles.readFile('/proc/self/status', 1 << 20)
    t.match(Buffer.from(bytes).toString(), /^Name:/)
  },
)

t.test('names: rename() replaces, link() does not, folders are made once', async t => {
  const folder = await temporaryFolder(t)
  const at = (name: string): string => join(folder, name)
  await writeFile(at('a'), 'a')
  await writeFile(at('b'), 'b')
  t.equal(await outcome(realFiles.link(at('a'), at('b'))), 'EEXIST')
  await realFiles.rename(at('a'), at('b'))
  t.same(await realFiles.readFile(at('b'), 10), new Uint8Array([97]))
  await realFiles.makeFolder(at('x/y/z'))
  await realFiles.makeFolder(at('x/y/z'))
  await realFiles.syncFolder(at('x/y'))
  await mkdir(at('B'))
  t.same(await realFiles.list(folder), ['B', 'b', 'x'])
  t.same(await realFiles.list(at('nothing')), [])
  await realFiles.unlink(at('b'))
  t.equal(await outcome(realFiles.unlink(at('b'))), 'ENOENT')
})

t.test('what fails on an open file says which', async t => {
  const path = join(await temporaryFolder(t), 'a')
  await writeFile(path, 'abc')
  const file = await realFiles.open(path, 'read')
  const named = {
    code: /^(EBADF|EINVAL)$/,
    path,
    message: / '.*a'$/,
  }
  await t.rejects(file.write(new Uint8Array(1), 0), named, 'write')
  await t.rejects(file.truncate(1), named, 'truncate')
  await file.close()
  await t.rejects(file.read(new Uint8Array(1), 0), named, 'read')
  await t.rejects(file.sync(), named, 'sync')
})

t.test('freeSpace() tells what this user can write', async t => {
  const folder = await temporaryFolder(t)
  const free = await realFiles.freeSpace(folder)
  t.ok(Number.isSafeInteger(free) && free > 0)
  t.equal(await outcome(realFiles.freeSpace(join(folder, 'nothing'))), 'ENOENT')
})

t.test('a position below zero is refused, not taken for "here"', async t => {
  const file = await realFiles.open(join(await temporaryFolder(t), 'a'), 'create')
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
    t.equal(await outcome(file.read(new Uint8Array(1), bad)), 'RangeError')
    t.equal(await outcome(file.write(new Uint8Array(1), bad)), 'RangeError')
    t.equal(await outcome(file.truncate(bad)), 'RangeError')
  }
  t.equal((await file.stat()).size, 0)
  await file.close()
})

t.test(
  'makeFolder() ends where no folder can be made',
  { skip: process.platform !== 'linux' && 'needs /proc', timeout: 10_000 },
  async t => {
    await t.rejects(realFiles.makeFolder('/proc/vboxmerge/a/b'), { code: /^(ENOENT|EACCES)$/ })
    await t.rejects(realFiles.makeFolder('/proc/version/a'), { code: 'ENOTDIR' })
    await t.rejects(realFiles.makeFolder('/proc/version'), { code: 'EEXIST' })
  },
)
