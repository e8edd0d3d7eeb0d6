import t, { type Test } from 'tap'
import { partOf } from '../../../../lib/guest/device.ts'
import type { KeepReason } from '../../../../lib/guest/file_system.ts'
import { fat } from '../../../../lib/guest/filesystems/fat/fat.ts'
import { copyImage, fileDevice, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { FAT_TOOLS, fatImage, fatTables } from '../../../fixtures/guest/fat_image.ts'
import { bytesOf } from '../../../fixtures/guest/image_bytes.ts'
import { keepReasonOf } from '../../../fixtures/guest/keep_reason.ts'
import { freeRangesOf } from '../../../fixtures/guest/poison.ts'
import { tryTool } from '../../../fixtures/guest/tools.ts'

const skip = FAT_TOOLS

type Bits = 12 | 16 | 32

const SIZES = { 12: 2, 16: 16, 32: 40 } as const
const masters = new Map<Bits, Promise<string>>()
const root = t
let copies = 0

/** A copy of one and the same empty volume, for each test to spoil. */
async function volume(bits: Bits): Promise<string> {
  const made = masters.get(bits) ?? fatImage(root, { mib: SIZES[bits], bits, options: ['-s', '1'] })
  masters.set(bits, made)
  return copyImage(await made, `.${++copies}`)
}

async function reasonOf(t: Test, image: string): Promise<KeepReason | undefined> {
  return keepReasonOf(await fileDevice(t, image), fat)
}

/** Sets the second entry in all tables. */
async function setFlags(image: string, bits: Bits, flags: number): Promise<void> {
  const { first, size } = await fatTables(image)
  const bytes = Buffer.alloc(bits / 8)
  bytes.writeUIntLE(flags, 0, bits / 8)
  for (const table of [first, first + size]) await writeBytes(image, table + bits / 8, bytes)
}

t.test('a volume that Linux has mounted is kept, as fsck.vfat calls it dirty', { skip }, async t => {
  for (const [bits, at] of [
    [12, 0x25],
    [16, 0x25],
    [32, 0x41],
  ] as const) {
    const image = await volume(bits)
    t.equal(await reasonOf(t, image), undefined)
    await writeBytes(image, at, Buffer.from([1]))
    t.match(await reasonOf(t, image), { code: 'unclean', found: /boot sector says that it is in use/ })
    t.match((await tryTool('fsck.vfat', '-n', image)).stdout, /Dirty bit is set/)
    await writeBytes(image, at, Buffer.from([2]))
    t.match(await reasonOf(t, image), { code: 'unclean', found: /test of the disk/ })
  }
})

t.test('a volume that Windows has mounted, or whose disk had errors, is kept', { skip }, async t => {
  const cases = [
    [16, 0xffff, undefined],
    [16, 0x7fff, 'unclean'],
    [16, 0xbfff, 'unclean'],
    [32, 0x0fffffff, undefined],
    [32, 0xffffffff, undefined],
    [32, 0x07ffffff, 'unclean'],
    [32, 0x0bffffff, 'unclean'],
  ] as const
  for (const [bits, flags, code] of cases) {
    const image = await volume(bits)
    await setFlags(image, bits, flags)
    t.equal((await reasonOf(t, image))?.code, code, `FAT${bits} ${flags.toString(16)}`)
  }
})

t.test('tables that differ keep the volume, wherever that is', { skip }, async t => {
  for (const bits of [12, 16, 32] as const) {
    const image = await volume(bits)
    const { first, size } = await fatTables(image)
    // Of the last cluster: what is behind it counts for nothing.
    const behind = (await lastEntryEnd(image, bits)) + first + size
    await writeBytes(image, behind, Buffer.alloc(size - (behind - first - size), 0x55))
    t.equal(await reasonOf(t, image), undefined, `FAT${bits}`)
    for (const at of [0, 600, behind - first - size - 1]) {
      const spoiled = await copyImage(image, `.${at}`)
      await writeBytes(spoiled, first + size + at, Buffer.from([0x5a]))
      t.match(await reasonOf(t, spoiled), { code: 'damaged', found: /differ in byte/ }, `FAT${bits} ${at}`)
    }
  }
})

async function lastEntryEnd(image: string, bits: Bits): Promise<number> {
  const report = (await tryTool('fsck.vfat', '-n', '-v', image)).stdout
  const clusters = Number(report.match(/(\d+) data clusters/)?.[1])
  return Math.ceil(((clusters + 2) * bits) / 8)
}

t.test('bad, reserved and lost clusters are not free', { skip }, async t => {
  const entries = { 12: [0xff7, 1, 0xff0], 16: [0xfff7, 1, 0xfff0], 32: [0x0ffffff7, 1, 0x0ffffff0] }
  for (const bits of [12, 16, 32] as const) {
    const image = await volume(bits)
    const { first, size } = await fatTables(image)
    const whole = await freeRangesOf(await fileDevice(t, image), fat)
    // Clusters 341 and 342 share the last byte of a sector, where entries have 12 bits.
    for (const [index, value] of entries[bits].entries()) {
      for (const table of [first, first + size]) await setEntry(image, table, bits, 340 + 2 * index, value)
    }
    const ranges = await freeRangesOf(await fileDevice(t, image), fat)
    const [range = { start: 0, length: 0 }] = whole
    const firstFree = bits === 32 ? 3 : 2
    const gap = (cluster: number): number => range.start + (cluster - firstFree) * 512
    t.same(
      ranges.map(({ start }) => start),
      [range.start, gap(341), gap(343), gap(345)],
      `FAT${bits}`,
    )
    t.same(
      ranges.slice(1, 3).map(({ length }) => length),
      [512, 512],
    )
  }
})

async function setEntry(
  image: string,
  table: number,
  bits: Bits,
  cluster: number,
  value: number,
): Promise<void> {
  if (bits !== 12) {
    const bytes = Buffer.alloc(bits / 8)
    bytes.writeUIntLE(value, 0, bits / 8)
    return writeBytes(image, table + (cluster * bits) / 8, bytes)
  }
  const start = table + Math.floor(cluster * 1.5)
  const bytes = await bytesOf(image, { start, length: 2 })
  const old = bytes.readUInt16LE()
  bytes.writeUInt16LE(cluster % 2 === 0 ? (old & 0xf000) | value : (old & 0x000f) | (value << 4))
  await writeBytes(image, start, bytes)
}

t.test('the four highest bits of FAT32 are not of the entry', { skip }, async t => {
  const image = await volume(32)
  const { first, size } = await fatTables(image)
  const before = await freeRangesOf(await fileDevice(t, image), fat)
  for (const table of [first, first + size]) await setEntry(image, table, 32, 500, 0xf0000000)
  t.same(await freeRangesOf(await fileDevice(t, image), fat), before)
})

t.test('a table that begins with another medium keeps the volume', { skip }, async t => {
  for (const bits of [12, 16, 32] as const) {
    const image = await volume(bits)
    const { first, size } = await fatTables(image)
    for (const table of [first, first + size]) await writeBytes(image, table, Buffer.from([0xf0]))
    t.match(await reasonOf(t, image), { code: 'damaged', found: /begins with/ })
  }
})

t.test('BitLocker To Go is no FAT32', { skip }, async t => {
  const image = await volume(32)
  await writeBytes(image, 3, Buffer.from('MSWIN4.1'))
  t.equal(await reasonOf(t, image), undefined, 'nor is FAT32 of Windows BitLocker')
  await writeBytes(image, 424, Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex'))
  const volumeFound = await fat.probe(await fileDevice(t, image))
  t.match(volumeFound, { kind: 'bitlocker', keep: { code: 'encrypted' } })
})

t.test('what FAT32 says of itself has to be known', { skip }, async t => {
  const edits: readonly (readonly [
    at: number,
    bytes: readonly number[],
    code: KeepReason['code'] | undefined,
  ])[] = [
    [0x28, [0x80], 'unsupported_feature'],
    [0x28, [0x81], 'unsupported_feature'],
    [0x2a, [1], 'unsupported_feature'],
    [0x2c, [0], 'damaged'],
    [0x2c, [1], 'damaged'],
    [0x2c, [3], 'damaged'],
    [0x2c, [0xff, 0xff, 0xff, 0x0f], 'damaged'],
    [0x30, [0xff, 0xff], undefined],
    [0x30, [0, 0], undefined],
    [0x30, [2, 0], 'damaged'],
    [0x30, [0xfe, 0xff], 'damaged'],
    [512 + 488, [0xff, 0xff, 0xff, 0xff], undefined],
    [512 + 488, [1, 0, 0, 0], undefined],
    [512, [0], 'damaged'],
    [512 + 484, [0], 'damaged'],
    [512 + 511, [0], 'damaged'],
  ]
  for (const [at, bytes, code] of edits) {
    const image = await volume(32)
    await writeBytes(image, at, Buffer.from(bytes))
    t.equal((await reasonOf(t, image))?.code, code, `${bytes} at ${at}`)
  }
})

t.test('a volume that does not fit its own numbers is kept', { skip }, async t => {
  const edits: readonly (readonly [
    bits: Bits,
    at: number,
    bytes: readonly number[],
    code: KeepReason['code'],
  ])[] = [
    // Larger than the device, without room for clusters, with tables that are too short, with three.
    [16, 0x13, [0xff, 0xff], 'damaged'],
    [16, 0x13, [8, 0], 'damaged'],
    [16, 0x16, [1, 0], 'damaged'],
    [16, 0x10, [3], 'damaged'],
    // FAT16 with as few clusters as FAT12; FAT32 with too few clusters; with a root of FAT16.
    [16, 0x0d, [8], 'ambiguous'],
    [32, 0x0d, [8], 'ambiguous'],
    [32, 0x11, [16], 'damaged'],
    [12, 0x16, [0, 0], 'damaged'],
  ]
  for (const [bits, at, bytes, code] of edits) {
    const image = await volume(bits)
    await writeBytes(image, at, Buffer.from(bytes))
    t.equal((await reasonOf(t, image))?.code, code, `FAT${bits} ${bytes} at ${at}`)
  }
  const device = await fileDevice(t, await volume(16))
  const part = partOf(device, { start: 0, length: device.size - 512 })
  t.match(await keepReasonOf(part, fat), { code: 'damaged', found: /has room for/ })
})

t.test('boot sectors of other things are no FAT', { skip }, async t => {
  const image = await volume(16)
  const device = await fileDevice(t, image)
  t.ok(await fat.probe(device))
  const edits: readonly (readonly [at: number, bytes: Buffer])[] = [
    [0, Buffer.from([0])],
    [2, Buffer.from([0])],
    [3, Buffer.from('NTFS    ')],
    [3, Buffer.from('EXFAT   ')],
    [3, Buffer.from('-FVE-FS-')],
    // As in a master boot record.
    [0x0b, Buffer.alloc(25)],
    [0x0b, Buffer.from([1])],
    [0x0d, Buffer.from([3])],
    [0x0e, Buffer.from([0, 0])],
    [0x10, Buffer.from([0])],
    [0x15, Buffer.from([0xf7])],
    [0x1fe, Buffer.from([0])],
  ]
  for (const [at, bytes] of edits) {
    const copy = await volume(16)
    await writeBytes(copy, at, bytes)
    t.equal(await fat.probe(await fileDevice(t, copy)), undefined, `${bytes.toString('hex')} at ${at}`)
  }
  t.equal(await fat.probe(partOf(device, { start: 0, length: 511 })), undefined)
})
