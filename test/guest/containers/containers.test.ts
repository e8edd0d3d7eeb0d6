import { writeFile } from 'node:fs/promises'
import t from 'tap'
import type { FileSystem } from '../../../lib/guest/file_system.ts'
import { findFreeSpace } from '../../../lib/guest/free_space.ts'
import { deviceGuard } from '../../../lib/guest/guarded_device.ts'
import { probeDevice } from '../../../lib/guest/probe.ts'
import { fileDevice, fillRanges, makeDiskImage, writeBytes } from '../../fixtures/guest/disk_image.ts'
import { requireTools, runTool, tryTool } from '../../fixtures/guest/tools.ts'

const MIB = 2 ** 20

type Test = Parameters<typeof makeDiskImage>[0]

async function probe(t: Test, image: string): Promise<FileSystem | undefined> {
  const guard = deviceGuard(undefined)
  return await probeDevice(guard.guard(await fileDevice(t, image)), guard)
}

async function isAllKept(t: Test, image: string): Promise<boolean> {
  const { disks } = await findFreeSpace([{ device: await fileDevice(t, image), blockSize: 65536 }])
  return disks[0]?.freeBlocks === 0
}

/** The superblock of md that version 1 has; mdadm checks its sum. */
function mdVersion1(position: number, size: number, version: string): Uint8Array {
  const bytes = new Uint8Array(512)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0xa92b4efc, true)
  view.setUint32(4, 1, true)
  bytes.fill(0x11, 16, 32)
  bytes.fill(0x61, 32, 40)
  view.setUint32(72, 1, true)
  const isBehind = version === '1.0'
  view.setBigUint64(80, BigInt(size / 512 - 2048), true)
  view.setUint32(92, 2, true)
  view.setBigUint64(128, isBehind ? 0n : 2048n, true)
  view.setBigUint64(136, BigInt(size / 512 - 2048), true)
  view.setBigUint64(144, BigInt(position / 512), true)
  view.setUint32(220, 64, true)
  view.setUint16(256 + 0, 0, true)
  view.setUint16(256 + 2, 1, true)
  view.setUint32(216, md1Sum(view), true)
  return bytes
}

/** Sum of all words of the superblock and of its list of roles. */
function md1Sum(view: DataView): number {
  let sum = 0n
  for (let at = 0; at < 256 + 2 * 64; at += 4) sum += BigInt(view.getUint32(at, true))
  return Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn)
}

const skipMd = requireTools('mdadm', 'mkfs.ext4', 'blkid')

t.test(
  'a member of a RAID is told from the file system that can be seen in it',
  { skip: skipMd },
  async t => {
    const size = 16 * MIB + 7 * 512
    for (const [version, position] of [
      ['1.0', size - (size % 4096) - 8192],
      ['1.1', 0],
      ['1.2', 4096],
    ] as const) {
      const image = await makeDiskImage(t, 17)
      await runTool('mkfs.ext4', '-q', '-F', image, '15M')
      await runTool('truncate', '-s', String(size), image)
      await writeBytes(image, position, mdVersion1(position, size, version))
      const { stdout } = await runTool('mdadm', '--examine', image)
      t.match(
        stdout,
        new RegExp(`Version : ${version === '1.0' ? '1.0' : version}\\n[^]*Checksum : \\S+ - correct`),
      )
      t.match(await probe(t, image), {
        kind: 'linux_raid_member',
        keep: { code: 'raid_member', found: new RegExp(`md ${version.replace('.', '\\.')}`) },
      })
      t.ok(await isAllKept(t, image))
    }
    const image = await makeDiskImage(t, 16)
    await runTool('mkfs.ext4', '-q', '-F', image, '15M')
    for (const isLittle of [true, false]) {
      const bytes = new Uint8Array(4096)
      const view = new DataView(bytes.buffer)
      for (const [at, value] of [0xa92b4efc, 0, 90].entries()) view.setUint32(4 * at, value, isLittle)
      await writeBytes(image, 16 * MIB - 65536, bytes)
      t.match((await runTool('blkid', '-p', image)).stdout, /linux_raid_member/)
      t.match(await probe(t, image), { keep: { code: 'raid_member', found: /md 0\.90/ } })
    }
  },
)

