import { readFile } from 'node:fs/promises'
import t from 'tap'
import { crc32 } from '../../../lib/guest/checksums/crc32.ts'
import { type BlockDevice, readBytes } from '../../../lib/guest/device.ts'
import { type FreeSpace, findFreeSpace } from '../../../lib/guest/free_space.ts'
import {
  copyImage,
  fileDevice,
  fillRanges,
  makeDiskImage,
  withImage,
  writeBytes,
} from '../../fixtures/guest/disk_image.ts'
import { type Lvm, withLvm } from '../../fixtures/guest/lvm.ts'
import { withMount } from '../../fixtures/guest/mount.ts'
import { requireTools, runTool } from '../../fixtures/guest/tools.ts'
import { differences, hashFiles, writeTree } from '../../fixtures/guest/tree.ts'

const skip = requireTools('root', 'losetup', 'lvcreate', 'pvcreate', 'vgcfgrestore', 'mkfs.ext4', 'e2fsck')
const MIB = 2 ** 20
const BLOCK = 65536
const STRIPE = 64 * 1024
const GROUP = `vboxmerge${process.pid}`

type Test = Parameters<typeof makeDiskImage>[0]

async function disks(t: Test, count: number, mib = 128): Promise<string[]> {
  const images: string[] = []
  for (let disk = 0; disk < count; disk++) images.push(await makeDiskImage(t, mib, { name: `${disk}.raw` }))
  return images
}

/** Makes a group of whole disks. */
async function groupOf(images: readonly string[], act: (lvm: Lvm) => Promise<unknown>): Promise<void> {
  await withLvm(
    images.map(image => ({ image })),
    async lvm => {
      await lvm.run('pvcreate', '-q', ...lvm.loops)
      await lvm.run('vgcreate', '-q', GROUP, ...lvm.loops)
      await act(lvm)
    },
  )
}

async function lookAt(t: Test, images: readonly string[], blockSize = BLOCK): Promise<FreeSpace> {
  const devices = await Promise.all(images.map(image => fileDevice(t, image)))
  return await findFreeSpace(devices.map(device => ({ device, blockSize })))
}

async function poisonBlocks(images: readonly string[], space: FreeSpace): Promise<void> {
  for (const [disk, image] of images.entries()) {
    const ranges = []
    for (let block = 0; block < 4096; block++) {
      if (space.disks[disk]?.isFree(block)) ranges.push({ start: block * BLOCK, length: BLOCK })
    }
    await fillRanges(image, ranges, 0xa5)
  }
}

/** The bytes of a volume that is striped over devices from byte `starts` on, gathered by other code than ours. */
async function unstripe(images: readonly string[], starts: readonly number[], size: number): Promise<Buffer> {
  const sources = await Promise.all(images.map(image => readFile(image)))
  const whole = Buffer.alloc(size)
  for (let chunk = 0; chunk * STRIPE < size; chunk++) {
    const disk = chunk % sources.length
    const from = (starts[disk] as number) + Math.floor(chunk / sources.length) * STRIPE
    sources[disk]?.copy(whole, chunk * STRIPE, from, from + STRIPE)
  }
  return whole
}

async function stripe(images: readonly string[], starts: readonly number[], whole: Buffer): Promise<void> {
  for (const [disk, image] of images.entries()) {
    await withImage(image, async file => {
      for (let chunk = disk; chunk * STRIPE < whole.length; chunk += images.length) {
        const to = (starts[disk] as number) + Math.floor(chunk / images.length) * STRIPE
        await file.write(whole, chunk * STRIPE, STRIPE, to)
      }
    })
  }
}

const named = (space: FreeSpace, name: string): FreeSpace['volumes'][number] | undefined =>
  space.volumes.find(({ where }) => where === `logical volume "${GROUP}/${name}"`)

