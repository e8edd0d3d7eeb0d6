import t from 'tap'
import { checkTableFits } from '../../../lib/image/vdi/check_header.ts'
import { decodeHeader } from '../../../lib/image/vdi/header.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { type ImageSpec, makeImage, overwrite, readBytes } from '../../fixtures/disks.ts'

const PATH = '/a disk.vdi'

const SMALL: ImageSpec = { capacity: 2 ** 20, blockSize: 2 ** 17, tableOffset: 4096, dataOffset: 8192 }

type Damage = readonly [offset: number, value: number | Uint8Array]

async function headWith(damage: readonly Damage[], spec: ImageSpec = SMALL): Promise<Uint8Array> {
  const files = new RecordedFiles()
  await makeImage(files, PATH, spec)
  for (const [offset, value] of damage) await overwrite(files, PATH, offset, value)
  return readBytes(files, PATH, 0, 512)
}

const NIL = new Uint8Array(16)

const REFUSED: readonly (readonly [code: string, says: string, ...damage: Damage[]])[] = [
  ['image_corrupt', 'u32Signature is 0xbeda1080', [0x40, 0xbeda1080]],
  ['unsupported', 'u32Version is 0x00000002', [0x44, 2]],
  ['unsupported', 'u32Version is 0x00010002', [0x44, 0x00010002]],
  ['unsupported', 'u32Version is 0x00020001', [0x44, 0x00020001]],
  ['image_corrupt', 'cbHeader is 383', [0x48, 383]],
  ['image_corrupt', 'cbHeader 4294967295', [0x48, 0xffffffff]],
  ['unsupported', 'u32Type is 0', [0x4c, 0]],
  ['unsupported', 'u32Type is 5', [0x4c, 5]],
  ['unsupported', 'fFlags is 0x00000002', [0x50, 2]],
  ['unsupported', 'fFlags is 0x00000100', [0x50, 0x100]],
  ['unsupported', 'fFlags is 0x00000200', [0x50, 0x200]],
  ['unsupported', 'fFlags is 0x00000101', [0x4c, 4], [0x50, 0x101]],
  ['unsupported', 'fFlags is 0x00000200', [0x4c, 2], [0x50, 0x200]],
  ['unsupported', 'fFlags is 0x01000000', [0x50, 0x01000000]],
  ['unsupported', 'fFlags is 0x80000001', [0x50, 0x80000001]],
  ['image_corrupt', 'offBlocks is 100', [0x154, 100]],
  ['image_corrupt', 'offBlocks is 471', [0x154, 471]],
  ['image_corrupt', 'offData is 4127', [0x158, 4127]],
  ['image_corrupt', 'LCHSGeometry.cbSector is 4096', [0x1d4, 4096]],
  ['image_corrupt', 'cbDisk is 0', [0x170, 0]],
  ['image_corrupt', 'cbDisk is 511', [0x170, 511]],
  ['unsupported', 'cbDisk is 9223372036855824384', [0x174, 0x80000000]],
  ['image_corrupt', 'cbBlock is 0', [0x178, 0]],
  ['image_corrupt', 'cbBlock is 1,', [0x178, 1]],
  ['image_corrupt', 'cbBlock is 3145728', [0x178, 3 * 2 ** 20]],
  ['unsupported', 'cbBlock is 65536', [0x178, 2 ** 16]],
  ['unsupported', 'cbBlock is 268435456', [0x178, 2 ** 28]],
  ['image_corrupt', 'cbBlockExtra is 1,', [0x17c, 1]],
  ['image_corrupt', 'cbBlockExtra is 1000', [0x17c, 1000]],
  ['image_corrupt', 'cBlocks is 0', [0x180, 0]],
  ['image_corrupt', 'cBlocks is 7', [0x180, 7]],
  ['unsupported', 'cBlocks is 67108865', [0x158, 0xffffffff], [0x180, 2 ** 26 + 1]],
  ['unsupported', 'cbBlockExtra is 2147483648', [0x158, 0xffffffff], [0x17c, 2 ** 31], [0x180, 2 ** 26]],
  ['image_corrupt', 'cBlocksAllocated is 9', [0x184, 9]],
  ['image_corrupt', 'uuidCreate is 00000000', [0x188, NIL]],
  ['image_corrupt', 'uuidModify is 00000000', [0x198, NIL]],
]

t.test('a header that VirtualBox would not open is refused by field and value', async t => {
  for (const [code, says, ...damage] of REFUSED) {
    const head = await headWith(damage)
    t.throws(() => decodeHeader(head, PATH), { code }, says)
    t.throws(
      () => decodeHeader(head, PATH),
      { message: new RegExp(`^Cannot read "/a disk.vdi": .*${says}`) },
      says,
    )
  }
})

const ACCEPTED: readonly (readonly [what: string, spec: Partial<ImageSpec>, ...damage: Damage[]])[] = [
  ['version 1.0', { version: 0x00010000, cbHeader: 384 }],
  ['the smallest header', { cbHeader: 384, tableOffset: 456 }],
  ['a header of 512 bytes', { cbHeader: 512 }],
  ['no geometry to check in a short header', { cbHeader: 384 }, [0x1d4, 4096]],
  ['a table right behind the header', { tableOffset: 472 }],
  ['data right behind the table', { dataOffset: 4096 + 8 * 4 }],
  ['flag 1', { flags: 1 }],
  ['flags of a fixed image', { imageType: 2, flags: 0x101 }],
  ['flags of a differencing image', { imageType: 4, flags: 0x201 }],
  ['the smallest blocks', { blockSize: 2 ** 17 }],
  ['the largest blocks', { blockSize: 2 ** 27 }],
  ['two extra bytes', { blockExtra: 2 }],
  ['a megabyte of extra bytes', { blockExtra: 2 ** 20 }],
  ['more blocks than the disk needs', { blockCount: 20 }],
  ['a single sector', { capacity: 512 }],
  ['an odd disk size', {}, [0x170, 2 ** 20 - 1]],
  ['any legacy geometry', {}, [0x168, 4096]],
]

t.test('every header that VirtualBox opens is accepted', async t => {
  for (const [what, spec, ...damage] of ACCEPTED) {
    const head = await headWith(damage, { ...SMALL, ...spec })
    t.doesNotThrow(() => decodeHeader(head, PATH), what)
  }
})

t.test('a file that is too short for its header is refused with its length', async t => {
  const head = await headWith([])
  for (const length of [0, 1, 71, 72, 455, 456, 471]) {
    const refusal = { code: 'image_corrupt', message: new RegExp(` is ${length} bytes long`) }
    t.throws(() => decodeHeader(head.subarray(0, length), PATH), refusal)
  }
  t.doesNotThrow(() => decodeHeader(head.subarray(0, 472), PATH))
  const short = await headWith([], { ...SMALL, cbHeader: 384 })
  t.doesNotThrow(() => decodeHeader(short.subarray(0, 456), PATH))
})

t.test('a table that the file is too short for is refused before memory is taken for it', async t => {
  const header = decodeHeader(await headWith([]), PATH)
  t.doesNotThrow(() => checkTableFits(header, 4096 + 32, PATH))
  const refusal = { code: 'image_corrupt', message: /cBlocks is 8, .* byte 4128, but the file is 4127 bytes/ }
  t.throws(() => checkTableFits(header, 4096 + 31, PATH), refusal)
})
