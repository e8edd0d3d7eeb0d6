import { Buffer } from 'node:buffer'
import { type FileHandle, open, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { withAlignedBuffer } from '../../lib/io/aligned_buffer.ts'
import { type CachePace, type DirectReader, directReader } from '../../lib/io/direct_reader.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const MIB = 2 ** 20
const needsLinux = { skip: process.platform !== 'linux' && 'needs Linux' }

/** File systems of linux/magic.h that take direct reads into any memory that is aligned: ext4, XFS. */
const CAPABLE = new Set([0xef53, 0x58465342])

const content = new Uint8Array(2 * MIB + 5000).map((_, at) => (at * 31) % 251)

async function withReader(
  t: Test,
  use: (reader: DirectReader, file: { readonly handle: FileHandle; readonly path: string }) => Promise<void>,
  pace: CachePace = { slow: 0 },
): Promise<void> {
  const path = join(await temporaryFolder(t), 'a')
  await writeFile(path, content)
  const handle = await open(path, 'r')
  const reader = directReader(handle, pace)
  await use(reader, { handle, path })
  await reader.close()
  await handle.close()
}

t.test('after slow reads the cache is passed by, and after a fast one used again', needsLinux, async t => {
  await withReader(t, async (reader, { path }) => {
    const isCapable = CAPABLE.has((await statfs(path)).type)
    await withAlignedBuffer(MIB, async buffer => {
      t.equal(await reader.read(buffer, 4096), 0, 'nothing is known yet')
      reader.took(MIB, 8)
      t.equal(await reader.read(buffer, 4096), 0, 'one slow read may be chance')
      reader.took(MIB, 8)
      const done = await reader.read(buffer, 4096)
      if (isCapable) t.equal(done, MIB)
      if (done > 0) t.equal(Buffer.compare(buffer, content.subarray(4096, 4096 + MIB)), 0)
      reader.took(1000, 0.0001)
      if (isCapable) t.equal(await reader.read(buffer, 0), MIB, 'a small read says nothing')
      reader.took(MIB, 0.3)
      t.equal(await reader.read(buffer, 0), 0, 'now it is in the cache')
    })
  })
})

t.test('now and then the cache is asked all the same', needsLinux, async t => {
  await withReader(
    t,
    async reader => {
      const ways = new Set<number>()
      await withAlignedBuffer(MIB, async buffer => {
        for (let round = 0; round < 40; round++) ways.add(await reader.read(buffer, 0))
      })
      t.ok(ways.has(0), 'through the cache, so that it can be found fast again')
    },
    { slow: 9 },
  )
})

t.test('what is small or not aligned is left to the way through the cache', needsLinux, async t => {
  await withReader(
    t,
    async reader => {
      await withAlignedBuffer(MIB, async buffer => {
        t.equal(await reader.read(buffer, 512), 0, 'the place')
        t.equal(await reader.read(buffer.subarray(16), 0), 0, 'the memory')
        t.equal(await reader.read(buffer.subarray(0, MIB - 16), 0), 0, 'the length')
        t.equal(await reader.read(buffer.subarray(0, 4096), 0), 0, 'little')
        t.equal(await reader.read(new Uint8Array(MIB), 0), 0, 'memory of which nothing is known')
      })
    },
    { slow: 9 },
  )
})

t.test('a file reads the same whichever way, also what was just written and its end', async t => {
  const path = join(await temporaryFolder(t), 'a')
  const file = await realFiles.open(path, 'create')
  await file.write(content, 0)
  await withAlignedBuffer(MIB, async buffer => {
    for (let round = 0; round < 24; round++) {
      const position = (round % 3) * MIB
      await file.write(content.subarray(position, position + 100), position)
      const done = await file.read(buffer, position)
      t.equal(done, Math.min(MIB, content.length - position))
      const wanted = content.subarray(position, position + done)
      if (Buffer.compare(buffer.subarray(0, done), wanted) !== 0) t.fail(`round ${round} reads otherwise`)
    }
  })
  await file.close()
})