t.test(
  'the last partition of a disk may be a member of a RAID, and the others none',
  {
    skip: skipMd || requireTools('sgdisk', 'mkswap'),
  },
  async t => {
    const image = await makeDiskImage(t, 32)
    await runTool('sgdisk', '-n', '1:2048:+8M', '-n', '2:0:0', image)
    await runTool('dd', 'if=/dev/zero', `of=${image}.swap`, 'bs=1M', 'count=8', 'status=none')
    await runTool('mkswap', '-q', `${image}.swap`)
    await runTool('dd', `if=${image}.swap`, `of=${image}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none')
    const { stdout } = await runTool('sgdisk', '-i', '2', image)
    const [first = 0, last = 0] = [...stdout.matchAll(/sector: (\d+)/g)].map(([, sector]) => Number(sector))
    const size = (last - first + 1) * 512
    await writeBytes(image, first * 512 + size - (size % 65536) - 65536, mdVersion090())
    const { volumes } = await findFreeSpace([{ device: await fileDevice(t, image), blockSize: MIB }])
    t.match(volumes, [
      { where: 'partition 1', kind: 'swap', keep: undefined },
      { where: 'partition 2', kind: 'linux_raid_member', keep: { code: 'raid_member' } },
    ])
  },
)

function mdVersion090(): Uint8Array {
  const bytes = new Uint8Array(4096)
  const view = new DataView(bytes.buffer)
  for (const [at, value] of [0xa92b4efc, 0, 90].entries()) view.setUint32(4 * at, value, true)
  return bytes
}

const skipLuks = requireTools('cryptsetup', 'mkfs.ext4')

t.test('what LUKS encrypts is kept, even when its first header is lost', { skip: skipLuks }, async t => {
  const key = `${await makeDiskImage(t, 0, { name: 'key' })}`
  await writeFile(key, 'not secret')
  for (const type of ['luks1', 'luks2']) {
    const image = await makeDiskImage(t, 32)
    const quick = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000']
    await runTool('cryptsetup', '-q', 'luksFormat', '--type', type, ...quick, '--key-file', key, image)
    t.match(await probe(t, image), {
      kind: 'luks',
      keep: { code: 'encrypted', found: new RegExp(type.toUpperCase()) },
    })
    t.ok(await isAllKept(t, image))
    if (type === 'luks1') continue
    await fillRanges(image, [{ start: 0, length: 4096 }], 0)
    t.match(await probe(t, image), { kind: 'luks', keep: { code: 'encrypted' } }, 'the second header')
  }
})

t.test(
  'what BitLocker encrypts is kept, also where it looks like FAT',
  {
    skip: requireTools('mkfs.vfat', 'blkid'),
  },
  async t => {
    const image = await makeDiskImage(t, 8)
    await writeBytes(image, 0, Uint8Array.from([0xeb, 0x58, 0x90, ...new TextEncoder().encode('-FVE-FS-')]))
    t.match(await probe(t, image), { kind: 'bitlocker', keep: { code: 'encrypted' } })
    const toGo = await makeDiskImage(t, 64)
    await runTool('mkfs.vfat', '-F', '32', toGo)
    t.match(await probe(t, toGo), { kind: /fat/, keep: undefined })
    await writeBytes(toGo, 0, Uint8Array.from([0xeb, 0x58, 0x90, ...new TextEncoder().encode('MSWIN4.1')]))
    await writeBytes(toGo, 440, Uint8Array.from([0, 0, 0x10, 0, 0, 0, 0, 0]))
    await writeBytes(toGo, MIB, new TextEncoder().encode('-FVE-FS-'))
    await writeBytes(toGo, 424, Uint8Array.from(Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex')))
    t.match(await probe(t, toGo), { kind: 'bitlocker', keep: { code: 'encrypted', found: /To Go/ } })
    t.match((await tryTool('blkid', '-p', toGo)).stdout, /BitLocker/, 'blkid takes it for that as well')
  },
)

t.test('members of other RAIDs are told by their last sectors', async t => {
  const cases: [string, number, Uint8Array][] = [
    ['isw_raid_member', -1024, new TextEncoder().encode('Intel Raid ISM Cfg Sig. 1.3.00')],
    ['ddf_raid_member', -512, Uint8Array.from([0xde, 0x11, 0xde, 0x11])],
    ['drbd', -4096 + 60, Uint8Array.from([0x83, 0x74, 0x02, 0x6d])],
  ]
  for (const [kind, fromEnd, bytes] of cases) {
    const image = await makeDiskImage(t, 8)
    await writeBytes(image, 8 * MIB + fromEnd, bytes)
    t.match(await probe(t, image), { kind, keep: { code: 'raid_member' } })
  }
})
