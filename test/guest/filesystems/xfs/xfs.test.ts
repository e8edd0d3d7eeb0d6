import t, { type Test } from 'tap'
import { xfs } from '../../../../lib/guest/filesystems/xfs/xfs.ts'
import { fileDevice } from '../../../fixtures/guest/disk_image.ts'
import { kernelMounts, powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { findsMutation, freeRangesOf, type Patient, poison } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { differences, hashFiles, hashTree, writeTree } from '../../../fixtures/guest/tree.ts'
import { randomFrom, seedOfRun } from '../../../fixtures/random.ts'
import { firstOutside, wholeBlocks } from '../../../fixtures/range_sets.ts'
import {
  checkXfs,
  freeByXfsDb,
  makeHoles,
  makeOldXfs,
  makeXfs,
  numberOf,
  XFS_TOOLS,
  type XfsVariant,
} from '../../../fixtures/xfs_images.ts'

const MIB = 2 ** 20

const skip = requireTools(...XFS_TOOLS) || (kernelMounts('xfs') ? false : 'needs a kernel that mounts XFS')

const seed = seedOfRun()

t.setTimeout(600_000)

const isThorough = process.env.VBOXMERGE_BUDGET !== undefined

const PLAIN: XfsVariant = { name: 'as mkfs.xfs makes it', mib: 300, mkfs: ['-L', 'a label'] }

/** Of these some are tried each time, all of them with VBOXMERGE_BUDGET. */
const VARIANTS: readonly XfsVariant[] = [
  PLAIN,
  {
    name: 'reverse mappings, shared blocks, another UUID in its metadata',
    mib: 300,
    mkfs: ['-m', 'rmapbt=1,reflink=1'],
    fill: async folder => {
      await runTool('xfs_io', '-f', '-c', 'pwrite -q 0 3m', '-c', 'fsync', `${folder}/one`)
      await runTool('xfs_io', '-f', '-c', `reflink ${folder}/one`, '-c', 'pwrite -q 1m 64k', `${folder}/two`)
      await runTool('xfs_io', '-f', '-c', 'falloc 0 5m', '-c', 'pwrite -q 1m 1m', `${folder}/reserved`)
    },
    afterwards: image => runTool('xfs_admin', '-U', 'generate', image),
  },
  {
    name: 'blocks of 1 KiB and thousands of holes',
    mib: 300,
    mkfs: ['-b', 'size=1024', '-m', 'rmapbt=1'],
    hasHoles: true,
    fill: folder => makeHoles(`${folder}/holes`, 12_000, 1024),
  },
  { name: 'sectors of 4 KiB', mib: 300, mkfs: ['-s', 'size=4096'] },
  { name: 'many allocation groups, the last one short', mib: 610, mkfs: ['-d', 'agsize=80m'] },
  {
    name: 'stripes',
    mib: 1024,
    mkfs: ['-d', 'su=64k,sw=2', '-l', 'su=64k'],
    mount: 'logbsize=256k',
  },
  {
    name: 'none of the newer features',
    mib: 300,
    mkfs: ['-m', 'finobt=0,reflink=0,bigtime=0,inobtcount=0', '-i', 'sparse=0'],
  },
  {
    name: 'many extents of a file',
    mib: 300,
    mkfs: ['-i', 'nrext64=1'],
  },
]

for (const variant of chosen(VARIANTS, 3)) {
  t.test(`XFS, ${variant.name}: what is called free is not missed`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const patient = await makeXfs(t, variant, seed)
    if (variant.hasHoles === true) {
      t.ok((await numberOf(patient.image, 'bnolevel', 'agf 0')) > 1, 'the tree has levels')
    }
    await checkSpace(t, patient, isThorough || variant === PLAIN || variant.hasHoles === true)
  })
}

for (const [name, mkfs] of chosen<readonly [string, readonly string[]]>(
  [
    ['version 4', ['-m', 'crc=0']],
    [
      'version 4, a log of version 1, blocks of 512 bytes',
      ['-m', 'crc=0', '-b', 'size=512', '-l', 'version=1'],
    ],
  ],
  1,
)) {
  t.test(`XFS, ${name}: what is called free is not missed`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    await checkSpace(t, await makeOldXfs(t, 300, mkfs, seed), true)
  })
}

function chosen<T>(items: readonly T[], count: number): readonly T[] {
  return isThorough ? items : randomFrom(seed).shuffle(items).slice(0, count)
}

/** @param isMutated Whether the test is shown to fail when one block more is called free. */
async function checkSpace(t: Test, patient: Patient, isMutated: boolean): Promise<void> {
  const theirs = await freeByXfsDb(patient.image)
  const blockSize = await numberOf(patient.image, 'blocksize')
  const before = await freeRangesOf(await fileDevice(t, patient.image), xfs)
  t.equal(firstOutside(before, theirs), undefined, 'nothing that xfs_db does not call free')
  t.ok(wholeBlocks(before, MIB) >= 0.95 * wholeBlocks(theirs, MIB), `${wholeBlocks(before, MIB)} blocks`)
  t.ok(wholeBlocks(before, MIB) > 100, 'there is much to give back')
  const poisoned = await poison(t, patient, xfs)
  t.same(poisoned.losses, [])
  if (isMutated) {
    t.ok(await findsMutation(patient, poisoned, blockSize, seed), 'one block more would be missed')
  }
  const after = await freeRangesOf(await fileDevice(t, patient.image), xfs)
  t.same(after, before, 'it says the same of the poisoned image')
}

t.test(
  'XFS: a volume that was not unmounted is kept, and is whole when the guest has mounted it',
  { skip },
  async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const { image } = await makeXfs(t, PLAIN, seed)
    const cut = await withMount(image, { type: 'xfs' }, async folder => {
      await writeTree(folder, seed + 1, { files: 300, largest: 60_000, fsync: true, plain: true, removed: 0 })
      return { image: await powerCut(image), hashes: await hashTree(folder) }
    })
    const kept = await xfs.probe(await fileDevice(t, cut.image))
    t.match(kept?.keep, { code: 'unclean', found: /log has to be replayed/ })
    t.equal(kept?.label, 'a label')
    await kept?.freeRanges(() => t.fail('nothing of it is told'))

    await withMount(cut.image, { type: 'xfs' }, async () => {})
    t.same(differences(cut.hashes, await hashFiles(cut.image, { type: 'xfs' })), [])
    const patient: Patient = {
      image: cut.image,
      check: checkXfs,
      hash: path => hashFiles(path, { type: 'xfs' }),
    }
    t.same((await poison(t, patient, xfs)).losses, [])
  },
)
