// Whatever the bytes are: no crash, no endless reading, little memory.
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { type BlockDevice, type ByteRange, partOf } from '../../../../lib/guest/device.ts'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { fileDevice, makeDiskImage, resizeImage } from '../../../fixtures/guest/disk_image.ts'
import { type FuzzOptions, fuzz, type OverlayDevice } from '../../../fixtures/guest/fuzz.ts'
import { powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { collectFreeRanges } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { randomFrom, seedOfRun } from '../../../fixtures/random.ts'
import { budgetMs } from '../../../fixtures/test_run.ts'
import { bytesOf, joined } from './dumpe2fs.ts'
import { changed, deviceOf, foundOn, imageOf, memoryImage, whyKeptOn } from './memory_image.ts'
import { resealed } from './resealed.ts'

const BLOCK = 1024
const TIB = 2 ** 40
const skip = requireTools('mkfs.ext4', 'dumpe2fs')
const seed = seedOfRun()

type Teardown = Parameters<typeof makeDiskImage>[0]

/** Where a small file system has its structures. */
interface Structures {
  readonly superblock: ByteRange
  readonly descriptors: ByteRange
  readonly bitmap: ByteRange
  readonly journalInode: ByteRange
  readonly journal: ByteRange
}

async function structuresOf(path: string): Promise<Structures> {
  const { view } = await imageOf(path)
  const table = view.getUint32(2 * BLOCK + 8, true) * BLOCK
  const inodeSize = view.getUint16(1024 + 0x58, true)
  const { stdout } = await runTool('debugfs', '-R', 'blocks <8>', path)
  return {
    superblock: { start: 1024, length: 1024 },
    descriptors: { start: 2 * BLOCK, length: 8 * 64 },
    bitmap: { start: view.getUint32(2 * BLOCK, true) * BLOCK, length: BLOCK },
    journalInode: { start: table + 7 * inodeSize, length: inodeSize },
    // Its superblock and the beginning of the log.
    journal: { start: Number(stdout.trim().split(/\s+/)[0]) * BLOCK, length: 40 * BLOCK },
  }
}

async function fuzzed(t: Tester, options: Omit<FuzzOptions, 'format' | 'seed' | 'seconds'>): Promise<void> {
  const outcome = await fuzz({ ...options, format: ext, seed, seconds: budgetMs(6) / 5000 })
  const { rounds, free, kept, absent } = outcome
  t.comment(
    `VBOXMERGE_SEED=${seed}, ${rounds} rounds: ${free} gave free ranges, ${kept} were kept, ${absent} were none`,
  )
  t.same(outcome.failures, [])
  t.ok(rounds > 10 && kept > 0, `${rounds} rounds`)
}

interface Tester {
  comment(text: string): unknown
  same(found: unknown, wanted: unknown): unknown
  ok(value: unknown, text: string): unknown
}

async function clean(t: Teardown, features: string): Promise<[BlockDevice, Structures]> {
  const path = await makeDiskImage(t, 16)
  await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', String(BLOCK), '-g', '2048', '-O', features, path)
  return [await fileDevice(t, path), await structuresOf(path)]
}

async function cutOff(t: Teardown, features: string, mount: string): Promise<[BlockDevice, Structures]> {
  const path = await makeDiskImage(t, 16)
  await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', String(BLOCK), '-g', '2048', '-O', features, path)
  const cut = await withMount(path, { options: mount }, async folder => {
    await writeTree(folder, seed, { files: 12, plain: true, largest: 20_000, fsync: true, removed: 0 })
    return await powerCut(path)
  })
  return [await fileDevice(t, cut), await structuresOf(cut)]
}

t.test('random damage to all structures, with checksums', { skip }, async t => {
  const [device, { superblock, descriptors, bitmap, journalInode, journal }] = await clean(t, '^resize_inode')
  await fuzzed(t, {
    device,
    regions: [superblock, descriptors, bitmap, journalInode, journal],
    hasChecksums: true,
  })
})

t.test('random damage that its checksums were made to fit', { skip }, async t => {
  const [device, { superblock, descriptors, bitmap }] = await clean(t, '^resize_inode')
  const reseal = async (overlay: OverlayDevice): Promise<void> => resealed(overlay, BLOCK, 8)
  await fuzzed(t, { device, regions: [superblock, descriptors, bitmap], hasChecksums: false, reseal })
})

t.test('random damage to all structures, without checksums', { skip }, async t => {
  const [device, { superblock, descriptors, journalInode, journal }] = await clean(
    t,
    '^metadata_csum,^uninit_bg,^resize_inode',
  )
  await fuzzed(t, { device, regions: [superblock, descriptors, journalInode, journal], hasChecksums: false })
})

const mountable = skip || requireTools('root')

t.test('random damage to a log with checksums', { skip: mountable }, async t => {
  const [device, { journal, superblock }] = await cutOff(t, '^resize_inode', 'data=ordered')
  await fuzzed(t, { device, regions: [journal, superblock], hasChecksums: false })
})

t.test('random damage to a log without checksums', { skip: mountable }, async t => {
  const [device, { journal, superblock, journalInode }] = await cutOff(
    t,
    '^metadata_csum,^resize_inode',
    'data=journal',
  )
  await fuzzed(t, { device, regions: [journal, superblock, journalInode], hasChecksums: false })
})

t.test('a file system of more than 2^32 blocks', { skip: skip || requireTools('debugfs') }, async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const path = await makeDiskImage(t, 1)
  await resizeImage(path, 20 * TIB)
  const options = 'bigalloc,sparse_super2,^resize_inode,^has_journal'
  const more = ['-C', '65536', '-N', '100000', '-E', 'num_backup_sb=0,nodiscard']
  await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', '-O', options, ...more, path)
  const device = await fileDevice(t, path)
  const found = await foundOn(device)
  t.equal(found.size, 20 * TIB)
  const ranges = joined(await collectFreeRanges(device, found))
  t.equal(bytesOf(ranges), found.freeBytes)
  const random = randomFrom(seed)
  const high = ranges.filter(({ start }) => start / 4096 > 2 ** 32)
  t.ok(high.length > 10, `${high.length} ranges behind block 2^32`)
  const edges = Array.from({ length: 5 }, () => random.pick(high)).flatMap(({ start, length }) => {
    const [first, behind] = [start / 4096, (start + length) / 4096]
    const within = [
      { block: first - 1, isFree: false },
      { block: first, isFree: true },
      { block: behind - 1, isFree: true },
    ]
    return behind * 4096 < found.size ? [...within, { block: behind, isFree: false }] : within
  })
  t.same(
    await areFree(
      path,
      edges.map(({ block }) => block),
    ),
    edges.map(({ isFree }) => isFree),
  )
})

