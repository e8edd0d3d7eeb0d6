import { copyFile } from 'node:fs/promises'
import t from 'tap'
import { invertedCrc32 } from '../../../lib/guest/checksums/crc32.ts'
import { type BlockDevice, readBytes } from '../../../lib/guest/device.ts'
import { GuestProblem } from '../../../lib/guest/file_system.ts'
import type { PartitionTable } from '../../../lib/guest/partitions/partition.ts'
import { readPartitions } from '../../../lib/guest/partitions/read_partitions.ts'
import { fileDevice, makeDiskImage, resizeImage, writeBytes } from '../../fixtures/guest/disk_image.ts'
import { overlayDevice } from '../../fixtures/guest/fuzz.ts'
import { partitionDisk } from '../../fixtures/guest/partition_disk.ts'
import { requireTools, runTool } from '../../fixtures/guest/tools.ts'
import { randomFrom, seedOfRun } from '../../fixtures/random.ts'

const skip = requireTools('sfdisk', 'sgdisk')

type Test = Parameters<typeof makeDiskImage>[0]

interface Listed {
  readonly number: number
  readonly start: number
  readonly length: number
}

/** The partitions as sfdisk sees them, without those that hold others. */
async function sfdiskList(image: string, unit = 512): Promise<Listed[]> {
  const { stdout } = await runTool('sfdisk', '--json', image)
  const { partitiontable } = JSON.parse(stdout) as {
    partitiontable: { partitions?: { node: string; start: number; size: number; type: string }[] }
  }
  return (partitiontable.partitions ?? [])
    .filter(({ type }) => !['5', 'f', '85'].includes(type))
    .map(({ node, start, size }) => ({
      number: Number(node.slice(image.length)),
      start: start * unit,
      length: size * unit,
    }))
}

function listOf(table: PartitionTable | undefined): Listed[] {
  return (table?.partitions ?? []).map(({ number, range }) => ({ number, ...range }))
}

async function codeOf(device: BlockDevice): Promise<string> {
  try {
    return (await readPartitions(device)) ? 'a table' : 'no table'
  } catch (error) {
    if (error instanceof GuestProblem) return `${error.reason.code}: ${error.reason.found}`
    throw error
  }
}

const MBR_WITH_LOGICAL = `label: dos
1M,10M,L,*
11M,5M,82
16M,,Ex
17M,10M,L
28M,3M,7
,5M,8e
`

const GPT = `label: gpt
start=1MiB,size=8MiB,type=U
size=1MiB,type=21686148-6449-6E6F-744E-656564454649
start=20MiB,size=10MiB,type=L
`

async function imageWith(t: Test, script: string, mib = 64): Promise<string> {
  const image = await makeDiskImage(t, mib)
  await partitionDisk(image, script)
  return image
}

t.test('the partitions of an MBR, logical ones as well, are those that sfdisk lists', { skip }, async t => {
  const image = await imageWith(t, MBR_WITH_LOGICAL)
  const table = await readPartitions(await fileDevice(t, image))
  t.equal(table?.kind, 'mbr')
  t.same(listOf(table), await sfdiskList(image))
  t.same(
    table?.partitions.map(({ number, type }) => [number, type]),
    [
      [1, '83'],
      [2, '82'],
      [5, '83'],
      [6, '07'],
      [7, '8e'],
    ],
  )
})

t.test('random MBRs are read as sfdisk reads them', { skip }, async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let read = 0; read < 4; ) {
    const image = await makeDiskImage(t, 64)
    const lines = ['label: dos', 'unit: sectors', 'grain: 512']
    let at = random.pick([63, 2048])
    for (let primary = random.between(0, 3); primary > 0; primary--) {
      const size = random.between(1, 9000)
      lines.push(`start=${at},size=${size},type=${random.pick(['83', '7', 'c', '82'])}`)
      at += size + random.pick([0, 0, 100])
    }
    lines.push(`start=${at},size=${90_000},type=${random.pick(['5', 'f', '85'])}`)
    for (let logical = random.between(0, 9); logical > 0; logical--) {
      const size = random.between(1, 6000)
      at += random.pick([63, 100, 2048])
      lines.push(`start=${at},size=${size},type=83`)
      at += size
    }
    // sfdisk finds some of these too narrow.
    if (
      !(await partitionDisk(image, `${lines.join('\n')}\n`).then(
        () => true,
        () => false,
      ))
    )
      continue
    read++
    t.same(
      listOf(await readPartitions(await fileDevice(t, image))),
      await sfdiskList(image),
      lines.join('; '),
    )
  }
})

t.test('the partitions of a GPT are those that sfdisk lists', { skip }, async t => {
  const image = await imageWith(t, GPT)
  const table = await readPartitions(await fileDevice(t, image))
  t.equal(table?.kind, 'gpt')
  t.same(listOf(table), await sfdiskList(image))
  t.equal(table?.partitions[1]?.type, '21686148-6449-6E6F-744E-656564454649', 'a GUID is spelt as usual')
  await runTool('sgdisk', '-v', image)
})