t.test('linear and striped volumes and free extents lose nothing', { skip }, async t => {
  const images = await disks(t, 2)
  await groupOf(images, async lvm => {
    await lvm.create('-L', '40M', '-n', 'root', GROUP, lvm.loops[0] as string)
    await lvm.create('-L', '64M', '-i', '2', '-n', 'data', GROUP)
  })
  const [first, second] = images as [string, string]
  // Extents are of 4 MiB and begin at 1 MiB: root has the first ten of the first disk, data eight of each.
  const root = { start: MIB, length: 40 * MIB }
  const starts = [41 * MIB, MIB]
  const volume = await makeDiskImage(t, 64, { name: 'data.raw' })
  await runTool('mkfs.ext4', '-q', '-F', '-E', `offset=${MIB}`, '-b', '4096', first, '40M')
  await runTool('mkfs.ext4', '-q', '-F', volume)
  await withMount(first, { part: root }, folder => writeTree(folder, 1, { files: 40, largest: MIB }))
  await withMount(volume, {}, folder => writeTree(folder, 2, { files: 60, largest: MIB }))
  await stripe(images, starts, await readFile(volume))
  const before = [await hashFiles(first, { part: root }), await hashFiles(volume)] as const

  const space = await lookAt(t, images)
  t.match(space.volumes, [
    { disk: 0, where: 'the whole disk', kind: 'lvm2', label: GROUP, free: (31 - 18) * 4 * MIB },
    { disk: 1, where: 'the whole disk', kind: 'lvm2', label: GROUP, free: (31 - 8) * 4 * MIB },
    { where: `logical volume "${GROUP}/root"`, kind: 'ext4', size: 40 * MIB, keep: undefined },
    { where: `logical volume "${GROUP}/data"`, kind: 'ext4', size: 64 * MIB, keep: undefined },
  ])
  const told = space.volumes.reduce((sum, { free = 0 }) => sum + free, 0)
  const blocks = space.disks.reduce((sum, { freeBlocks }) => sum + freeBlocks, 0)
  t.ok(blocks * BLOCK > 0.9 * told, `${blocks * BLOCK} of ${told} bytes are whole blocks`)
  await poisonBlocks(images, space)

  await writeBytes(volume, 0, await unstripe(images, starts, 64 * MIB))
  await runTool('e2fsck', '-fn', volume)
  t.same(differences(before[0], await hashFiles(first, { part: root })), [])
  t.same(differences(before[1], await hashFiles(volume)), [])
  await withLvm([{ image: first }, { image: second }], async lvm => {
    await lvm.run('vgck', GROUP)
    const { stdout } = await lvm.run('pvs', '--noheadings', '--units', 'b', '--nosuffix', '-o', 'pv_free')
    t.same(
      stdout.trim().split(/\s+/).map(Number),
      [13 * 4 * MIB, 23 * 4 * MIB],
      'what is free is what LVM2 says',
    )
  })
})

t.test(
  'every block of the group is kept when one of its disks is not there, or there twice',
  { skip },
  async t => {
    const images = await disks(t, 2, 40)
    await groupOf(images, lvm => lvm.create('-L', '8M', '-n', 'root', GROUP))
    const [first, second] = images as [string, string]
    const alone = await lookAt(t, [first])
    t.match(alone.volumes, [
      { kind: 'lvm2', label: GROUP, keep: { code: 'multiple_devices', found: /not on these/ } },
    ])
    t.equal(alone.disks[0]?.freeBlocks, 0)
    const twice = await lookAt(t, [first, second, await copyImage(second)])
    t.match(twice.volumes[0], { keep: { code: 'ambiguous' } })
    t.same(
      twice.disks.map(({ freeBlocks }) => freeBlocks),
      [0, 0, 0],
    )
    t.not((await lookAt(t, images)).disks[0]?.freeBlocks, 0, 'with both it is not')
  },
)

