import t from 'tap'
import { type ChainView, openChain } from '../../lib/image/chain_view.ts'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import type { Files } from '../../lib/io/files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { type ImageSpec, makeChain, overwriteEntry, sameBlocks, setLength } from '../fixtures/disks.ts'
import { type MemoryDisk, memoryDisk } from '../fixtures/memory_disk.ts'
import { type Random, randomFrom, seedOfRun } from '../fixtures/random.ts'
import { randomChain } from '../fixtures/random_disks.ts'
import { budgetMs } from '../fixtures/test_run.ts'

const UNIT = 2 ** 17

async function chainOf(files: Files, specs: readonly ImageSpec[]): Promise<string[]> {
  await files.makeFolder('/d')
  return (await makeChain(files, '/d', specs)).map(({ path }) => path)
}

async function read(view: ChainView, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length, 0xaa)
  await view.read(buffer, position)
  return buffer
}

/** Reads that start and end before, at and behind every boundary of blocks and of images. */
async function boundaryFaults(
  view: ChainView,
  disk: MemoryDisk,
  specs: readonly ImageSpec[],
): Promise<string[]> {
  const { capacity } = disk
  const ends = specs.map(spec => spec.capacity)
  const edges = Array.from({ length: Math.ceil(capacity / UNIT) + 1 }, (_, unit) => unit * UNIT)
  const faults: string[] = []
  for (const edge of new Set([...edges, ...ends, capacity])) {
    for (const [before, length] of [
      [1, 2],
      [512, 512],
      [0, 512],
      [700, 1500],
      [1, UNIT + 2],
    ] as const) {
      const from = Math.max(0, Math.min(edge - before, capacity))
      const size = Math.min(length, capacity - from)
      if (!(await read(view, from, size)).equals(disk.bytes(from, size))) faults.push(`${from}+${size}`)
    }
  }
  return faults
}

function randomReads(random: Random, capacity: number): [from: number, length: number][] {
  return Array.from({ length: 8 }, () => {
    const from = random.between(0, capacity - 1)
    return [from, random.between(0, Math.min(capacity - from, 6 * UNIT))]
  })
}

t.test('random chains read as the specs say, across every boundary', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  const end = Date.now() + budgetMs(2)
  let rounds = 0
  while (rounds < 3 || Date.now() < end) {
    const files = new RecordedFiles()
    const specs = randomChain(random, { depth: random.between(1, 6), units: 24 })
    const view = await openChain(files, await chainOf(files, specs))
    const disk = memoryDisk(specs)
    t.equal(view.capacity, disk.capacity)
    t.strictSame(await boundaryFaults(view, disk, specs), [], `round ${rounds}`)
    for (const [from, length] of randomReads(random, disk.capacity)) {
      t.ok(
        (await read(view, from, length)).equals(disk.bytes(from, length)),
        `round ${rounds}, ${from}+${length}`,
      )
    }
    t.strictSame(extentFaults(view, disk), [], `round ${rounds}, extents`)
    await view.close()
    rounds++
  }
  t.comment(`${rounds} chains`)
})

/** Extents must follow each other, differ in kind, end at the end, and their holes must read as zeros. */
function extentFaults(view: ChainView, disk: MemoryDisk): string[] {
  const faults: string[] = []
  let next = 0
  let last = ''
  for (const { start, length, kind } of view.extents()) {
    if (start !== next || length <= 0 || kind === last) faults.push(`${kind} ${start}+${length}`)
    const zeros = disk.bytes(start, length).every(byte => byte === 0)
    if (zeros !== (kind === 'zero')) faults.push(`${kind} ${start}+${length} reads otherwise`)
    next = start + length
    last = kind
  }
  return next === disk.capacity ? faults : [...faults, `end at ${next}`]
}

const CAPACITY = 8 * UNIT