t.test(
  'a GPT for sectors of 4096 bytes is read',
  { skip: skip || requireTools('root', 'losetup') },
  async t => {
    const image = await makeDiskImage(t, 64)
    const { stdout } = await runTool('losetup', '--show', '-f', '--sector-size', '4096', image)
    try {
      await partitionDisk(stdout.trim(), GPT)
    } finally {
      await runTool('losetup', '-d', stdout.trim())
    }
    const table = await readPartitions(await fileDevice(t, image))
    t.same(
      table?.partitions.map(({ range }) => [range.start / 2 ** 20, range.length / 2 ** 20]),
      [
        [1, 8],
        [9, 1],
        [20, 10],
      ],
    )
  },
)

t.test('the backup of a GPT need not be at the end of a disk that was enlarged', { skip }, async t => {
  const image = await imageWith(t, GPT)
  await resizeImage(image, 80 * 2 ** 20)
  t.equal((await readPartitions(await fileDevice(t, image)))?.partitions.length, 3)
  await resizeImage(image, 60 * 2 ** 20)
  t.match(await codeOf(await fileDevice(t, image)), /damaged: the (main|backup) header/)
})

t.test('a disk without a table, or with an empty one, has none', { skip }, async t => {
  const image = await makeDiskImage(t, 8)
  t.equal(await codeOf(await fileDevice(t, image)), 'no table')
  await partitionDisk(image, 'label: dos\n')
  t.equal(await codeOf(await fileDevice(t, image)), 'no table')
  t.equal(await codeOf({ size: 100, read: async () => {} }), 'no table')
})

t.test('a GPT of which one copy is damaged is left alone', { skip }, async t => {
  const image = await imageWith(t, GPT)
  const overlay = overlayDevice(await fileDevice(t, image))
  const damage = async (position: number, ...bytes: number[]): Promise<string> => {
    overlay.reset()
    await overlay.bytes(position, bytes.length)
    overlay.write(position, Uint8Array.from(bytes))
    return await codeOf(overlay)
  }
  t.match(await damage(512 + 40, 99), /main header.*checksum/)
  t.match(await damage(1024 + 32, 1), /main header.*entries/)
  t.match(await damage(overlay.size - 512 + 40, 99), /backup header.*checksum/)
  t.match(await damage(overlay.size - 512, 0), /backup header.*missing/)
  t.match(await damage(overlay.size - 33 * 512 + 32, 1), /backup header.*entries/)
  t.match(await damage(510, 0), /ambiguous.*protect/)
  t.match(await damage(446 + 4, 0x83), /ambiguous.*protect/)
  t.match(await damage(512, 0), /damaged.*there is none/, 'both copies would be needed')
  t.match(await damage(462 + 4, 0x83, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0), /ambiguous.*entry 2/, 'a hybrid MBR')
  t.equal(await damage(462 + 4, 0x83, 0, 0, 0, 0, 0xa0, 0, 0, 0, 0x50, 0, 0), 'a table', 'that agrees')
})

t.test('two whole copies that differ are left alone', { skip }, async t => {
  const image = await imageWith(t, GPT)
  const overlay = overlayDevice(await fileDevice(t, image))
  for (const [header, entries] of [
    [512, 1024],
    [overlay.size - 512, overlay.size - 33 * 512],
  ] as const) {
    overlay.reset()
    const array = await overlay.bytes(entries, 128 * 128)
    array[56] = 0x41
    overlay.write(entries, array)
    await resealHeader(overlay, header, array)
    t.match(await codeOf(overlay), /copies of its GPT differ/)
  }
})

t.test('a GPT whose sums are right and whose partitions are not is left alone', { skip }, async t => {
  const image = await imageWith(t, GPT)
  const overlay = overlayDevice(await fileDevice(t, image))
  const withEntries = async (edit: (view: DataView) => void): Promise<string> => {
    overlay.reset()
    const array = await overlay.bytes(1024, 128 * 128)
    edit(new DataView(array.buffer))
    for (const [header, entries] of [
      [512, 1024],
      [overlay.size - 512, overlay.size - 33 * 512],
    ] as const) {
      await overlay.bytes(entries, array.length)
      overlay.write(entries, array)
      await resealHeader(overlay, header, array)
    }
    return await codeOf(overlay)
  }
  t.equal(await withEntries(() => {}), 'a table')
  t.match(await withEntries(view => view.setBigUint64(40, 30n * 2048n, true)), /overlap/)
  t.match(await withEntries(view => view.setBigUint64(32, 33n, true)), /partition 1 is not inside/)
  t.match(await withEntries(view => view.setBigUint64(40, 2n ** 63n, true)), /partition 1 is not inside/)
  t.match(await withEntries(view => view.setBigUint64(40, 1n, true)), /partition 1 is not inside/)
})

