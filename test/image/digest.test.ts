import { createHash } from 'node:crypto'
import t from 'tap'
import { openChain } from '../../lib/image/chain_view.ts'
import { digestDisk } from '../../lib/image/digest.ts'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { type ImageSpec, makeChain, sameBlocks } from '../fixtures/disks.ts'
import { memoryDisk } from '../fixtures/memory_disk.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'
import { randomChain } from '../fixtures/random_disks.ts'

const UNIT = 2 ** 17

async function chainOf(files: RecordedFiles, specs: readonly ImageSpec[]): Promise<string[]> {
  await files.makeFolder('/d')
  return (await makeChain(files, '/d', specs)).map(({ path }) => path)
}

t.test('the digest is that of the bytes of the whole disk', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 6; round++) {
    const files = new RecordedFiles()
    const specs = randomChain(random, { depth: random.between(1, 4), units: 48 })
    const view = await openChain(files, await chainOf(files, specs))
    t.equal(await digestDisk(view), memoryDisk(specs).sha256())
    await view.close()
  }
})

t.test('a disk without holes is hashed in the right order', async t => {
  const files = new RecordedFiles()
  const specs: ImageSpec[] = [{ capacity: 13 * 2 ** 20, blocks: sameBlocks(13, 8), order: 5 }]
  const view = await openChain(files, await chainOf(files, specs))
  t.equal(await digestDisk(view), memoryDisk(specs).sha256())
})

t.test('an empty disk is hashed without reading it', async t => {
  const files = new RecordedFiles()
  const capacity = 40 * 2 ** 20 + 512
  const paths = await chainOf(files, [
    { capacity, blocks: { 0: 1, 1: 1 } },
    { capacity, blocks: { 0: 'zero', 1: 'zero' } },
  ])
  const counting = countingFiles(files)
  const view = await openChain(counting.files, paths)
  const before = [...counting.bytesRead.values()]
  t.equal(await digestDisk(view), createHash('sha256').update(Buffer.alloc(capacity)).digest('hex'))
  t.strictSame([...counting.bytesRead.values()], before)
})

t.test('progress runs from the start of the disk to its end', async t => {
  const files = new RecordedFiles()
  const capacity = 10 * 2 ** 20 + 512
  const view = await openChain(files, await chainOf(files, [{ capacity, blocks: { 0: 1, 9: 2 } }]))
  const seen: number[] = []
  await digestDisk(view, {
    onProgress: (done, total) => {
      t.equal(total, capacity)
      seen.push(done)
    },
  })
  t.equal(seen.at(-1), capacity)
  t.ok(seen.length > 3)
  t.strictSame(
    seen,
    [...seen].sort((a, b) => a - b),
  )
})

t.test('a digest stops when asked to, in the middle too', async t => {
  const files = new RecordedFiles()
  const specs = [{ capacity: 160 * UNIT, blockSize: UNIT, blocks: sameBlocks(160, 3) }]
  const view = await openChain(files, await chainOf(files, specs))
  const reason = new Error('enough')
  await t.rejects(digestDisk(view, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  let calls = 0
  const stopped = digestDisk(view, {
    signal: controller.signal,
    onProgress: () => {
      calls++
      setTimeout(() => controller.abort(reason), 0)
    },
  })
  await t.rejects(stopped, reason)
  t.ok(calls < 5, `${calls} chunks were hashed`)
})

t.test('a disk that cannot be read fails the digest', async t => {
  const files = new RecordedFiles()
  const specs = [{ capacity: 160 * UNIT, blockSize: UNIT, blocks: sameBlocks(160, 3) }]
  const paths = await chainOf(files, specs)
  for (const at of [3, 4, 6]) {
    const view = await openChain(faultyFiles(files, [{ operation: 'read', at, error: 'EIO' }]).files, paths)
    await t.rejects(digestDisk(view), { code: 'EIO' })
  }
})
