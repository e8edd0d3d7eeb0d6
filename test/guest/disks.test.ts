// Whole disks: whatever is called free is overwritten, and every file of every volume must still be there.
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import type { ByteRange } from '../../lib/guest/device.ts'
import { type FreeSpace, findFreeSpace } from '../../lib/guest/free_space.ts'
import { copyImage, fileDevice, fillRanges, makeDiskImage, writeBytes } from '../fixtures/guest/disk_image.ts'
import {
  examine,
  ext4,
  freeBound,
  install,
  ntfs3g,
  onPlace,
  type Place,
  swapSpace,
  vfat,
  xfs,
} from '../fixtures/guest/layout.ts'
import { withLvm } from '../fixtures/guest/lvm.ts'
import { powerCut, withMount } from '../fixtures/guest/mount.ts'
import { partitionDisk } from '../fixtures/guest/partition_disk.ts'
import { requireTools, runTool } from '../fixtures/guest/tools.ts'
import { differences, type Hashes, writeTree } from '../fixtures/guest/tree.ts'

const MIB = 2 ** 20
const BLOCK = 2 ** 16

type Test = Parameters<typeof makeDiskImage>[0]

function mib(start: number, length: number): ByteRange {
  return { start: start * MIB, length: length * MIB }
}

interface Outcome {
  readonly space: FreeSpace
  readonly freed: number
  readonly bound: number
  readonly losses: readonly string[]
}

/** Poisons every block that is called free, and compares what lies in some places before and after. */
async function poisonDisk(t: Test, image: string, places: readonly Place[]): Promise<Outcome> {
  const before = await examine(image, places)
  const bound = await freeBound(image, places, BLOCK)
  const device = await fileDevice(t, image)
  const space = await findFreeSpace([{ device, blockSize: BLOCK }])
  const ranges: ByteRange[] = []
  for (let block = 0; block * BLOCK < device.size; block++) {
    if (space.disks[0]?.isFree(block)) ranges.push({ start: block * BLOCK, length: BLOCK })
  }
  await fillRanges(image, ranges, 0xa5)
  const after = await examine(image, places)
  return { space, freed: ranges.length * BLOCK, bound, losses: differences(before, after) }
}

function seen({ space }: Outcome): unknown {
  return space.volumes.map(({ where, kind, keep }) => [where, kind, keep?.code])
}

const extTools = [
  'root',
  'losetup',
  'sfdisk',
  'sgdisk',
  'mkfs.ext4',
  'dumpe2fs',
  'e2fsck',
  'mkswap',
  'blkid',
] as const
const fatTools = ['mkfs.vfat', 'fsck.vfat', 'mcopy'] as const

t.test('an MBR with logical partitions loses nothing', { skip: requireTools(...extTools) }, async t => {
  const image = await makeDiskImage(t, 170, { prefillSeed: 1 })
  await partitionDisk(image, 'label: dos\n1M,64M,L,*\n65M,,Ex\n66M,40M,L\n107M,20M,82\n128M,40M,L\n')
  const places = [
    { part: mib(1, 64), kind: ext4 },
    { part: mib(66, 40), kind: ext4 },
    { part: mib(107, 20), kind: swapSpace },
    { part: mib(128, 40), kind: ext4 },
  ]
  await install(image, places)
  const table = await runTool('sfdisk', '-d', image)
  const outcome = await poisonDisk(t, image, places)
  t.same(outcome.losses, [])
  t.same(seen(outcome), [
    ['partition 1', 'ext4', undefined],
    ['partition 5', 'ext4', undefined],
    ['partition 6', 'swap', undefined],
    ['partition 7', 'ext4', undefined],
  ])
  t.ok(outcome.freed >= 0.95 * outcome.bound, `${outcome.freed} of ${outcome.bound} bytes`)
  t.ok(outcome.freed <= outcome.bound, 'and no more than there are')
  await runTool('sfdisk', '-V', image)
  t.equal((await runTool('sfdisk', '-d', image)).stdout, table.stdout)
})

