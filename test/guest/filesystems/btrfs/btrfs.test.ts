import { rm, writeFile } from 'node:fs/promises'
import t from 'tap'
import { btrfs } from '../../../../lib/guest/filesystems/btrfs/btrfs.ts'
import {
  BTRFS_TOOLS,
  type BtrfsVariant,
  checkBtrfs,
  freeByDumpTree,
  hashBtrfs,
  makeBtrfs,
  scrub,
} from '../../../fixtures/btrfs_images.ts'
import { copyImage, fileDevice } from '../../../fixtures/guest/disk_image.ts'
import { kernelMounts, powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { findsMutation, freeRangesOf, type Patient, poison } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { differences, type Hashes, hashTree, writeTree } from '../../../fixtures/guest/tree.ts'
import { randomFrom, seedOfRun } from '../../../fixtures/random.ts'
import { joined, wholeBlocks } from '../../../fixtures/range_sets.ts'

const MIB = 2 ** 20

const skip =
  requireTools(...BTRFS_TOOLS) || (kernelMounts('btrfs') ? false : 'needs a kernel that mounts Btrfs')

const seed = seedOfRun()

t.setTimeout(600_000)

const isThorough = process.env.VBOXMERGE_BUDGET !== undefined

const PLAIN: BtrfsVariant = { name: 'as mkfs.btrfs makes it', mib: 600, mkfs: ['-L', 'a label'] }

const SINGLE: BtrfsVariant = {
  name: 'one copy of everything, small nodes, hundreds of extents',
  mib: 600,
  mkfs: ['-m', 'single', '-d', 'single', '-n', '4096'],
  mount: 'max_inline=0',
  fill: async folder => {
    for (let number = 0; number < 300; number++) await writeFile(`${folder}/${number}`, `number ${number}`)
    await runTool('sync', '-f', folder)
    for (let number = 0; number < 300; number += 3) await rm(`${folder}/${number}`)
  },
}

/** Of these some are tried each time, all of them with VBOXMERGE_BUDGET. */
const VARIANTS: readonly BtrfsVariant[] = [
  PLAIN,
  SINGLE,
  { name: 'two copies of everything', mib: 800, mkfs: ['-m', 'dup', '-d', 'dup'] },
  { name: 'data and metadata mixed', mib: 400, mkfs: ['-M'], mount: 'compress-force=zstd' },
  {
    name: 'xxhash and another UUID in its nodes',
    mib: 600,
    mkfs: ['--csum', 'xxhash'],
    afterwards: changeUuid,
  },
  { name: 'BLAKE2b', mib: 600, mkfs: ['--csum', 'blake2'] },
  { name: 'sha256 and zstd', mib: 600, mkfs: ['--csum', 'sha256'], mount: 'compress=zstd' },
  {
    name: 'references of the old kind',
    mib: 600,
    mkfs: ['-O', '^skinny-metadata,^no-holes', '-R', '^free-space-tree'],
  },
  { name: 'balanced and made smaller', mib: 1024, mkfs: ['-d', 'single'], fill: balance },
]

for (const variant of isThorough ? VARIANTS : randomFrom(seed).shuffle(VARIANTS).slice(0, 1)) {
  t.test(`Btrfs, ${variant.name}: what is called free is not missed`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const patient = await makeBtrfs(t, variant, seed)
    const theirs = await freeByDumpTree(patient.image)
    const before = await freeRangesOf(await fileDevice(t, patient.image), btrfs)
    t.same(joined(before), theirs, 'what the trees leave, but for superblocks and boot loader')
    t.ok(wholeBlocks(before, MIB) >= 0.95 * wholeBlocks(theirs, MIB), `${wholeBlocks(before, MIB)} blocks`)
    t.ok(wholeBlocks(before, MIB) > 100, 'there is much to give back')
    const poisoned = await poison(t, patient, btrfs)
    t.same(poisoned.losses, [])
    await t.resolves(scrub(patient.image), 'every copy of every block is whole')
    if (isThorough || variant === SINGLE) {
      t.ok(await findsMutation(patient, poisoned, 4096, seed), 'one block more would be missed')
    }
  })
}

t.test('Btrfs: a volume whose log was not replayed is kept, and is whole when it was', { skip }, async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const { image } = await makeBtrfs(t, PLAIN, seed)
  const cut = await withMount(image, { type: 'btrfs' }, async folder => {
    await runTool('sync', '-f', folder)
    await writeTree(folder, seed + 7, { files: 300, largest: 60_000, fsync: true, plain: true, removed: 0 })
    return { image: await powerCut(image), hashes: filesOf(await hashTree(folder)) }
  })
  const kept = await btrfs.probe(await fileDevice(t, cut.image))
  t.match(kept?.keep, { code: 'unclean', found: /log has to be replayed/ })
  t.equal(kept?.label, 'a label')
  await kept?.freeRanges(() => t.fail('nothing of it is told'))

  await withMount(cut.image, { type: 'btrfs' }, async () => {})
  t.same(differences(cut.hashes, filesOf(await hashBtrfs(cut.image))), [])
  const patient: Patient = { image: cut.image, check: checkBtrfs, hash: hashBtrfs }
  t.same((await poison(t, patient, btrfs)).losses, [])
})

t.test(
  'Btrfs: after a power cut without a log the last commit is whole, whatever is free',
  { skip },
  async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const cutInTime = async (
      tries: number,
    ): Promise<{ cut: string; hashes: ReadonlyMap<string, string> }> => {
      const { image } = await makeBtrfs(t, PLAIN, seed + tries)
      const cut = await withMount(image, { type: 'btrfs', options: 'commit=300' }, async folder => {
        await runTool('sync', '-f', folder)
        await rm(`${folder}/volume`, { recursive: true })
        await writeTree(folder, seed + 7, { files: 60, largest: 60_000 })
        // Data that no commit knows of reach the disk, over what was free.
        await runTool('dd', 'if=/dev/urandom', `of=${folder}/direct`, 'oflag=direct', 'bs=1M', 'count=40')
        return await powerCut(image)
      })
      const hashes = await hashBtrfs(await copyImage(cut, '.control'))
      // The kernel may commit when it wants to, as when another program asks for all to be flushed.
      return hashes.has('direct') && tries > 0 ? await cutInTime(tries - 1) : { cut, hashes }
    }
    const { cut, hashes } = await cutInTime(3)
    t.ok(hashes.size > 60 && !hashes.has('direct'), 'files of the last commit')
    const patient: Patient = { image: cut, check: checkBtrfs, hash: hashBtrfs }
    t.same((await poison(t, patient, btrfs)).losses, [])
    t.same(differences(hashes, await hashBtrfs(cut)), [])
  },
)

/** Without folders: those that are empty were not flushed. */
function filesOf(hashes: Hashes): Hashes {
  return new Map([...hashes].filter(([, hash]) => hash !== 'folder'))
}

async function changeUuid(image: string): Promise<void> {
  await runTool('btrfstune', '-f', '-m', image)
}

async function balance(folder: string): Promise<void> {
  await runTool('btrfs', 'balance', 'start', '--full-balance', folder)
  await runTool('btrfs', 'filesystem', 'resize', '900m', folder)
}
