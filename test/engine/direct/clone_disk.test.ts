import t from 'tap'
import { FREE } from '../../../lib/blocks/constants.ts'
import { cloneBlocks, openSource } from '../../../lib/engine/direct/clone_blocks.ts'
import { writeCloneDisk } from '../../../lib/engine/direct/clone_disk.ts'
import { scanZeros } from '../../../lib/engine/scan_zeros.ts'
import { openImage } from '../../../lib/image/open_image.ts'
import type { Files } from '../../../lib/io/files.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { type ImageSpec, makeChain, overwrite } from '../../fixtures/disks.ts'
import { hasCode } from '../../fixtures/has_code.ts'
import { memoryDisk } from '../../fixtures/memory_disk.ts'
import { randomFrom } from '../../fixtures/random.ts'
import { randomChain } from '../../fixtures/random_disks.ts'
import { checkRawDense, checkRawTable, readRawChain, readRawVdi } from '../../fixtures/raw_vdi.ts'
import { budgetMs, seed } from '../../fixtures/test_run.ts'

const ID = '10000000-0000-4000-8000-000000000001'
const KIB = 1024
/** Offset of the geometry in the header of a VDI 1.1 file. */
const LCHS = 0x1c8
const disk = { capacity: 3 * 128 * KIB, blockSize: 128 * KIB } as const

async function emptyFiles(): Promise<RecordedFiles> {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  return files
}

/**
 * Clones a chain into one image as a run does, and returns its path.
 *
 * @param scans Whether blocks of zeros are looked for before, as for a clone that would not fit with them.
 */
async function clone(
  files: Files,
  specs: readonly ImageSpec[],
  { fixed = false, scans = false } = {},
): Promise<string> {
  const paths = (await makeChain(files, '/m', specs)).map(({ path }) => path)
  const source = await openSource(files, paths, fixed, undefined)
  const compact = cloneBlocks({ ...source, header: { ...source.header, variant: 'dynamic' } })
  const zeros = scans ? await scanZeros(files, paths, compact, () => {}, undefined) : undefined
  const dead = zeros?.has
  const plan = cloneBlocks(source, dead)
  const job = {
    files,
    source,
    plan,
    dead,
    id: ID,
    path: '/m/clone.vdi',
    signal: undefined,
    onBytes: () => {},
    onShared: () => {},
  }
  await writeCloneDisk(job)
  await source.close()
  return job.path
}

t.test('an image reads like the chain that it was cloned from, and holds no block of zeros', async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  const until = Date.now() + budgetMs(3)
  let rounds = 0
  for (; rounds < 5 || Date.now() < until; rounds++) {
    const files = await emptyFiles()
    // VirtualBox makes no image smaller than the one below it, and such ones are refused.
    const specs = randomChain(random, { depth: random.between(1, 6), units: 24 })
      .sort((a, b) => a.capacity - b.capacity)
      .map(spec => (random.chance(20) ? { ...spec, blocks: {}, shortLastBlock: false } : spec))
    const fixed = random.chance(20)
    const path = await clone(files, specs, { fixed, scans: random.chance(30) })
    const found = await readRawChain(files, [path])
    const wanted = memoryDisk(specs)
    const round = `round ${rounds}, ${fixed ? 'fixed' : 'dynamic'}`
    if (!found.equals(wanted.bytes(0, wanted.capacity))) t.fail(`${round}: it reads otherwise`)
    const image = await readRawVdi(files, path)
    checkRawTable(image)
    if (fixed) {
      if (image.table.some((slot, block) => slot !== block)) t.fail(`${round}: a block is not in its place`)
      continue
    }
    checkRawDense(image)
    for (const [block, slot] of image.table.entries()) {
      const bytes = found.subarray(block * image.blockSize, (block + 1) * image.blockSize)
      if ((slot === FREE) !== bytes.every(byte => byte === 0))
        t.fail(`${round}: block ${block} is in slot ${slot}`)
    }
  }
  t.ok(rounds >= 5, `${rounds} chains`)
})

t.test('the image is a base with a UUID of its own, and the block size and geometry of the base', async t => {
  const files = await emptyFiles()
  const specs = [
    { ...disk, blocks: { 0: 1 } },
    { ...disk, blockSize: 256 * KIB, blocks: { 1: 2 } },
  ]
  const [base] = await makeChain(files, '/m', specs)
  await overwrite(files, base?.path ?? '', LCHS, new Uint8Array(new Uint32Array([10, 16, 63]).buffer))
  const source = await openSource(files, ['/m/0.vdi', '/m/1.vdi'], false, undefined)
  const plan = cloneBlocks(source)
  await writeCloneDisk({
    files,
    source,
    plan,
    id: ID,
    path: '/m/c.vdi',
    signal: undefined,
    onBytes: () => {},
    onShared: () => {},
  })
  await source.close()
  const { header, file } = await openImage(files, '/m/c.vdi', 'read')
  await file.close()
  t.match(header, { id: ID, variant: 'dynamic', parent: undefined, blockSize: 128 * KIB, blockExtra: 0 })
  t.match(header.geometry, { cylinders: 10, heads: 16, sectors: 63 })
})

t.test('an image of fixed size leaves blocks without data as holes', async t => {
  const files = await emptyFiles()
  const before = files.recording().entries.length
  const path = await clone(files, [{ ...disk, blocks: { 0: 'zero', 1: 7 } }], { fixed: true })
  const written = files
    .recording()
    .entries.slice(before)
    .flatMap(entry => (entry.kind === 'write' ? [entry.data.length] : []))
  t.equal(
    written.filter(length => length === disk.blockSize).length,
    2,
    'the block of the source and its copy',
  )
  t.equal((await files.stat(path))?.size, 2 * 1024 * KIB + 3 * disk.blockSize)
})

t.test('a chain whose links do not fit, or that gets smaller, is refused', async t => {
  const files = await emptyFiles()
  const [base, upper] = await makeChain(files, '/m', [
    { ...disk, blocks: { 0: 1 } },
    { ...disk, blocks: { 0: 2 } },
  ])
  const paths = [upper?.path ?? '', base?.path ?? '']
  await t.rejects(openSource(files, paths, false, undefined), hasCode('chain_mismatch'))
  const smaller = [disk, { ...disk, capacity: 128 * KIB }]
  await t.rejects(clone(await emptyFiles(), smaller), hasCode('unsupported', /enlarge the upper one/))
})