t.test('a superblock that claims 64 TiB on a small and on a large empty device', { skip }, async t => {
  const image = await memoryImage(t, '-t', 'ext4', '-b', '4096', '-O', '^metadata_csum,^resize_inode')
  const lying = changed(image, view => {
    const u32 = (offset: number, value: number): void => view.setUint32(1024 + offset, value, true)
    u32(0x04, 0)
    u32(0x150, 4)
    u32(0x28, 4096)
    u32(0x00, 2 ** 31)
  })
  t.match(await whyKeptOn(deviceOf(lying)), { code: 'damaged', found: /17179869184 blocks of 4096 bytes/ })
  let reads = 0
  const large: BlockDevice = {
    size: 64 * TIB,
    read: async (buffer, position) => {
      reads++
      buffer.fill(0)
      buffer.set(lying.bytes.subarray(position, position + buffer.length))
    },
  }
  t.match(await whyKeptOn(large), { code: 'damaged' })
  t.ok(reads < 20, `${reads} reads`)
})

t.test('a device that ends anywhere', { skip }, async t => {
  const image = await memoryImage(t, '-t', 'ext4', '-b', '1024')
  for (let size = 0; size < 2 ** 24; size += 2 ** 20 - 1) {
    const found = await ext.probe(partOf(deviceOf(image), { start: 0, length: size }))
    if (found !== undefined) t.match(found, { size, keep: { code: 'damaged', found: /more than the/ } })
  }
})

// Half a minute.
if (process.env.VBOXMERGE_BUDGET !== undefined) {
  t.test('64 TiB take little memory', { skip }, async t => {
    const path = await makeDiskImage(t, 1)
    await resizeImage(path, 64 * TIB)
    const options = 'sparse_super2,^resize_inode,^has_journal'
    const more = ['-N', '1000000', '-E', 'num_backup_sb=0,nodiscard']
    await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', '-O', options, ...more, path)
    const found = await foundOn(await fileDevice(t, path))
    const before = process.memoryUsage().rss
    let free = 0
    let most = before
    await found.freeRanges((_, length) => {
      free += length
      most = Math.max(most, process.memoryUsage().rss)
    })
    t.equal(free, found.freeBytes)
    t.ok(most - before < 200 * 2 ** 20, `${most - before} bytes`)
  })
}

/** Whether debugfs calls blocks free. */
async function areFree(path: string, blocks: readonly number[]): Promise<boolean[]> {
  const script = `${path}.commands`
  await writeFile(script, blocks.map(block => `testb ${block} 1\n`).join(''))
  const { stdout } = await runTool('debugfs', '-f', script, path)
  return [...stdout.matchAll(/^Block \d+ (not in use|marked in use)$/gm)].map(
    ([, text]) => text === 'not in use',
  )
}
