import t, { type Test } from 'tap'
import { partOf } from '../../../../lib/guest/device.ts'
import type { KeepReason } from '../../../../lib/guest/file_system.ts'
import { exfat } from '../../../../lib/guest/filesystems/exfat/exfat.ts'
import { copyImage, fileDevice, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { EXFAT_TOOLS, exfatImage, exfatPlaces, sealBootRegion } from '../../../fixtures/guest/exfat_image.ts'
import { bytesOf } from '../../../fixtures/guest/image_bytes.ts'
import { keepReasonOf } from '../../../fixtures/guest/keep_reason.ts'

const skip = EXFAT_TOOLS
const root = t
let master: string | undefined
let copies = 0

/** A copy of one and the same empty volume, for each test to spoil. */
async function volume(): Promise<string> {
  master ??= await exfatImage(root, { mib: 16, clusterSize: 4096 })
  return copyImage(master, `.${++copies}`)
}

async function reasonOf(t: Test, image: string): Promise<KeepReason | undefined> {
  return keepReasonOf(await fileDevice(t, image), exfat)
}

/** Changes the boot region as a program would that knows of its checksum. */
async function editBoot(image: string, at: number, bytes: readonly number[]): Promise<void> {
  const region = await bytesOf(image, { start: 0, length: 12 * 512 })
  region.set(bytes, at)
  sealBootRegion(region)
  await writeBytes(image, 0, region)
}

t.test('a change of the boot region shows in its checksum', { skip }, async t => {
  for (const at of [0, 0x5c, 0x64, 511, 512, 11 * 512 - 1]) {
    const image = await volume()
    const [byte = 0] = await bytesOf(image, { start: at, length: 1 })
    await writeBytes(image, at, Buffer.from([byte ^ 1]))
    t.match(await reasonOf(t, image), { code: 'damaged' }, `byte ${at}`)
  }
  const image = await volume()
  await writeBytes(image, 11 * 512 + 508, Buffer.from([0]))
  t.match(await reasonOf(t, image), { code: 'damaged', found: /checksum/ }, 'the last copy of the checksum')
  await editBoot(image, 0x64, [1, 2, 3, 4])
  await writeBytes(image, 0x70, Buffer.from([77]))
  t.equal(await reasonOf(t, image), undefined, 'another serial number and per cent in use')
})

t.test('of all volume flags only the one without meaning is accepted', { skip }, async t => {
  const image = await volume()
  const accepted: number[] = []
  for (let bit = 0; bit < 16; bit++) {
    const flags = Buffer.alloc(2)
    flags.writeUInt16LE(2 ** bit)
    await writeBytes(image, 0x6a, flags)
    const reason = await reasonOf(t, image)
    if (reason === undefined) accepted.push(2 ** bit)
    else t.equal(reason.code, bit === 1 || bit === 2 ? 'unclean' : 'unsupported_feature', `bit ${bit}`)
  }
  t.same(accepted, [8])
})

t.test('what a volume says of itself has to be known and to fit', { skip }, async t => {
  const edits: readonly (readonly [
    at: number,
    bytes: readonly number[],
    code: KeepReason['code'] | undefined,
  ])[] = [
    // Revisions.
    [0x68, [1, 1], undefined],
    [0x68, [0, 2], 'unsupported_feature'],
    [0x68, [0, 0], 'unsupported_feature'],
    // Tables.
    [0x6e, [2], 'unsupported_feature'],
    [0x6e, [0], 'unsupported_feature'],
    // Fields of FAT.
    [0x0b, [1], 'damaged'],
    [0x3f, [1], 'damaged'],
    // Lengths.
    [0x48, [1, 0x80], 'damaged'],
    [0x48, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'damaged'],
    [0x50, [23, 0, 0, 0], 'damaged'],
    [0x54, [1, 0, 0, 0], 'damaged'],
    [0x54, [0xff, 0xff, 0xff, 0xff], 'damaged'],
    [0x58, [25, 0, 0, 0], 'damaged'],
    [0x5c, [0, 0, 0, 0], 'damaged'],
    [0x5c, [0xff, 0xff, 0xff, 0xff], 'damaged'],
    [0x60, [0, 0, 0, 0], 'damaged'],
    [0x60, [0xff, 0xff, 0xff, 0xff], 'damaged'],
    [0x6c, [8], 'damaged'],
    [0x6c, [13], 'damaged'],
    [0x6d, [17], 'damaged'],
    [0x6d, [255], 'damaged'],
    [0x1fe, [0], 'damaged'],
  ]
  for (const [at, bytes, code] of edits) {
    const image = await volume()
    await editBoot(image, at, bytes)
    t.equal((await reasonOf(t, image))?.code, code, `${bytes} at ${at}`)
  }
  const device = await fileDevice(t, await volume())
  const part = partOf(device, { start: 0, length: device.size - 512 })
  t.match(await keepReasonOf(part, exfat), { code: 'damaged', found: /has room for/ })
  t.equal(await exfat.probe(partOf(device, { start: 0, length: 511 })), undefined)
  t.equal(await exfat.probe(partOf(device, { start: 512, length: 4096 })), undefined)
})

t.test(
  'the root directory has to name one bitmap and one up-case table that are whole',
  { skip },
  async t => {
    const { root, bitmap, upcaseTable, table } = await exfatPlaces(await volume())
    const entries = await bytesOf(await volume(), { start: root, length: 96 })
    t.same([entries[0], entries[32], entries[64]], [0x83, 0x81, 0x82])
    const edits: readonly (readonly [
      name: string,
      at: number,
      bytes: readonly number[],
      code: KeepReason['code'],
    ])[] = [
      ['no bitmap', root + 32, [0x01], 'damaged'],
      ['no up-case table', root + 64, [0x02], 'damaged'],
      ['two bitmaps', root, [0x81], 'damaged'],
      ['the second bitmap', root + 33, [1], 'unsupported_feature'],
      ['an end before them', root, [0], 'damaged'],
      ['a bitmap elsewhere', root + 32 + 20, [0xff, 0xff, 0, 0], 'damaged'],
      ['a bitmap before the first cluster', root + 32 + 20, [1, 0, 0, 0], 'damaged'],
      ['a bitmap of another length', root + 32 + 24, [1, 1], 'damaged'],
      ['a bitmap of impossible length', root + 32 + 24, [255, 255, 255, 255, 255, 255, 255, 255], 'damaged'],
      ['an up-case table of no length', root + 64 + 24, [0, 0], 'damaged'],
      ['an up-case table of another checksum', root + 64 + 4, [1], 'damaged'],
      ['another up-case table', upcaseTable + 100, [0x55], 'damaged'],
      ['a bitmap that is free', bitmap, [0xfe], 'damaged'],
      ['an up-case table that is free', bitmap, [0xf9], 'damaged'],
      ['a root directory that is free', bitmap, [0xf7], 'damaged'],
      ['another medium', table, [0xf0], 'damaged'],
      ['another second entry', table + 4, [0], 'damaged'],
      ['a root directory that does not end', table + 20, [5, 0, 0, 0], 'damaged'],
    ]
    for (const [name, at, bytes, code] of edits) {
      const image = await volume()
      await writeBytes(image, at, Buffer.from(bytes))
      t.equal((await reasonOf(t, image))?.code, code, name)
    }
  },
)
