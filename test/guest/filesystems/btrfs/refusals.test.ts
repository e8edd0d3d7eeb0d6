import t from 'tap'
import type { BlockDevice } from '../../../../lib/guest/device.ts'
import { GuestProblem, type KeepReason } from '../../../../lib/guest/file_system.ts'
import { btrfs } from '../../../../lib/guest/filesystems/btrfs/btrfs.ts'
import { HEADER, ITEM, KEY, SB, TREE } from '../../../../lib/guest/filesystems/btrfs/layout.ts'
import { type BlockPlace, changeBlock, leafOf, SUPERBLOCK } from '../../../fixtures/btrfs_blocks.ts'
import { BTRFS_TOOLS } from '../../../fixtures/btrfs_images.ts'
import { copyImage, fileDevice, makeDiskImage, resizeImage } from '../../../fixtures/guest/disk_image.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'

const skip = requireTools(...BTRFS_TOOLS)

type Teardown = Parameters<typeof fileDevice>[0]
type Change = (block: DataView) => void

const u64 =
  (at: number, value: bigint): Change =>
  block =>
    block.setBigUint64(at, value, true)
const u32 =
  (at: number, value: number): Change =>
  block =>
    block.setUint32(at, value, true)
const u8 =
  (at: number, value: number): Change =>
  block =>
    block.setUint8(at, value)

/** Changes of the superblock, whose checksum is made right again, and why all of it is kept then. */
const SUPERBLOCK_CHANGES: readonly (readonly [code: string, found: RegExp, change: Change])[] = [
  ['damaged', /copy of another place/, u64(SB.bytenr, 2n ** 26n)],
  ['unsupported_feature', /unknown kind \(csum_type 9\)/, u8(SB.csum_type, 9)],
  ['unsupported_feature', /ERROR \(flags 0x4\)/, u64(SB.flags, 5n)],
  ['unsupported_feature', /SEEDING \(flags 0x100000000\)/, u64(SB.flags, 2n ** 32n + 1n)],
  ['unsupported_feature', /unknown \(flags 0x8000000000000000\)/, u64(SB.flags, 2n ** 63n)],
  ['unsupported_feature', /unknown \(compat 0x1\)/, u64(SB.compat_flags, 1n)],
  ['unsupported_feature', /BLOCK_GROUP_TREE \(compat_ro 0x8\)/, u64(SB.compat_ro_flags, 0xbn)],
  ['unsupported_feature', /RAID56 \(incompat 0x80\), ZONED/, u64(SB.incompat_flags, 0x1080n)],
  ['unsupported_feature', /unknown \(incompat 0x4000000000000000\)/, u64(SB.incompat_flags, 2n ** 62n)],
  ['multiple_devices', /has 2 devices/, u64(SB.num_devices, 2n)],
  ['unclean', /log_root/, u64(SB.log_root, 2n ** 63n)],
  ['damaged', /impossible sectorsize, 4095/, u32(SB.sectorsize, 4095)],
  ['damaged', /impossible nodesize, 131072/, u32(SB.nodesize, 131072)],
  ['damaged', /impossible nodesize, 2048/, u32(SB.nodesize, 2048)],
  ['damaged', /impossible root_level, 8/, u8(SB.root_level, 8)],
  ['damaged', /impossible chunk_root_level, 255/, u8(SB.chunk_root_level, 255)],
  ['damaged', /tree 1 is damaged: .* is another node/, u8(SB.root_level, 1)],
  ['damaged', /impossible sys_chunk_array_size, 2049/, u32(SB.sys_chunk_array_size, 2049)],
  ['damaged', /half a chunk/, u32(SB.sys_chunk_array_size, 60)],
  ['damaged', /half a chunk/, u32(SB.sys_chunk_array_size, 120)],
  ['damaged', /lies in no chunk/, u32(SB.sys_chunk_array_size, 0)],
  ['damaged', /two sizes/, u64(SB.total_bytes, 4096n)],
  ['damaged', /more than the 314572800 bytes/, u64(SB.dev_item + 8, 2n ** 40n)],
  ['damaged', /impossible number/, u64(SB.dev_item + 8, 2n ** 53n)],
  ['damaged', /lies on another device/, u64(SB.dev_item, 3n)],
  ['damaged', /lies in no chunk/, u64(SB.root, 0n)],
  ['damaged', /lies in no chunk/, u64(SB.chunk_root, 2n ** 52n)],
  ['damaged', /another node than it should be/, u64(SB.chunk_root_generation, 77n)],
  ['damaged', /bytes of extents, its superblock says 4096/, u64(SB.bytes_used, 4096n)],
]

