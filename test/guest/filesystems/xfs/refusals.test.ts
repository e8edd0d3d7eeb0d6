import t from 'tap'
import type { FileSystem } from '../../../../lib/guest/file_system.ts'
import { GuestProblem } from '../../../../lib/guest/file_system.ts'
import { xfs } from '../../../../lib/guest/filesystems/xfs/xfs.ts'
import { copyImage, fileDevice, makeDiskImage, resizeImage } from '../../../fixtures/guest/disk_image.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { XFS_TOOLS } from '../../../fixtures/xfs_images.ts'

const skip = requireTools(...XFS_TOOLS)

/** What xfs_db writes into a sound file system, checksums made right again, and why all of it is kept then. */
const CHANGES: readonly (readonly [code: string, found: RegExp, ...commands: string[]])[] = [
  ['damaged', /NEEDSREPAIR/, 'sb 0', 'write -d features_incompat 0x1b'],
  ['damaged', /sb_inprogress/, 'sb 0', 'write -d inprogress 1'],
  ['unsupported_feature', /METADIR \(incompat 0x100\)/, 'sb 0', 'write -d features_incompat 0x10b'],
  ['unsupported_feature', /unknown \(incompat 0x40000000\)/, 'sb 0', 'write -d features_incompat 0x4000000b'],
  ['unsupported_feature', /unknown \(ro_compat 0x8000\)/, 'sb 0', 'write -d features_ro_compat 0x8005'],
  ['unsupported_feature', /LOG_XATTRS \(log_incompat 0x1\)/, 'sb 0', 'write -d features_log_incompat 1'],
  ['unsupported_feature', /unknown \(compat 0x4\)/, 'sb 0', 'write -d features_compat 4'],
  ['unsupported_feature', /SHAREDBIT/, 'sb 0', 'write -d versionnum 0xb6a5'],
  ['unsupported_feature', /version 6/, 'sb 0', 'write -d versionnum 0xb4a6'],
  ['unsupported_feature', /LAZYSBCOUNT/, 'sb 0', 'write -d features2 0x188', 'write -d bad_features2 0x188'],
  ['multiple_devices', /log is on another device/, 'sb 0', 'write -d logstart 0'],
  ['multiple_devices', /realtime/, 'sb 0', 'write -d rblocks 7'],
  ['damaged', /impossible sb_agcount, 5/, 'sb 0', 'write -d agcount 5'],
  ['damaged', /impossible sb_agblklog, 16/, 'sb 0', 'write -d agblklog 16'],
  ['damaged', /impossible sb_logstart/, 'sb 0', 'write -d logstart 0xffffffff'],
  ['damaged', /are more than the 314572800 bytes/, 'sb 0', 'write -d dblocks 0xffffffffffffffff'],
  ['damaged', /its superblock 1000$/, 'sb 0', 'write -d fdblocks 1000'],
  ['damaged', /group 1 has .* free blocks, .* AGF says/, 'agf 1', 'write -d freeblks 1000'],
  ['damaged', /group 1 has .* free blocks, .* AGF says/, 'agf 1', 'write -d longest 1000'],
  ['damaged', /group 1 has no right AGF$/, 'agf 1', 'write -d length 1000'],
  ['damaged', /group 3 has no right AGI$/, 'agi 3', 'write -d seqno 2'],
  ['damaged', /group 1 has no right AGFL$/, 'agfl 1', 'write -d seqno 2'],
  ['damaged', /group 1 has a strange AGFL, 4 blocks from 3/, 'agf 1', 'write -d flfirst 3'],
  ['damaged', /group 1 names block 77777 of 19200/, 'agfl 1', 'write -d bno[1] 77777'],
  ['damaged', /group 1 has a tree of 0 levels/, 'agf 1', 'write -d bnolevel 0'],
  ['damaged', /block 1 is no block of level 1/, 'agf 2', 'write -d bnolevel 2'],
  ['damaged', /names block 99999 of 19200/, 'agf 2', 'write -d bnoroot 99999'],
  ['damaged', /strange free extent/, 'agf 1', 'addr bnoroot', 'write -d recs[1].blockcount 100000'],
  ['damaged', /strange free extent/, 'agf 1', 'addr bnoroot', 'write -d recs[1].blockcount 0'],
  [
    'damaged',
    /calls block \d+ free, which is used/,
    'agf 1',
    'addr bnoroot',
    'write -d recs[1].startblock 3',
  ],
  ['damaged', /names a sibling/, 'agf 2', 'addr bnoroot', 'write -d rightsib 5'],
  ['damaged', /block 1 is not the sibling/, 'agf 2', 'addr bnoroot', 'write -d leftsib 5'],
  ['damaged', /wrong checksum, place, owner/, 'agf 2', 'addr bnoroot', 'write -d owner 1'],
  ['damaged', /wrong checksum, place, owner/, 'agf 2', 'addr bnoroot', 'write -d bno 8'],
  ['damaged', /has 60000 records/, 'agf 2', 'addr bnoroot', 'write -d numrecs 60000'],
  ['damaged', /AGF with a wrong checksum/, 'agf 1', 'write -c freeblks 1000'],
  ['damaged', /checksum of its superblock/, 'sb 0', 'write -c icount 1000'],
]