/** Puts more volumes into a description, as LVM2 writes them on computers with a device-mapper. */
function withVolumes(text: string, volumes: string): string {
  return text.replace(/logical_volumes \{\n/, match => `${match}${volumes}\n`)
}

let ids = 0
function lv(name: string, status: string, segment: string): string {
  const id = `aaaaaa-bbbb-cccc-dddd-eeee-ffff-${String(ids++).padStart(6, '0')}`
  return `${name} {\nid = "${id}"\nstatus = [${status}]\nflags = []\nsegment_count = 1\nsegment1 {\n${segment}\n}\n}`
}

const VISIBLE = '"READ", "WRITE", "VISIBLE"'
const HIDDEN = '"READ", "WRITE"'
const on = (extent: number, count: number, pv = 'pv0'): string =>
  `start_extent = 0\nextent_count = ${count}\ntype = "striped"\nstripe_count = 1\nstripes = ["${pv}", ${extent}]`

t.test('what a snapshot reads as well is kept, and so is what is no plain volume', { skip }, async t => {
  const images = await disks(t, 2, 200)
  await groupOf(images, async lvm => {
    await lvm.create('-L', '8M', '-n', 'origin', GROUP, lvm.loops[0] as string)
    await lvm.create('-L', '8M', '-n', 'plain', GROUP, lvm.loops[0] as string)
    await lvm.edit(GROUP, text =>
      withVolumes(
        text,
        [
          lv('cow', VISIBLE, on(4, 1)),
          lv(
            'snapshot0',
            VISIBLE,
            'start_extent = 0\nextent_count = 2\ntype = "snapshot"\nchunk_size = 8\norigin = "origin"\ncow_store = "cow"',
          ),
          lv('pool_tmeta', HIDDEN, on(6, 1)),
          lv('pool_tdata', HIDDEN, on(7, 2)),
          lv(
            'pool',
            VISIBLE,
            'start_extent = 0\nextent_count = 2\ntype = "thin-pool"\nmetadata = "pool_tmeta"\npool = "pool_tdata"\n' +
              'transaction_id = 1\nchunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 1',
          ),
          lv(
            'thin',
            VISIBLE,
            'start_extent = 0\nextent_count = 50\ntype = "thin"\nthin_pool = "pool"\ntransaction_id = 0\ndevice_id = 1',
          ),
          lv('mir_rmeta_0', HIDDEN, on(10, 1)),
          lv('mir_rimage_0', HIDDEN, on(11, 2)),
          lv('mir_rmeta_1', HIDDEN, on(0, 1, 'pv1')),
          lv('mir_rimage_1', HIDDEN, on(1, 2, 'pv1')),
          lv(
            'mir',
            VISIBLE,
            'start_extent = 0\nextent_count = 2\ntype = "raid1"\ndevice_count = 2\nregion_size = 4096\n' +
              'raids = ["mir_rmeta_0", "mir_rimage_0", "mir_rmeta_1", "mir_rimage_1"]',
          ),
        ].join('\n'),
      ),
    )
  })
  for (const [disk, position] of [
    [0, 1 * MIB],
    [0, 9 * MIB],
    [0, 45 * MIB],
  ] as const) {
    await runTool('mkfs.ext4', '-q', '-F', '-E', `offset=${position}`, images[disk] as string, '8M')
  }
  const space = await lookAt(t, images)
  t.match(named(space, 'plain'), { kind: 'ext4', keep: undefined })
  t.match(named(space, 'origin'), { kind: 'ext4', keep: { code: 'snapshot_origin' } })
  t.match(named(space, 'pool'), {
    kind: 'thin-pool',
    keep: { code: 'unsupported_feature', found: /thin-pool/ },
  })
  t.match(named(space, 'thin'), { kind: 'thin', keep: { code: 'unsupported_feature' } })
  t.match(named(space, 'mir'), { kind: 'raid1', keep: { code: 'raid_member' } })
  t.notOk(named(space, 'mir_rimage_0'), 'parts of volumes are no volumes')
  const free = (disk: number, extent: number): boolean =>
    Array.from(
      { length: (4 * MIB) / BLOCK },
      (_, block) => MIB / BLOCK + (extent * 4 * MIB) / BLOCK + block,
    ).every(block => space.disks[disk]?.isFree(block))
  const some = (disk: number, extents: number): number[] =>
    Array.from({ length: extents }, (_, extent) => extent).filter(extent => free(disk, extent))
  t.same(some(0, 16), [3, 5, 9, 13, 14, 15], 'extents of no volume, and one that is free in one')
  t.same(some(1, 6), [3, 4, 5])
})

t.test('a group with anything unknown in it is kept', { skip }, async t => {
  const [image] = (await disks(t, 1, 40)) as [string]
  await groupOf([image], lvm => lvm.create('-L', '8M', '-n', 'root', GROUP))
  await runTool('mkfs.ext4', '-q', '-F', '-E', `offset=${MIB}`, image, '8M')
  const all = await lookAt(t, [image])
  t.match(all.volumes, [
    { kind: 'lvm2', free: 28 * MIB },
    { kind: 'ext4', keep: undefined },
  ])
  await withLvm([{ image }], lvm => lvm.run('vgexport', '--driverloaded', 'n', GROUP))
  const exported = await lookAt(t, [image])
  t.match(exported.volumes, [{ keep: { code: 'unsupported_feature', found: /EXPORTED/ } }])
  t.equal(exported.disks[0]?.freeBlocks, 0)
})

t.test(
  'metadata are read where they lie at both ends, run in a circle, or are in use on one disk',
  { skip },
  async t => {
    const images = await disks(t, 2, 40)
    await withLvm(
      images.map(image => ({ image })),
      async lvm => {
        const [first, second] = lvm.loops as [string, string]
        await lvm.run(
          'pvcreate',
          '-q',
          '--pvmetadatacopies',
          '2',
          '--metadatasize',
          '16k',
          '--dataalignment',
          '64k',
          first,
        )
        await lvm.run('pvcreate', '-q', '--metadataignore', 'y', second)
        await lvm.run('vgcreate', '-q', GROUP, first, second)
        await lvm.create('-L', '8M', '-n', 'root', GROUP, first)
        let hasWrapped = false
        for (let change = 0; change < 30 && !hasWrapped; change++) {
          const tags = Array.from({ length: 20 }, (_, tag) => `long_${'g'.repeat(100)}_${change}_${tag}`)
          const add = tags.flatMap(tag => ['--addtag', tag])
          await lvm.run('vgchange', '--driverloaded', 'n', ...add, GROUP)
          const root = named(await lookAt(t, images), 'root')
          if (root?.size !== 8 * MIB) t.fail(`change ${change} is not read`)
          hasWrapped = await endsAtStart(t, images[0] as string)
        }
        t.ok(hasWrapped, 'the text went over the end of its area')
      },
    )
    const space = await lookAt(t, images)
    t.same(
      space.volumes.map(({ kind, keep }) => [kind, keep?.code]),
      [
        ['lvm2', undefined],
        ['lvm2', undefined],
        ['unknown', 'unknown'],
      ],
    )
  },
)

t.test('a wrong checksum, and a change that was not finished, keep the group', { skip }, async t => {
  const [image] = (await disks(t, 1, 40)) as [string]
  await groupOf([image], lvm => lvm.create('-L', '8M', '-n', 'root', GROUP))
  const device = await fileDevice(t, image)
  const head = new Uint8Array(MIB)
  await device.read(head, 0)
  const text = 4096 + Number(new DataView(head.buffer).getBigUint64(4096 + 40, true))
  for (const [position, what] of [
    [512 + 100, 'label'],
    [4096 + 200, 'header'],
    [text + 10, 'text'],
  ] as const) {
    const changed: BlockDevice = {
      size: device.size,
      read: async (buffer, at) => {
        await device.read(buffer, at)
        if (position >= at && position < at + buffer.length)
          buffer[position - at] = 1 + (buffer[position - at] ?? 0)
      },
    }
    const space = await findFreeSpace([{ device: changed, blockSize: BLOCK }])
    t.match(space.volumes, [{ kind: 'lvm2', keep: { code: 'damaged', found: /checksum/ } }], what)
    t.equal(space.disks[0]?.freeBlocks, 0)
  }
  const pending = await readBytes(device, 4096, 512)
  const view = new DataView(pending.buffer)
  view.setBigUint64(64, 512n, true)
  view.setUint32(0, crc32(pending.subarray(4), 0xf597a6cf), true)
  await writeBytes(image, 4096, pending)
  t.match((await lookAt(t, [image])).volumes, [{ keep: { code: 'unclean', found: /not finished/ } }])
})

/** Whether the text of the first metadata area goes over the end of the area. */
async function endsAtStart(t: Test, image: string): Promise<boolean> {
  const view = new DataView((await readBytes(await fileDevice(t, image), 4096, 512)).buffer)
  const [size = 0, offset = 0, length = 0] = [32, 40, 48].map(at => Number(view.getBigUint64(at, true)))
  return offset + length > size
}
