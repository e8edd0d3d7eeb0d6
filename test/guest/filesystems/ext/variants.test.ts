// Every kind of ext that mke2fs makes: what is called free is exactly what e2fsprogs calls free, and overwriting all
// of it loses nothing.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { fileDevice, makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { withMount } from '../../../fixtures/guest/mount.ts'
import { collectFreeRanges, findsMutation, type Patient, poison } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool, tryTool } from '../../../fixtures/guest/tools.ts'
import { type Hashes, hashFiles, hashTree, writeTree } from '../../../fixtures/guest/tree.ts'
import { quickFolder } from '../../../fixtures/quick_folder.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { bytesInWholeMib, freeByDumpe2fs, joined } from './dumpe2fs.ts'

const MIB = 2 ** 20
const skip = requireTools('root', 'mkfs.ext4', 'dumpe2fs', 'e2fsck', 'debugfs', 'resize2fs')
const seed = seedOfRun()
/** With a budget of its own all variants are made, and each test is tested; else one in four. */
const isThorough = process.env.VBOXMERGE_BUDGET !== undefined

interface Variant {
  readonly name: string
  /** Options of mke2fs. */
  readonly options: string
  readonly kind?: string
  /** Size; 48 MiB. */
  readonly mib?: number
  /** Size to which it is made larger before files are written. */
  readonly resizedMib?: number
  /** Whether Linux may lack what is needed to mount it; files come in and out by way of e2fsprogs then. */
  readonly isUnmountable?: boolean
  /** Whether the test is tested even when there is little time: one of each four that are picked together is. */
  readonly isMutated?: boolean
}

/** Small groups, so that there are many: with copies, without, never used, the last one cut short. */
const variants: readonly Variant[] = [
  { name: 'ext4 as mke2fs makes it', options: '-t ext4', mib: 300, isMutated: true },
  { name: 'blocks of 4 KiB', options: '-t ext4 -b 4096 -g 2048', isMutated: true },
  { name: 'blocks of 1 KiB', options: '-t ext4 -b 1024' },
  { name: 'blocks of 2 KiB', options: '-t ext4 -b 2048 -g 4096 -G 4' },
  { name: 'ext2', options: '-t ext2 -b 4096 -g 2048', kind: 'ext2' },
  { name: 'ext2 with blocks of 1 KiB', options: '-t ext2 -b 1024', kind: 'ext2' },
  { name: 'ext2 of revision 0', options: '-r 0 -b 1024', kind: 'ext2' },
  { name: 'ext3', options: '-t ext3 -b 1024', kind: 'ext3' },
  {
    name: 'ext3 without sparse_super',
    options: '-t ext3 -b 1024 -O ^sparse_super,^resize_inode',
    kind: 'ext3',
  },
  { name: 'no 64bit', options: '-t ext4 -b 4096 -g 2048 -O ^64bit' },
  {
    name: 'descriptors with checksums of the first kind',
    options: '-t ext4 -b 4096 -g 2048 -O ^metadata_csum,uninit_bg',
  },
  { name: 'the same without 64bit', options: '-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^64bit' },
  { name: 'no checksums', options: '-t ext4 -b 4096 -g 2048 -O ^metadata_csum,^uninit_bg' },
  { name: 'meta_bg', options: '-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode' },
  {
    name: 'meta_bg without flex_bg',
    options: '-t ext4 -b 1024 -g 2048 -O meta_bg,^resize_inode,^flex_bg',
    isMutated: true,
  },
  {
    name: 'meta_bg without sparse_super',
    options: '-t ext4 -b 1024 -g 2048 -O meta_bg,^resize_inode,^sparse_super',
  },
  { name: 'sparse_super2', options: '-t ext4 -b 4096 -g 2048 -O sparse_super2' },
  { name: 'sparse_super2 without flex_bg', options: '-t ext4 -b 4096 -g 2048 -O sparse_super2,^flex_bg' },
  { name: 'bigalloc', options: '-t ext4 -b 4096 -O bigalloc -C 65536', mib: 300 },
  { name: 'bigalloc with blocks of 1 KiB', options: '-t ext4 -b 1024 -O bigalloc -C 16384', isMutated: true },
  { name: 'no flex_bg', options: '-t ext4 -b 4096 -g 2048 -O ^flex_bg' },
  { name: 'no journal', options: '-t ext4 -b 4096 -g 2048 -O ^has_journal' },
  { name: 'no extents', options: '-t ext4 -b 1024 -O ^extents,^64bit' },
  {
    name: 'orphan_file, a seed of checksums, fast_commit',
    options: '-t ext4 -b 4096 -g 2048 -O orphan_file,metadata_csum_seed,fast_commit',
  },
  {
    name: 'mmp, inline_data, large_dir, ea_inode',
    options: '-t ext4 -b 4096 -g 2048 -O mmp,inline_data,large_dir,ea_inode',
  },
  {
    name: 'encrypt, verity, stable_inodes',
    options: '-t ext4 -b 4096 -g 2048 -O encrypt,verity,stable_inodes',
  },
  { name: 'made larger', options: '-t ext4 -b 4096 -g 2048', mib: 40, resizedMib: 300 },
  { name: 'made larger, blocks of 1 KiB', options: '-t ext4 -b 1024 -g 1024', mib: 20, resizedMib: 80 },
  {
    name: 'quota, project, casefold',
    options: '-t ext4 -b 4096 -g 2048 -O quota,project,casefold',
    isUnmountable: true,
  },
]