t.test('the newest block wins, zeros hide what is below, absent blocks do not', async t => {
  const specs: ImageSpec[] = [
    { capacity: CAPACITY, blockSize: UNIT, blocks: { ...sameBlocks(6, 1), 7: 'zero' }, order: 4 },
    { capacity: CAPACITY, blockSize: UNIT, blocks: { 1: 2, 2: 'zero', 3: 2, 6: 2 } },
    { capacity: CAPACITY, blockSize: UNIT, blocks: { 3: 3, 4: 'zero', 2: 3 } },
  ]
  const files = new RecordedFiles()
  const view = await openChain(files, await chainOf(files, specs))
  const shown: number[] = []
  for (let block = 0; block < 8; block++) shown.push((await read(view, block * UNIT, 4)).readUInt32LE())
  t.strictSame(shown, [1, 2, 3, 3, 0, 1, 2, 0])
  t.strictSame(
    [...view.extents()],
    [
      { start: 0, length: 4 * UNIT, kind: 'data' },
      { start: 4 * UNIT, length: UNIT, kind: 'zero' },
      { start: 5 * UNIT, length: 2 * UNIT, kind: 'data' },
      { start: 7 * UNIT, length: UNIT, kind: 'zero' },
    ],
  )
  t.strictSame([...view.extents(4 * UNIT + 100)].at(0), {
    start: 4 * UNIT + 100,
    length: UNIT - 100,
    kind: 'zero',
  })
  t.strictSame([...view.extents(CAPACITY)], [])
})

t.test(
  'an image that is shorter than the disk reads as zeros behind its end, whatever lies below',
  async t => {
    const specs: ImageSpec[] = [
      { capacity: CAPACITY, blockSize: UNIT, blocks: sameBlocks(8, 1) },
      { capacity: 3 * UNIT + 512, blockSize: UNIT, blocks: { 0: 2 } },
      { capacity: CAPACITY, blockSize: 2 * UNIT, blocks: { 3: 3 } },
    ]
    const files = new RecordedFiles()
    const view = await openChain(files, await chainOf(files, specs))
    t.ok((await read(view, 0, CAPACITY)).equals(memoryDisk(specs).bytes(0, CAPACITY)))
    t.strictSame(
      [...view.extents()],
      [
        { start: 0, length: 3 * UNIT + 512, kind: 'data' },
        { start: 3 * UNIT + 512, length: 3 * UNIT - 512, kind: 'zero' },
        { start: 6 * UNIT, length: 2 * UNIT, kind: 'data' },
      ],
    )
  },
)

t.test('blocks that lie behind each other in a file are one read, holes are none', async t => {
  const specs = [{ capacity: 64 * UNIT, blockSize: UNIT, blocks: sameBlocks(16, 1, 8) }]
  const files = new RecordedFiles()
  const paths = await chainOf(files, specs)
  const counting = countingFiles(files)
  const view = await openChain(counting.files, paths)
  const reads = (): number => counting.calls.filter(({ operation }) => operation === 'read').length
  const before = reads()
  await read(view, 0, 64 * UNIT)
  t.equal(reads(), before + 1)
  await read(view, 30 * UNIT, 30 * UNIT)
  t.equal(reads(), before + 1)
})

t.test('nothing outside the disk is read', async t => {
  const files = new RecordedFiles()
  const view = await openChain(files, await chainOf(files, [{ capacity: 1024, blocks: { 0: 1 } }]))
  for (const [from, length] of [
    [1024, 1],
    [1023, 2],
    [-1, 1],
    [0, 1025],
    [0.5, 1],
    [Number.NaN, 1],
  ] as const) {
    await t.rejects(read(view, from, length), RangeError)
  }
  t.throws(() => [...view.extents(-1)], RangeError)
  t.equal((await read(view, 1024, 0)).length, 0)
  await t.rejects(openChain(files, []), RangeError)
})

t.test('a chain of 300 images of a disk of 2 TiB opens and reads', async t => {
  const capacity = 2 ** 41
  const blockSize = 2 ** 27
  const depth = 300
  const specs = Array.from({ length: depth }, (_, index): ImageSpec => {
    const places = { tableOffset: 512, dataOffset: 2 ** 17 }
    return { capacity, blockSize, ...places, blocks: { [index]: 'zero', [index * 50]: 'zero' } }
  })
  const files = new RecordedFiles()
  const view = await openChain(files, await chainOf(files, specs))
  t.equal(view.images.length, depth)
  t.strictSame([...view.extents()], [{ start: 0, length: capacity, kind: 'zero' }])
  await view.close()
})