t.test('an MBR that no guest could have made is left alone', { skip }, async t => {
  const image = await imageWith(t, MBR_WITH_LOGICAL)
  const overlay = overlayDevice(await fileDevice(t, image))
  const ebr = 16 * 2 ** 20
  const damage = async (position: number, ...bytes: number[]): Promise<string> => {
    overlay.reset()
    await overlay.bytes(position, bytes.length)
    overlay.write(position, Uint8Array.from(bytes))
    return await codeOf(overlay)
  }
  t.match(await damage(446, 1), /status 1/)
  t.match(await damage(446 + 8, 0, 0, 0, 0), /not between 1 and/)
  t.match(await damage(446 + 12, 255, 255, 255, 255), /not between 1 and/)
  t.match(await damage(446 + 12, 0, 0x58, 0, 0), /overlap/)
  t.match(await damage(446 + 4, 5), /more than one extended/)
  t.match(await damage(446 + 4, 0x42), /dynamic disk/)
  t.match(await damage(446 + 4, 0xee), /there is none/)
  t.match(await damage(ebr + 510, 0), /no table of logical partitions/)
  t.match(await damage(ebr + 462 + 8, 0, 0, 0, 0), /circle/)
  t.match(await damage(ebr + 462 + 8, 255, 255, 255, 0), /not between/)
  t.match(await damage(ebr + 446 + 8, 0, 0, 0, 0), /not between/)
  t.match(await damage(ebr + 446 + 12, 0, 0, 1, 0), /not between|overlap/)
  t.match(await damage(ebr + 478 + 4, 0x83, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0), /too many entries/)
})

t.test('disks and partitions that are divided in other ways are left alone', { skip }, async t => {
  for (const type of ['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', 'AF9B60A0-1431-4F62-BC68-3311714A69AD']) {
    const image = await imageWith(t, `label: gpt\nsize=8MiB,type=L\nsize=8MiB,type=${type}\n`)
    t.match(await codeOf(await fileDevice(t, image)), /unsupported_feature.*dynamic disk/)
  }
  const pool = await imageWith(
    t,
    'label: gpt\nsize=8MiB\nsize=8MiB,type=E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D\n',
  )
  t.match((await readPartitions(await fileDevice(t, pool)))?.partitions, [
    { keep: undefined },
    { keep: { code: 'multiple_devices', found: /Storage Spaces/ } },
  ])
  const nested = await imageWith(t, 'label: dos\n,4M,a5\n,4M,a6\n,4M,bf\n,4M,83\n')
  t.match((await readPartitions(await fileDevice(t, nested)))?.partitions, [
    { keep: { code: 'unsupported_feature', found: /BSD/ } },
    { keep: { code: 'unsupported_feature', found: /BSD/ } },
    { keep: { code: 'unsupported_feature', found: /Solaris/ } },
    { keep: undefined },
  ])
})

t.test('a chain of logical partitions that goes on and on is not followed to its end', async t => {
  const size = 2 ** 20 * 512
  const device: BlockDevice = {
    size,
    read: async (buffer, position) => {
      buffer.fill(0)
      if (position % 512 !== 0 || buffer.length < 512) return
      const sector = position / 512
      const view = new DataView(buffer.buffer, buffer.byteOffset)
      const at = sector === 0 ? 446 : 462
      view.setUint8(at + 4, 5)
      view.setUint32(at + 8, sector === 0 ? 1 : sector, true)
      view.setUint32(at + 12, sector === 0 ? 2 ** 20 - 1 : 1, true)
      view.setUint16(510, 0xaa55, true)
    },
  }
  t.match(await codeOf(device), /more than 256 logical partitions/)
})

t.test('an error of the disk is no property of the table', { skip }, async t => {
  const image = await imageWith(t, GPT)
  const copy = `${image}.2`
  await copyFile(image, copy)
  await writeBytes(copy, 0, new Uint8Array(1))
  const device = await fileDevice(t, copy)
  const failing: BlockDevice = {
    size: device.size,
    read: async (buffer, position) => {
      if (position > 2 ** 20) throw Object.assign(new Error('input/output error'), { code: 'EIO' })
      await device.read(buffer, position)
    },
  }
  await t.rejects(readPartitions(failing), { code: 'EIO' })
  t.equal((await readBytes(device, 0, 1))[0], 0)
})

async function resealHeader(
  overlay: ReturnType<typeof overlayDevice>,
  position: number,
  entries: Uint8Array,
): Promise<void> {
  const header = await overlay.bytes(position, 512)
  const view = new DataView(header.buffer)
  view.setUint32(88, invertedCrc32(entries), true)
  view.setUint32(16, 0, true)
  view.setUint32(16, invertedCrc32(header.subarray(0, 92)), true)
  overlay.write(position, header)
}