t.test(
  'Btrfs: whatever its superblock says that is not understood is a reason to keep it',
  { skip },
  async t => {
    const image = await makeImage(t)
    t.equal(await reasonOf(t, image), undefined)
    for (const [code, found, change] of SUPERBLOCK_CHANGES) {
      const copy = await copyImage(image)
      await changeBlock({ image: copy, device: await fileDevice(t, copy) }, SUPERBLOCK, change)
      const reason = await reasonOf(t, copy)
      t.equal(reason?.code, code, `${found}`)
      t.match(reason?.found, found)
    }
  },
)

/** Offset of the data of an item of a leaf. */
const dataOf = (leaf: DataView, index: number): number =>
  HEADER.size + leaf.getUint32(HEADER.size + index * ITEM.size + ITEM.offset, true)
const inKey = (index: number, field: number): number => HEADER.size + index * ITEM.size + field
const inData =
  (index: number, at: number, value: bigint): Change =>
  leaf =>
    leaf.setBigUint64(dataOf(leaf, index) + at, value, true)

/**
 * Changes of leaves whose checksums are made right again. Item 0 of the chunk tree is the device, item 1 the first
 * chunk; item 0 of the extent tree is the block group of that, item 2 the first extent, a block of the chunk tree.
 */
const LEAF_CHANGES: readonly (readonly [code: string, found: RegExp, tree: number, change: Change])[] = [
  ['damaged', /describes its device in another way/, TREE.chunk, inData(0, 8, 4096n)],
  ['unsupported_feature', /profile RAID1$/, TREE.chunk, inData(1, 0x18, 0x11n)],
  ['unsupported_feature', /profile RAID0, RAID6/, TREE.chunk, inData(1, 0x18, 0x109n)],
  ['unsupported_feature', /is of type 2049/, TREE.chunk, inData(1, 0x18, 0x801n)],
  ['damaged', /has 1 stripes/, TREE.chunk, inData(1, 0x18, 0x21n)],
  ['damaged', /lies on another device/, TREE.chunk, inData(1, 0x30, 2n)],
  ['damaged', /impossible place or length/, TREE.chunk, inData(1, 0x38, 2n ** 40n)],
  ['damaged', /impossible place or length/, TREE.chunk, inData(1, 0, 0n)],
  ['damaged', /impossible place or length/, TREE.chunk, inData(1, 0, 4097n)],
  ['damaged', /its chunks overlap/, TREE.chunk, inData(1, 0x38, 22020096n)],
  ['damaged', /its chunks overlap/, TREE.chunk, inData(1, 0, 67108864n)],
  ['damaged', /its chunks take up/, TREE.chunk, inData(1, 0, 4194304n)],
  ['damaged', /other system chunks/, TREE.chunk, inData(2, 0x38, 1048576n)],
  ['unsupported_feature', /item of type 7$/, TREE.chunk, u8(inKey(1, KEY.type), 7)],
  ['unsupported_feature', /item of type 216$/, TREE.chunk, u64(inKey(0, KEY.objectid), 0n)],
  ['damaged', /has 4000000000 items/, TREE.chunk, u32(HEADER.nritems, 4_000_000_000)],
  ['damaged', /item 1 in a strange place/, TREE.chunk, u32(inKey(1, ITEM.offset), 16000)],
  ['damaged', /item 0 in a strange place/, TREE.chunk, u32(inKey(0, ITEM.length), 4_000_000_000)],
  ['damaged', /another node/, TREE.chunk, u64(HEADER.bytenr, 4096n)],
  ['damaged', /another node/, TREE.chunk, u64(HEADER.fsid, 4096n)],
  ['damaged', /another node/, TREE.extent, u64(HEADER.generation, 4096n)],
  ['damaged', /another node/, TREE.extent, u64(HEADER.owner, 4n)],
  ['damaged', /another node/, TREE.extent, u8(HEADER.level, 1)],
  ['damaged', /extent tree has no root/, TREE.root, u64(inKey(0, KEY.objectid), 0n)],
  ['damaged', /keys out of order/, TREE.extent, u64(inKey(3, KEY.objectid), 22036480n)],
  [
    'damaged',
    /extent of 16384 bytes at 22036481 is in a strange place/,
    TREE.extent,
    u64(inKey(2, 0), 22036481n),
  ],
  ['damaged', /has 8388608 bytes of extents, and says nothing/, TREE.extent, u8(inKey(0, KEY.type), 168)],
  ['damaged', /block group at 13631488 is no chunk/, TREE.extent, u64(inKey(0, KEY.offset), 4096n)],
  ['damaged', /block group at 13631488 is no chunk/, TREE.extent, inData(0, 16, 4n)],
  [
    'damaged',
    /block group at 13631488 has 0 bytes of extents, and says 4096/,
    TREE.extent,
    inData(0, 0, 4096n),
  ],
  ['unsupported_feature', /item of type 177$/, TREE.extent, u8(inKey(2, KEY.type), 177)],
  ['damaged', /tree block at 22036480 counts as free/, TREE.extent, u64(inKey(2, 0), 22052864n)],
]