t.test('a disk that is too large for the blocks of its smallest image is refused, not mapped', async t => {
  const small: ImageSpec = { capacity: 512, blockSize: UNIT }
  const large: ImageSpec = { capacity: 2 ** 44, blockSize: 2 ** 27 }
  const files = new RecordedFiles()
  const refusal = {
    code: 'unsupported',
    message: /"\/d\/1.vdi": .* more than 67108864 blocks of 131072 bytes/,
  }
  await t.rejects(openChain(files, await chainOf(files, [small, large])), refusal)
})

t.test('links are checked unless that is not wanted', async t => {
  const files = new RecordedFiles()
  const paths = await chainOf(
    files,
    [0, 1, 2].map(seed => ({ capacity: UNIT, blockSize: UNIT, blocks: { 0: seed } })),
  )
  const [base = '', , top = ''] = paths
  await t.rejects(openChain(files, [base, top]), { code: 'chain_mismatch', message: /"\/d\/2.vdi"/ })
  await t.rejects(openChain(files, [top]), { code: 'chain_mismatch' })
  const view = await openChain(files, [base, top], { links: 'ignore' })
  t.equal((await read(view, 0, 4)).readUInt32LE(), 2)
})

t.test('a table that cannot be followed is refused, in any image of the chain', async t => {
  for (const index of [0, 1, 2]) {
    const files = new RecordedFiles()
    await files.makeFolder('/d')
    const spec: ImageSpec = { capacity: 4 * UNIT, blockSize: UNIT, blocks: { 0: 1, 1: 2 } }
    const made = await makeChain(files, '/d', [spec, spec, spec])
    const damaged = made[index]
    if (damaged === undefined) throw new Error('no such image')
    await overwriteEntry(files, damaged, 3, 1)
    const paths = made.map(({ path }) => path)
    const message = new RegExp(`"/d/${index}.vdi": blocks 1 and 3`)
    await t.rejects(openChain(files, paths), { code: 'image_corrupt', message })
  }
})

t.test('a file that is cut while it is open is noticed', async t => {
  const files = new RecordedFiles()
  const paths = await chainOf(files, [{ capacity: 4 * UNIT, blockSize: UNIT, blocks: sameBlocks(4, 1) }])
  const view = await openChain(files, paths)
  await setLength(files, '/d/0.vdi', 2 ** 21 + UNIT)
  t.equal((await read(view, 0, UNIT)).length, UNIT)
  await t.rejects(read(view, 0, UNIT + 1), {
    code: 'image_corrupt',
    message: /"\/d\/0.vdi": it ended at byte/,
  })
})

t.test('a failed read fails, and files are closed whatever happens', async t => {
  const files = new RecordedFiles()
  const specs = Array.from(
    { length: 4 },
    (): ImageSpec => ({ capacity: CAPACITY, blockSize: UNIT, blocks: { 0: 1 } }),
  )
  const paths = await chainOf(files, specs)
  for (let at = 1; at <= 9; at++) {
    const counting = countingFiles(files)
    const view = openChain(
      faultyFiles(counting.files, [{ operation: 'read', at, error: 'EIO' }]).files,
      paths,
    )
    await t.rejects(
      view.then(opened => read(opened, 0, UNIT).finally(() => opened.close())),
      { code: 'EIO' },
    )
    const count = (name: string): number =>
      counting.calls.filter(({ operation }) => operation === name).length
    t.equal(count('close'), count('open'), `read ${at}`)
  }
})

t.test('opening stops when asked to', async t => {
  const files = new RecordedFiles()
  const paths = await chainOf(files, [{ capacity: CAPACITY }])
  const reason = new Error('enough')
  await t.rejects(openChain(files, paths, { signal: AbortSignal.abort(reason) }), reason)
})