t.test(
  'a UEFI disk of Linux with LVM loses nothing',
  {
    skip: requireTools(...extTools, ...fatTools, 'mkfs.xfs', 'xfs_repair', 'xfs_db', 'lvcreate', 'pvcreate'),
  },
  async t => {
    const group = `vboxmerge${process.pid}`
    const image = await makeDiskImage(t, 640)
    const lines = [
      '1MiB,size=40MiB,type=U',
      '41MiB,size=32MiB,type=S',
      '73MiB,size=64MiB,type=L',
      '137MiB,size=502MiB,type=V',
    ]
    await partitionDisk(image, `label: gpt\n${lines.map(line => `start=${line}`).join('\n')}\n`)
    await withLvm([{ image, part: mib(137, 502) }], async lvm => {
      await lvm.run('pvcreate', '-q', ...lvm.loops)
      await lvm.run('vgcreate', '-q', group, ...lvm.loops)
      await lvm.create('-L', '80M', '-n', 'root', group)
      await lvm.create('-L', '320M', '-n', 'home', group)
    })
    // The first extent lies 1 MiB behind the start of the partition, as LVM2 does it.
    const volumes = [
      { part: mib(1, 40), kind: vfat },
      { part: mib(41, 32), kind: swapSpace },
      { part: mib(73, 64), kind: ext4 },
      { part: mib(138, 80), kind: ext4 },
      { part: mib(218, 320), kind: xfs },
    ]
    await install(image, volumes)
    const outcome = await poisonDisk(t, image, volumes)
    t.same(outcome.losses, [])
    t.same(seen(outcome), [
      ['partition 1', 'vfat', undefined],
      ['partition 2', 'swap', undefined],
      ['partition 3', 'ext4', undefined],
      ['partition 4', 'lvm2', undefined],
      [`logical volume "${group}/root"`, 'ext4', undefined],
      [`logical volume "${group}/home"`, 'xfs', undefined],
    ])
    const unused = 25 * 4 * MIB
    t.equal(outcome.space.volumes[3]?.free, unused, 'extents of no volume')
    const bound = outcome.bound + unused
    t.ok(outcome.freed >= 0.95 * bound, `${outcome.freed} of ${bound} bytes`)
    t.ok(outcome.freed <= bound, 'and no more than there are')
    t.match((await runTool('sgdisk', '-v', image)).stdout, /No problems found/)
  },
)

t.test(
  'a disk of Windows loses nothing',
  {
    skip: requireTools(...extTools, ...fatTools, 'mkntfs', 'ntfs-3g', 'ntfsresize', 'ntfsinfo'),
  },
  async t => {
    const image = await makeDiskImage(t, 330, { prefillSeed: 2 })
    const types = [
      'start=1MiB,size=40MiB,type=U',
      'start=41MiB,size=16MiB,type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE',
      'start=57MiB,size=220MiB,type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
      'start=277MiB,size=50MiB,type=DE94BBA4-06D1-4D40-A16A-BFD50179D6AC',
    ]
    await partitionDisk(image, `label: gpt\n${types.join('\n')}\n`)
    const volumes = [
      { part: mib(1, 40), kind: vfat },
      { part: mib(57, 220), kind: ntfs3g },
      { part: mib(277, 50), kind: ntfs3g },
    ]
    await install(image, volumes)
    const outcome = await poisonDisk(t, image, volumes)
    t.same(outcome.losses, [])
    t.same(seen(outcome), [
      ['partition 1', 'vfat', undefined],
      ['partition 2', 'unknown', 'unknown'],
      ['partition 3', 'ntfs', undefined],
      ['partition 4', 'ntfs', undefined],
    ])
    t.ok(outcome.freed >= 0.95 * outcome.bound, `${outcome.freed} of ${outcome.bound} bytes`)
    t.match((await runTool('sgdisk', '-v', image)).stdout, /No problems found/)
  },
)