t.test('XFS: whatever is not understood or not right is a reason to keep it', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', '-L', 'twelve bytes', image)
  for (const [code, found, ...commands] of CHANGES) {
    const copy = await copyImage(image)
    await runTool('xfs_db', '-x', '-f', ...commands.flatMap(command => ['-c', command]), copy)
    const reason = await reasonOf(t, copy)
    t.equal(reason.code, code, commands.join('; '))
    t.match(reason.found, found, commands.join('; '))
  }
})

t.test('XFS: a log or realtime device elsewhere is a reason to keep it', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  const other = await makeDiskImage(t, 100)
  await runTool('mkfs.xfs', '-q', '-f', '-l', `logdev=${other},size=64m`, image)
  t.match(await reasonOf(t, image), { code: 'multiple_devices', found: /log/ })
  await runTool('mkfs.xfs', '-q', '-f', '-r', `rtdev=${other}`, image)
  t.match(await reasonOf(t, image), { code: 'multiple_devices', found: /realtime/ })
})

t.test('XFS: version 4 that counts in the old way is kept', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', '-m', 'crc=0', '-l', 'lazy-count=0', image)
  t.match(await reasonOf(t, image), { code: 'unsupported_feature', found: /LAZYSBCOUNT/ })
})

t.test('XFS: a volume that is cut off is kept, and a longer one says what is its own', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', image)
  const { size } = (await probe(t, image)) ?? {}
  t.equal(size, 300 * 2 ** 20)
  await resizeImage(image, 301 * 2 ** 20 + 512)
  t.match(await probe(t, image), { size: 300 * 2 ** 20, keep: undefined, label: undefined })
  await resizeImage(image, 299 * 2 ** 20)
  t.match(await reasonOf(t, image), { code: 'damaged', found: /are more than the/ })
  await resizeImage(image, 512)
  t.equal((await reasonOf(t, image)).code, 'damaged')
  await resizeImage(image, 511)
  t.equal(await probe(t, image), undefined)
})

type Teardown = Parameters<typeof fileDevice>[0]

async function probe(t: Teardown, image: string): Promise<FileSystem | undefined> {
  return await xfs.probe(await fileDevice(t, image))
}

/** Returns why a file system is kept, whether that shows at first sight or only when its free space is read. */
async function reasonOf(t: Teardown, image: string): Promise<GuestProblem['reason']> {
  const found = await probe(t, image)
  if (found === undefined) throw new Error('no XFS was found')
  if (found.keep) return found.keep
  try {
    await found.freeRanges(() => {})
  } catch (error) {
    if (error instanceof GuestProblem) return error.reason
    throw error
  }
  throw new Error('it is not kept')
}