t.test('what mke2fs leaves free before any file is written', { skip }, async t => {
  // Most groups were never used now, so their bitmaps have to be computed.
  const made = variants.filter((_, at) => isThorough || (at + seed) % 4 === 2)
  for (const variant of made.filter(({ resizedMib }) => resizedMib === undefined)) {
    const image = await makeDiskImage(t, variant.mib ?? 48, { prefillSeed: seed })
    await makeFileSystem(image, variant)
    const device = await fileDevice(t, image)
    const found = await ext.probe(device)
    if (found === undefined) throw new Error(`${variant.name} is not found`)
    t.same(joined(await collectFreeRanges(device, found)), await freeByDumpe2fs(image), variant.name)
    await rm(image)
  }
})

const picked = variants.filter((_, at) => isThorough || (at + seed) % 4 === 0)

for (const variant of picked) {
  t.test(variant.name, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const patient = await makePatient(t, variant)
    const device = await fileDevice(t, patient.image)
    const found = await ext.probe(device)
    t.match(found, { kind: variant.kind ?? 'ext4', label: 'a name', keep: undefined })
    if (found === undefined) return
    const ranges = joined(await collectFreeRanges(device, found))
    const theirs = await freeByDumpe2fs(patient.image)
    t.same(ranges, theirs, 'e2fsprogs calls the same free')
    t.equal(
      found.freeBytes,
      ranges.reduce((sum, { length }) => sum + length, 0),
    )
    t.ok(bytesInWholeMib(ranges) > 3 * MIB, `${bytesInWholeMib(ranges)} bytes in whole blocks of 1 MiB`)

    const poisoned = await poison(t, patient, ext)
    t.same(poisoned.losses, [], 'nothing is lost')
    t.same(joined(await collectFreeRanges(device, found)), ranges, 'and the same is free still')
    if (!variant.isMutated && !isThorough) return
    t.ok(await findsMutation(patient, poisoned, clusterOf(variant), seed), 'one unit more would be noticed')
  })
}

function clusterOf({ options }: Variant): number {
  return Number(/-C (\d+)/.exec(options)?.[1] ?? /-b (\d+)/.exec(options)?.[1] ?? 4096)
}

async function makePatient(t: Parameters<typeof makeDiskImage>[0], variant: Variant): Promise<Patient> {
  // Random bytes below: what mke2fs leaves unwritten must not look like zeros.
  const image = await makeDiskImage(t, variant.resizedMib ?? variant.mib ?? 48, { prefillSeed: seed })
  const isFilled = variant.isUnmountable === true
  const folder = await quickFolder(t)
  if (isFilled) await writeTree(folder, seed, { files: 24, largest: MIB })
  await makeFileSystem(image, variant, ...(isFilled ? ['-d', folder] : []))
  // mke2fs does not count what it copies.
  if (isFilled) await tryTool('e2fsck', '-fy', image)
  if (variant.resizedMib !== undefined) await runTool('resize2fs', image)
  if (!isFilled) await withMount(image, {}, folder => writeTree(folder, seed, { files: 24, largest: MIB }))
  return {
    image,
    check: path => runTool('e2fsck', '-fn', path),
    hash: path => (isFilled ? hashByDebugfs(t, path) : hashFiles(path)),
  }
}

async function makeFileSystem(
  image: string,
  { options, mib = 48 }: Variant,
  ...more: readonly string[]
): Promise<void> {
  await runTool('mke2fs', '-q', '-F', '-L', 'a name', ...options.split(' '), ...more, image, `${mib}M`)
}

async function hashByDebugfs(t: Parameters<typeof makeDiskImage>[0], image: string): Promise<Hashes> {
  const folder = join(await quickFolder(t), 'files')
  await mkdir(folder)
  await runTool('debugfs', '-R', `rdump / ${folder}`, image)
  return await hashTree(folder)
}