t.test(
  'a partition that is left alone does not stop the others',
  { skip: requireTools(...extTools) },
  async t => {
    const image = await makeDiskImage(t, 100)
    await partitionDisk(image, 'label: dos\n1M,40M,L\n41M,10M,82\n51M,40M,L\n')
    const whole = [
      { part: mib(1, 40), kind: ext4 },
      { part: mib(51, 40), kind: ext4 },
    ]
    await install(image, whole)
    await onPlace(image, whole[1] as Place, async device => {
      await runTool('debugfs', '-w', '-R', 'ssv state 2', device)
    })
    const outcome = await poisonDisk(t, image, [whole[0] as Place])
    t.same(outcome.losses, [])
    t.match(seen(outcome), [
      ['partition 1', 'ext4', undefined],
      ['partition 2', 'unknown', 'unknown'],
      ['partition 3', 'ext4', /./],
    ])
    t.ok(outcome.freed >= 0.95 * outcome.bound, `${outcome.freed} of ${outcome.bound} bytes`)
  },
)

t.test(
  'a guest that sleeps in its swap space keeps the whole disk',
  { skip: requireTools(...extTools) },
  async t => {
    const image = await makeDiskImage(t, 64)
    await partitionDisk(image, 'label: dos\n1M,40M,L\n41M,10M,82\n')
    const places = [
      { part: mib(1, 40), kind: ext4 },
      { part: mib(41, 10), kind: swapSpace },
    ]
    await install(image, places)
    const look = async (): Promise<FreeSpace> =>
      await findFreeSpace([{ device: await fileDevice(t, image), blockSize: BLOCK }])
    t.not((await look()).disks[0]?.freeBlocks, 0)
    await writeBytes(image, 41 * MIB + 4086, new TextEncoder().encode('S1SUSPEND\0'))
    const space = await look()
    t.ok(space.isHibernated)
    t.equal(space.disks[0]?.freeBlocks, 0)
  },
)

t.test(
  'a journal is looked through only where no guest can sleep in what is encrypted',
  { skip: requireTools(...extTools, 'cryptsetup', 'wipefs') },
  async t => {
    const image = await makeDiskImage(t, 120)
    await partitionDisk(image, 'label: dos\n1M,64M,L\n65M,20M,L\n85M,34M,L\n')
    const root = { part: mib(1, 64), kind: ext4 }
    const boot = { part: mib(65, 20), kind: ext4 }
    await install(image, [root, boot])
    const locked = { ...root, part: mib(85, 34) }
    await onPlace(image, locked, async device => {
      const key = `${image}.key`
      await writeFile(key, 'not secret')
      const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000']
      await runTool('cryptsetup', '-q', 'luksFormat', ...quick, '--key-file', key, device)
    })
    const cut = await withMount(image, { part: root.part }, async folder => {
      await writeTree(folder, 9, { files: 20, fsync: true, removed: 0 })
      return await powerCut(image)
    })
    const look = async (): Promise<FreeSpace> =>
      await findFreeSpace([{ device: await fileDevice(t, cut), blockSize: BLOCK }])
    t.match((await look()).volumes, [
      { kind: 'ext4', keep: { code: 'unclean', found: /sleeps in partition 3 \(luks\)/ } },
      { kind: 'ext4', keep: undefined },
      { kind: 'luks', keep: { code: 'encrypted' } },
    ])
    await onPlace(cut, locked, device => runTool('wipefs', '-q', '-a', device))
    t.match((await look()).volumes, [
      { kind: 'ext4', keep: undefined },
      { kind: 'ext4', keep: undefined },
      { kind: 'unknown', keep: { code: 'unknown' } },
    ])
    // Mounting it replays the journal: in a copy before anything is dropped, and in the disk itself afterwards.
    const started = async (disk: string): Promise<Hashes> => {
      await withMount(disk, { part: root.part }, async () => {})
      return await examine(disk, [root, boot])
    }
    const before = await started(await copyImage(cut))
    const space = await look()
    for (let block = 0; block * BLOCK < 120 * MIB; block++) {
      if (space.disks[0]?.isFree(block))
        await fillRanges(cut, [{ start: block * BLOCK, length: BLOCK }], 0xa5)
    }
    t.same(differences(before, await started(cut)), [])
    t.ok(
      [...before.keys()].some(path => path.includes('t9')),
      'what was flushed last is there',
    )
  },
)
