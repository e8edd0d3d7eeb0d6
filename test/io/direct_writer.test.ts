import { open, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { withAlignedBuffer } from '../../lib/io/aligned_buffer.ts'
import { directWriter } from '../../lib/io/direct_writer.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const MIB = 2 ** 20
const linux = process.platform === 'linux'

/** File systems of linux/magic.h that take direct writes of any memory that is aligned: ext4, XFS. */
const CAPABLE = new Set([0xef53, 0x58465342])

async function filled(
  length: number,
  seed: number,
  use: (buffer: Uint8Array) => Promise<void>,
): Promise<void> {
  await withAlignedBuffer(length, async buffer => {
    for (let at = 0; at < buffer.length; at++) buffer[at] = (at * 31 + seed) % 251
    await use(buffer)
  })
}

t.test('large aligned writes go past the cache', { skip: !linux && 'needs Linux' }, async t => {
  const path = join(await temporaryFolder(t), 'a')
  const handle = await open(path, 'wx+')
  const writer = directWriter(handle)
  await filled(MIB, 1, async buffer => {
    const done = await writer.write(buffer, 4096)
    if (CAPABLE.has((await statfs(path)).type)) t.equal(done, MIB, 'in one go')
    else t.ok(done === 0 || done === MIB, `${done} bytes on a file system of another kind`)
    if (done > 0) t.ok((await readFile(path)).subarray(4096).equals(buffer), 'readers see it at once')
  })
  await writer.close()
  await handle.close()
})

t.test('what is small or not aligned is left to the way through the cache', async t => {
  const path = join(await temporaryFolder(t), 'a')
  const handle = await open(path, 'wx+')
  const writer = directWriter(handle)
  await filled(MIB, 2, async buffer => {
    t.equal(await writer.write(buffer, 512), 0, 'the place')
    t.equal(await writer.write(buffer.subarray(16), 0), 0, 'the memory')
    t.equal(await writer.write(buffer.subarray(0, MIB - 16), 0), 0, 'the length')
    t.equal(await writer.write(buffer.subarray(0, 4096), 0), 0, 'little')
    t.equal(await writer.write(new Uint8Array(MIB), 0), 0, 'memory of which nothing is known')
  })
  t.equal((await handle.stat()).size, 0)
  await writer.close()
  await handle.close()
})

t.test('writes both ways, over each other and in the same moment, read back', async t => {
  const path = join(await temporaryFolder(t), 'a')
  const file = await realFiles.open(path, 'create')
  const wanted = new Uint8Array(8 * MIB)
  await file.write(new Uint8Array(2 * MIB).fill(7), 100)
  wanted.fill(7, 100, 100 + 2 * MIB)
  const write = async (at: number, length: number, seed: number): Promise<void> =>
    await filled(length, seed, async buffer => {
      wanted.set(buffer, at)
      await file.write(buffer, at)
    })
  await Promise.all([write(MIB, 2 * MIB, 3), write(4 * MIB, MIB, 4), write(6 * MIB + 5, MIB, 5)])
  await write(MIB + 512, MIB, 6)
  await write(MIB + 4096, MIB, 7)
  await file.sync()
  const found = new Uint8Array(8 * MIB + 1)
  const length = await file.read(found, 0)
  t.equal(length, 7 * MIB + 5)
  t.ok(Buffer.from(found.subarray(0, length)).equals(wanted.subarray(0, length)))
  await file.close()
})
