import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { partOf } from '../../../../lib/guest/device.ts'
import type { KeepReason } from '../../../../lib/guest/file_system.ts'
import { ntfs } from '../../../../lib/guest/filesystems/ntfs/ntfs.ts'
import { decodeRuns } from '../../../../lib/guest/filesystems/ntfs/run_list.ts'
import { copyImage, fileDevice, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { bytesOf } from '../../../fixtures/guest/image_bytes.ts'
import { keepReasonOf } from '../../../fixtures/guest/keep_reason.ts'
import {
  attributeAt,
  editRecord,
  NTFS_TOOLS,
  ntfsImage,
  placesOf,
  replaceRunList,
  withNtfs,
  withoutMarks,
} from '../../../fixtures/guest/ntfs_image.ts'
import { freeRangesOf } from '../../../fixtures/guest/poison.ts'
import { runTool } from '../../../fixtures/guest/tools.ts'

const skip = NTFS_TOOLS
const PAGE = 4096
const SHADOW_COPIES = '{3808876b-c176-4e48-b7ae-04046e6cc752}'

/** A copy of one and the same small volume, for each test to spoil. */
async function volume(): Promise<string> {
  master ??= await ntfsImage(root, { mib: 8, clusterSize: 4096 })
  return copyImage(master, `.${++copies}`)
}

let master: string | undefined
let copies = 0
const root = t

async function reasonOf(t: Test, image: string): Promise<KeepReason | undefined> {
  return keepReasonOf(await fileDevice(t, image), ntfs)
}

async function setVolumeFlags(image: string, flags: number): Promise<void> {
  await editRecord(image, 3, record => {
    const at = attributeAt(record, 0x70)
    record.writeUInt16LE(flags, at + record.readUInt16LE(at + 0x14) + 0x0a)
  })
}

t.test('a volume that ntfsfix marks dirty is kept until it is marked clean', { skip }, async t => {
  const image = await volume()
  t.equal(await reasonOf(t, image), undefined)
  await runTool('ntfsfix', image)
  t.match(await reasonOf(t, image), { code: 'unclean', found: /volume flags are 0x0001: dirty/ })
  await runTool('ntfsfix', '-d', image)
  t.equal(await reasonOf(t, image), undefined)
})

t.test('of all volume flags only harmless ones are accepted', { skip }, async t => {
  const image = await volume()
  const accepted: number[] = []
  for (let bit = 0; bit < 16; bit++) {
    await setVolumeFlags(image, 2 ** bit)
    const reason = await reasonOf(t, image)
    if (reason === undefined) accepted.push(2 ** bit)
    else t.match(reason.found, `0x${(2 ** bit).toString(16).padStart(4, '0')}`)
  }
  t.same(accepted, [0x0008, 0x0020, 0x0080, 0x8000])
})

t.test('a version that is not known is kept', { skip }, async t => {
  const image = await volume()
  for (const [major, minor, code] of [
    [1, 2, undefined],
    [3, 0, undefined],
    [3, 2, 'unsupported_feature'],
    [4, 0, 'unsupported_feature'],
  ] as const) {
    await editRecord(image, 3, record => {
      const at = attributeAt(record, 0x70)
      record.set([major, minor], at + record.readUInt16LE(at + 0x14) + 8)
    })
    t.equal((await reasonOf(t, image))?.code, code, `${major}.${minor}`)
  }
})

interface RestartPage {
  readonly magic?: string
  readonly version?: readonly [major: number, minor: number]
  readonly lsn?: number
  readonly client?: number
  readonly flags?: number
}

/** A restart page as Windows writes it, of which the checks see what is given. */
function restartPage({
  magic = 'RSTR',
  version = [1, 1],
  lsn = 5,
  client = 0xffff,
  flags = 0,
}: RestartPage): Buffer {
  const page = Buffer.alloc(PAGE)
  page.write(magic)
  page.writeUInt16LE(0x1e, 4)
  page.writeUInt16LE(9, 6)
  page.writeUInt32LE(PAGE, 0x10)
  page.writeUInt32LE(PAGE, 0x14)
  page.writeUInt16LE(0x30, 0x18)
  page.writeUInt16LE(version[1], 0x1a)
  page.writeUInt16LE(version[0], 0x1c)
  page.writeUInt16LE(7, 0x1e)
  page.writeBigUInt64LE(BigInt(lsn), 0x30)
  page.writeUInt16LE(1, 0x38)
  page.writeUInt16LE(client, 0x3c)
  page.writeUInt16LE(flags, 0x3e)
  withoutMarks(page, () => {})
  return page
}

/** Where the data of a file of the volume's own begins, which is in one piece on a new volume. */
async function startOf(image: string, number: number): Promise<number> {
  const { mft, recordSize, clusterSize, clusters } = await placesOf(image)
  const record = await bytesOf(image, { start: mft + number * recordSize, length: recordSize })
  const at = attributeAt(record, 0x80)
  const highest = Number(record.readBigUInt64LE(at + 0x18))
  const list = record.subarray(at + record.readUInt16LE(at + 0x20))
  const [run] = decodeRuns(list, { lowest: 0, highest }, clusters, 'it')
  return (run?.lcn ?? 0) * clusterSize
}

async function setUsed(image: string, cluster: number, isUsed: boolean): Promise<void> {
  const start = (await startOf(image, 6)) + Math.floor(cluster / 8)
  const [byte = 0] = await bytesOf(image, { start, length: 1 })
  const bit = 1 << (cluster % 8)
  await writeBytes(image, start, Buffer.from([isUsed ? byte | bit : byte & ~bit]))
}

t.test('a volume is kept unless its journal was closed', { skip }, async t => {
  const image = await volume()
  const log = await startOf(image, 2)
  const cases: readonly (readonly [string, RestartPage, RestartPage, KeepReason['code'] | undefined])[] = [
    ['no client', {}, { lsn: 6 }, undefined],
    ['marked clean', { client: 0, flags: 2 }, { client: 0, flags: 2, lsn: 6 }, undefined],
    ['the newer page is clean', { client: 0 }, { lsn: 6 }, undefined],
    ['the newer page is in use', { lsn: 6, client: 0 }, {}, 'unclean'],
    ['one of equal age is in use', {}, { client: 0 }, 'unclean'],
    ['of an old version', { version: [1, 0] }, { version: [1, 0] }, 'unsupported_feature'],
    ['both are in use', { client: 0 }, { client: 0 }, 'unclean'],
    ['other flags', { client: 0, flags: 1 }, { client: 0, flags: 1 }, 'unclean'],
    ['mounted by Windows 10', { version: [2, 0] }, { version: [2, 0] }, 'unclean'],
    ['of a version to come', { version: [3, 0] }, { version: [3, 0] }, 'unsupported_feature'],
    ['written by chkdsk', { magic: 'CHKD' }, { magic: 'CHKD' }, 'unclean'],
    ['the second page is none', {}, { magic: 'RCRD' }, 'damaged'],
    ['something else', { magic: 'abcd' }, {}, 'damaged'],
  ]
  for (const [name, first, second, code] of cases) {
    await writeBytes(image, log, Buffer.concat([restartPage(first), restartPage(second)]))
    t.equal((await reasonOf(t, image))?.code, code, name)
  }
  const torn = restartPage({})
  torn.writeUInt16LE(6, 1022)
  await writeBytes(image, log, torn)
  t.match(await reasonOf(t, image), { code: 'damaged', found: /not written as a whole/ })
})

t.test('a journal that begins empty has to be empty to its end', { skip }, async t => {
  const image = await volume()
  await writeBytes(image, (await startOf(image, 2)) + 300_000, Buffer.from([0xfe]))
  t.match(await reasonOf(t, image), { code: 'unclean', found: /holds something at byte 300000/ })
})

t.test('the whole disk is kept while Windows sleeps', { skip }, async t => {
  const cases: readonly (readonly [string, Buffer | string, boolean])[] = [
    ['hiberfil.sys', Buffer.alloc(5 * PAGE), false],
    ['hiberfil.sys', 'hibr'.padEnd(5 * PAGE), true],
    ['hiberfil.sys', 'HIBR'.padEnd(PAGE), true],
    ['hiberfil.sys', 'wake'.padEnd(PAGE), true],
    ['hiberfil.sys', Buffer.alloc(PAGE).fill(1, PAGE - 1), true],
    ['hiberfil.sys', Buffer.alloc(PAGE - 1), true],
    ['hiberfil.sys', '', true],
    ['hiberfil.sys', Buffer.alloc(PAGE), false],
    ['Hiberfil.SYS', 'hibr'.padEnd(PAGE), true],
  ]
  for (const [name, content, sleeps] of cases) {
    const image = await volume()
    await withNtfs(image, async folder => {
      await writeFile(join(folder, name), content)
    })
    const reason = await reasonOf(t, image)
    const wanted = sleeps ? { code: 'hibernated', wholeDisk: true } : undefined
    t.match(
      reason,
      wanted,
      `${name} of ${content.length} bytes, starting ${JSON.stringify(content.slice(0, 4).toString())}`,
    )
    if (!sleeps) t.equal(reason, undefined)
  }

  const image = await volume()
  await withNtfs(image, folder => writeFile(join(folder, 'hiberfil.sys'), 'hibr'.padEnd(PAGE)))
  await setVolumeFlags(image, 0x0001)
  t.match(await reasonOf(t, image), { code: 'hibernated', wholeDisk: true }, 'that it is dirty says less')
})

t.test('a file of that name elsewhere is no sleep', { skip }, async t => {
  const image = await volume()
  await withNtfs(image, async folder => {
    await mkdir(join(folder, 'copy'))
    await writeFile(join(folder, 'copy', 'hiberfil.sys'), 'hibr'.padEnd(PAGE))
    await writeFile(join(folder, 'hiberfil.sys.old'), 'hibr'.padEnd(PAGE))
  })
  t.equal(await reasonOf(t, image), undefined)
})

t.test('a volume with files of shadow copies is kept', { skip }, async t => {
  const image = await volume()
  await withNtfs(image, async folder => {
    await mkdir(join(folder, 'System Volume Information'))
    await writeFile(join(folder, 'System Volume Information', SHADOW_COPIES), 'the catalog')
  })
  t.equal(await reasonOf(t, image), undefined, 'the catalog alone holds none')
  await withNtfs(image, async folder => {
    const name = `{0c8e3f5a-0000-11e1-8d4b-001122334455}${SHADOW_COPIES}`
    await writeFile(join(folder, 'System Volume Information', name.toUpperCase()), 'a copy')
  })
  t.match(await reasonOf(t, image), { code: 'snapshot_origin', found: /System Volume Information/ })
})

t.test('a volume whose catalog names a shadow copy is kept', { skip }, async t => {
  const image = await volume()
  const guid = Buffer.from('6b87083876c1484eb7ae04046e6cc752', 'hex')
  const at = 7 * 2 ** 20
  const header = (catalog: number): Buffer => {
    const bytes = Buffer.alloc(512)
    guid.copy(bytes)
    bytes.writeUInt32LE(1, 0x10)
    bytes.writeUInt32LE(1, 0x14)
    bytes.writeBigUInt64LE(BigInt(catalog), 0x30)
    return bytes
  }
  const catalog = (next: number, ...types: number[]): Buffer => {
    const bytes = Buffer.alloc(16384)
    guid.copy(bytes)
    bytes.writeUInt32LE(1, 0x10)
    bytes.writeUInt32LE(2, 0x14)
    bytes.writeBigUInt64LE(BigInt(next), 0x28)
    for (const [index, type] of types.entries()) bytes.writeBigUInt64LE(BigInt(type), 128 * (index + 1))
    return bytes
  }
  await writeBytes(image, 0x1e00, header(0))
  t.equal(await reasonOf(t, image), undefined, 'no catalog')
  await writeBytes(image, 0x1e00, header(at))
  t.match(await reasonOf(t, image), { code: 'damaged' }, 'the catalog is not where it should be')
  await writeBytes(image, at, catalog(0, 0, 1, 1))
  t.equal(await reasonOf(t, image), undefined, 'an empty catalog')
  for (const type of [2, 3, 4]) {
    await writeBytes(image, at, catalog(at + 16384))
    await writeBytes(image, at + 16384, catalog(0, 1, type))
    t.match(await reasonOf(t, image), { code: 'snapshot_origin' }, `type ${type} in the second block`)
  }
  await writeBytes(image, at, catalog(at))
  t.match(await reasonOf(t, image), { code: 'damaged' }, 'a catalog without end')
  await writeBytes(image, 0x1e00, header(8 * 2 ** 20))
  t.match(await reasonOf(t, image), { code: 'damaged' }, 'a catalog behind the end')
})

t.test('$MFTMirr has to repeat the first records', { skip }, async t => {
  for (const record of [0, 1, 2, 3]) {
    const image = await volume()
    // Another time of change, say.
    await editRecord(image, record, bytes => bytes.fill(7, 0x60, 0x68), { mirror: false })
    t.match(await reasonOf(t, image), { code: 'damaged', found: new RegExp(`MFT record ${record}`) })
  }
})

t.test('a $Bitmap that calls the files of the volume free is not believed', { skip }, async t => {
  const { clusterSize, mft, mirror } = await placesOf(await volume())
  const wrong = [
    ['$Boot', 0],
    ['$MFT', mft / clusterSize],
    ['$MFTMirr', mirror / clusterSize],
  ] as const
  for (const [name, cluster] of wrong) {
    const image = await volume()
    await setUsed(image, cluster, false)
    const found = `it calls cluster ${cluster} free, which holds its ${name}`
    t.match(await reasonOf(t, image), { code: 'damaged', found })
  }
})

t.test('a bad cluster is not free, and a $Bitmap that calls it so is not believed', { skip }, async t => {
  const image = await volume()
  const before = await freeRangesOf(await fileDevice(t, image), ntfs)
  const { clusterSize, clusters } = await placesOf(image)
  const bad = Math.floor(clusters * 0.8)
  await editRecord(image, 8, record => {
    const [low, high] = [bad % 256, Math.floor(bad / 256)]
    const rest = clusters - bad - 1
    const list = [0x02, low, high, 0x21, 1, low, high, 0x02, rest % 256, Math.floor(rest / 256)]
    replaceRunList(record, attributeAt(record, 0x80, '$Bad'), list)
  })
  const found = `it calls cluster ${bad} free, which holds its $BadClus`
  t.match(await reasonOf(t, image), { code: 'damaged', found })
  await setUsed(image, bad, true)
  const after = await freeRangesOf(await fileDevice(t, image), ntfs)
  const sum = (ranges: typeof after): number => ranges.reduce((total, { length }) => total + length, 0)
  t.equal(sum(after), sum(before) - clusterSize)
})

t.test('a $Bitmap that is too short or not stored plainly is not believed', { skip }, async t => {
  const edits: readonly ((record: Buffer, at: number) => void)[] = [
    (record, at) => void record.writeBigUInt64LE(255n, at + 0x38),
    (record, at) => void record.writeUInt16LE(0x8000, at + 0x0c),
    (record, at) => void record.writeUInt16LE(0x0001, at + 0x0c),
    (record, at) => void record.writeUInt16LE(0x4000, at + 0x0c),
    (record, at) => void record.writeUInt32LE(0x81, at),
    (record, at) => void record.writeUInt8(0x01, at + record.readUInt16LE(at + 0x20)),
  ]
  for (const edit of edits) {
    const image = await volume()
    await editRecord(image, 6, record => edit(record, attributeAt(record, 0x80)))
    t.match(await reasonOf(t, image), { code: 'damaged' }, edit.toString())
  }
})

t.test('a directory that claims to be enormous takes neither time nor memory', { skip }, async t => {
  const image = await volume()
  const size = 2n ** 52n
  await editRecord(image, 5, record => {
    const at = attributeAt(record, 0xb0, '$I30')
    const rest = Buffer.from(record.subarray(at + record.readUInt32LE(at + 4), record.readUInt32LE(0x18)))
    const attribute = Buffer.alloc(0x50)
    record.copy(attribute, 0, at, at + 0x10)
    attribute.writeUInt32LE(attribute.length, 4)
    attribute.writeUInt8(1, 8)
    attribute.writeUInt16LE(0x40, 0x0a)
    attribute.writeBigUInt64LE(size / 4096n - 1n, 0x18)
    attribute.writeUInt16LE(0x48, 0x20)
    for (const field of [0x28, 0x30, 0x38]) attribute.writeBigUInt64LE(size, field)
    attribute.write('$I30', 0x40, 'utf16le')
    // A hole of 2^40 clusters.
    attribute.set([0x06, 0, 0, 0, 0, 0, 1], 0x48)
    attribute.copy(record, at)
    rest.copy(record, at + attribute.length)
    record.writeUInt32LE(at + attribute.length + rest.length, 0x18)
  })
  t.match(await reasonOf(t, image), { code: 'unsupported_feature', found: new RegExp(`${size} tell`) })
})

t.test('a record that was not written as a whole keeps the volume', { skip }, async t => {
  const image = await volume()
  const { mft, recordSize } = await placesOf(image)
  await writeBytes(image, mft + 6 * recordSize + 510, Buffer.from('??'))
  t.match(await reasonOf(t, image), { code: 'damaged', found: /MFT record 6 was not written as a whole/ })
})

t.test('a volume that is larger than its partition is kept', { skip }, async t => {
  const image = await volume()
  const device = await fileDevice(t, image)
  const part = partOf(device, { start: 0, length: device.size - 4096 })
  t.match(await keepReasonOf(part, ntfs), { code: 'damaged', found: /has room for/ })
})

t.test('a boot sector that makes no sense keeps the volume', { skip }, async t => {
  const edits: readonly (readonly [at: number, bytes: readonly number[]])[] = [
    [0x0b, [0, 0]],
    [0x0b, [0, 1]],
    [0x0d, [0]],
    [0x0d, [3]],
    [0x0d, [0x90]],
    [0x0e, [1]],
    [0x10, [2]],
    [0x28, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    [0x28, [0, 0, 0, 0, 0, 0, 0, 0]],
    [0x30, [0xff, 0xff, 0xff, 0x7f]],
    [0x38, [0xff, 0xff, 0xff, 0x7f]],
    [0x40, [0]],
    [0x40, [0x80]],
    [0x44, [3]],
    [0x1fe, [0]],
  ]
  for (const [at, bytes] of edits) {
    const image = await volume()
    await writeBytes(image, at, Buffer.from(bytes))
    t.match(await reasonOf(t, image), { code: 'damaged' }, `${bytes} at ${at}`)
  }
})
