import { execFileSync, spawnSync } from 'node:child_process'
import { truncateSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const MIB = 2 ** 20

/** Why a file system of this kind cannot be tried, or false. */
function whyNot(mkfs: string, debianPackage: string): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  const found = spawnSync('sh', ['-c', `PATH=$PATH:/sbin:/usr/sbin command -v ${mkfs}`]).status === 0
  return found ? false : `needs ${mkfs} (Debian: package ${debianPackage})`
}

async function mounted(t: Test, make: readonly string[]): Promise<string> {
  const folder = await temporaryFolder(t)
  const image = join(folder, 'image')
  const mount = join(folder, 'mount')
  await mkdir(mount)
  execFileSync('truncate', ['-s', String(512 * MIB), image])
  const env = { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` }
  execFileSync(make[0] ?? '', [...make.slice(1), image], { env })
  execFileSync('mount', ['-o', 'loop', image, mount])
  t.teardown(() => unmount(mount))
  return mount
}

/** Files that are still being closed keep a mount busy for a moment. */
async function unmount(mount: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    if (spawnSync('umount', [mount]).status === 0) return
    await delay(100)
  }
  throw new Error(`Cannot unmount ${mount}`)
}

async function writeNew(path: string, bytes: Uint8Array) {
  const file = await realFiles.open(path, 'create')
  await file.write(bytes, 0)
  return file
}

/** Physical places of a file's extents, as the system tells them. */
function isShared(path: string): boolean {
  const env = { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` }
  return execFileSync('filefrag', ['-v', path], { env, encoding: 'utf8' }).includes('shared')
}

const kinds = [
  { name: 'XFS', make: ['mkfs.xfs', '-q', '-m', 'reflink=1'], skip: whyNot('mkfs.xfs', 'xfsprogs') },
  { name: 'Btrfs', make: ['mkfs.btrfs', '-q'], skip: whyNot('mkfs.btrfs', 'btrfs-progs') },
]

for (const { name, make, skip } of kinds) {
  t.test(`${name} shares blocks between files instead of copying them`, { skip }, async t => {
    const folder = await mounted(t, make)
    const data = Uint8Array.from({ length: 3 * MIB + 100 }, (_, at) => (at * 7) % 253)
    const source = await writeNew(join(folder, 'source'), data)
    const target = await writeNew(join(folder, 'target'), new Uint8Array(100).fill(9))
    t.ok(await target.share(source, MIB, MIB, 2 * MIB), 'behind the end of the target')
    t.ok(await target.share(source, 0, MIB, 2 * MIB + 4096), 'over what is there')
    t.notOk(await target.share(source, 512, MIB, 0), 'not what begins inside of a block')
    await target.sync()
    t.ok(isShared(join(folder, 'target')))
    const found = new Uint8Array(4 * MIB)
    t.equal(await target.read(found, 0), 3 * MIB + 4096)
    const wanted = new Uint8Array(4 * MIB)
    wanted.fill(9, 0, 100)
    wanted.set(data.subarray(MIB, 2 * MIB), 2 * MIB)
    wanted.set(data.subarray(0, MIB), 2 * MIB + 4096)
    t.ok(Buffer.from(found).equals(wanted))
    await source.write(new Uint8Array(MIB), 0)
    await source.close()
    truncateSync(join(folder, 'source'), 0)
    await target.read(found, 0)
    t.ok(Buffer.from(found).equals(wanted), 'what becomes of the source does not matter')
    await target.close()
  })
}

t.test('a file system that cannot share says so, and leaves files that can be written', async t => {
  const folder = await temporaryFolder(t)
  const source = await writeNew(join(folder, 'source'), new Uint8Array(MIB).fill(1))
  const target = await writeNew(join(folder, 'target'), new Uint8Array(MIB).fill(2))
  const closed = await writeNew(join(folder, 'closed'), new Uint8Array(MIB).fill(3))
  await closed.close()
  t.notOk(await target.share(closed, 0, MIB, 0), 'a source that is closed')
  if (!(await target.share(source, 0, MIB, 0))) {
    const buffer = new Uint8Array(MIB)
    await target.read(buffer, 0)
    t.ok(buffer.every(byte => byte === 2))
  }
  await source.close()
  await target.close()
})