t.test('Btrfs: whatever its trees say that is not right is a reason to keep it', { skip }, async t => {
  const image = await makeImage(t)
  const whole = await fileDevice(t, image)
  const leaves = new Map<number, BlockPlace>()
  for (const tree of Object.values(TREE)) leaves.set(tree, await leafOf(whole, tree))
  for (const [code, found, tree, change] of LEAF_CHANGES) {
    const copy = await copyImage(image)
    const device = await fileDevice(t, copy)
    await changeBlock({ image: copy, device }, leaves.get(tree) as BlockPlace, change)
    const reason = await reasonOf(t, copy)
    t.equal(reason?.code, code, `${found}`)
    t.match(reason?.found, found)
  }
})

t.test(
  'Btrfs: a later copy of the superblock is a reason to keep it, an earlier one is none',
  { skip },
  async t => {
    const image = await makeImage(t)
    const device = await fileDevice(t, image)
    const copy = { ...SUPERBLOCK, at: 2 ** 26 }
    await changeBlock({ image, device }, copy, u64(SB.generation, 1n))
    t.equal(await reasonOf(t, image), undefined)
    await changeBlock({ image, device }, copy, u64(SB.generation, 1000n))
    t.match(await reasonOf(t, image), { code: 'ambiguous', found: /a copy of generation 1000/ })
    await changeBlock({ image, device }, copy, u64(SB.fsid, 1n))
    t.equal(await reasonOf(t, image), undefined, 'of another file system that was there before')
  },
)

t.test('Btrfs: several devices and a seed are reasons to keep it', { skip }, async t => {
  const image = await makeImage(t)
  const other = await makeImage(t)
  await runTool('btrfstune', '-f', '-S', '1', other)
  t.match(await reasonOf(t, other), { code: 'unsupported_feature', found: /SEEDING/ })
  await runTool('mkfs.btrfs', '-q', '-f', '-K', '-d', 'raid0', '-m', 'raid1', image, other)
  for (const path of [image, other]) t.match(await reasonOf(t, path), { code: 'multiple_devices' })
})

t.test(
  'Btrfs: a volume that is cut off is kept, and a longer one says what is its own',
  { skip },
  async t => {
    const image = await makeImage(t)
    await resizeImage(image, 301 * 2 ** 20 + 512)
    t.match(await btrfs.probe(await fileDevice(t, image)), {
      size: 300 * 2 ** 20,
      keep: undefined,
      label: undefined,
    })
    await resizeImage(image, 299 * 2 ** 20)
    t.match(await reasonOf(t, image), { code: 'damaged', found: /are more than the/ })
    await resizeImage(image, 2 ** 16 + 4096)
    t.match(await reasonOf(t, image), { code: 'damaged', found: /are more than the/ })
    await resizeImage(image, 2 ** 16 + 4095)
    t.equal(await btrfs.probe(await fileDevice(t, image)), undefined)
  },
)

async function makeImage(t: Teardown, ...options: string[]): Promise<string> {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.btrfs', '-q', '-f', '-K', ...options, image)
  return image
}

/** Returns why a file system is kept, whether that shows at first sight or only when its free space is read. */
async function reasonOf(t: Teardown, image: string): Promise<KeepReason | undefined> {
  const device: BlockDevice = await fileDevice(t, image)
  const found = await btrfs.probe(device)
  if (found === undefined) throw new Error('no Btrfs was found')
  if (found.keep) return found.keep
  try {
    await found.freeRanges(() => {})
  } catch (error) {
    if (error instanceof GuestProblem) return error.reason
    throw error
  }
  return undefined
}
