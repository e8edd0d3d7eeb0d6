import t from 'tap'
import { decodeHeader, encodeHeader, type VdiHeader } from '../../../lib/image/vdi/header.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { type ImageSpec, makeImage, overwrite, readBytes } from '../../fixtures/disks.ts'
import { randomFrom, seedOfRun } from '../../fixtures/random.ts'
import { randomImage } from '../../fixtures/random_disks.ts'

const PATH = '/disk.vdi'

const SMALL = { capacity: 2 ** 20, blockSize: 2 ** 17, tableOffset: 4096, dataOffset: 8192 }

async function headOf(spec: ImageSpec): Promise<Uint8Array> {
  const files = new RecordedFiles()
  await makeImage(files, PATH, spec)
  return readBytes(files, PATH, 0, 512)
}

async function headerOf(spec: ImageSpec): Promise<VdiHeader> {
  return decodeHeader(await headOf(spec), PATH)
}

t.test('a header says what was written', async t => {
  const header = await headerOf({
    capacity: 5 * 2 ** 20 - 512,
    blockSize: 2 ** 19,
    blockExtra: 512,
    blocks: { 0: 1, 3: 'zero', 4: 2 },
    text: '<<< Sun VirtualBox Disk Image >>>\n',
    comment: 'für Käse',
    flags: 0x201,
    tableOffset: 1000,
    dataOffset: 5000,
    id: '10000000-2000-4000-8000-000000000001',
    modification: '10000000-2000-4000-8000-000000000002',
    parent: '10000000-2000-4000-8000-000000000003',
    parentModification: '10000000-2000-4000-8000-000000000004',
  })
  t.strictSame(header, {
    format: 'VDI',
    variant: 'differencing',
    text: '<<< Sun VirtualBox Disk Image >>>\n',
    version: 0x00010001,
    cbHeader: 400,
    imageType: 4,
    flags: 0x201,
    comment: 'für Käse',
    tableOffset: 1000,
    dataOffset: 5000,
    legacyGeometry: { cylinders: 0, heads: 0, sectors: 0, sectorSize: 512 },
    translation: 0,
    diskSize: 5 * 2 ** 20 - 512,
    capacity: 5 * 2 ** 20 - 512,
    blockSize: 2 ** 19,
    blockExtra: 512,
    blockCount: 10,
    allocatedBlocks: 2,
    id: '10000000-2000-4000-8000-000000000001',
    modification: '10000000-2000-4000-8000-000000000002',
    parent: '10000000-2000-4000-8000-000000000003',
    parentModification: '10000000-2000-4000-8000-000000000004',
    geometry: { cylinders: 0, heads: 0, sectors: 0, sectorSize: 512 },
  })
})

t.test('geometries are read, the newer one only where the header has room for it', async t => {
  const files = new RecordedFiles()
  await makeImage(files, PATH, SMALL)
  for (const [offset, value] of [
    [0x15c, 1],
    [0x160, 2],
    [0x164, 3],
    [0x168, 4],
    [0x16c, 5],
  ] as const) {
    await overwrite(files, PATH, offset, value)
  }
  for (const [offset, value] of [
    [0x1c8, 32613],
    [0x1cc, 71],
    [0x1d0, 9],
  ] as const) {
    await overwrite(files, PATH, offset, value)
  }
  const header = decodeHeader(await readBytes(files, PATH, 0, 512), PATH)
  t.strictSame(header.legacyGeometry, { cylinders: 1, heads: 2, sectors: 3, sectorSize: 4 })
  t.equal(header.translation, 5)
  t.strictSame(header.geometry, { cylinders: 32613, heads: 71, sectors: 9, sectorSize: 512 })
  t.equal((await headerOf({ ...SMALL, cbHeader: 384 })).geometry, undefined)
  t.equal((await headerOf({ ...SMALL, cbHeader: 399 })).geometry, undefined)
  t.equal((await headerOf({ ...SMALL, version: 0x00010000, cbHeader: 400 })).geometry, undefined)
  t.ok((await headerOf({ ...SMALL, cbHeader: 2000 })).geometry)
})

t.test('a disk size that is no whole number of sectors is rounded down', async t => {
  const header = await headerOf({ ...SMALL, capacity: 2 ** 19, diskSize: 2 ** 19 + 511 - 512 })
  t.equal(header.capacity, 2 ** 19 - 512)
  t.equal(header.diskSize, 2 ** 19 - 1)
})

t.test('types tell how an image keeps its blocks', async t => {
  for (const [imageType, variant] of [
    [1, 'dynamic'],
    [2, 'fixed'],
    [3, 'dynamic'],
    [4, 'differencing'],
  ] as const) {
    t.equal((await headerOf({ ...SMALL, imageType })).variant, variant)
  }
})

t.test('every legal header is encoded as it was read', async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  for (let round = 0; round < 60; round++) {
    const spec = {
      ...randomImage(random, { capacity: 512 * random.between(1, 2000), blockSize: 2 ** 17, seed: round }),
      imageType: random.between(1, 4),
      flags: random.between(0, 1),
      comment: 'x'.repeat(random.between(0, 255)),
      text: 'y'.repeat(random.between(0, 63)),
      ...(random.chance(50) ? { parent: random.uuid(), parentModification: random.uuid() } : {}),
    }
    const head = await headOf(spec)
    const header = decodeHeader(head, PATH)
    const encoded = encodeHeader(header)
    t.strictSame(Buffer.from(encoded), Buffer.from(head.subarray(0, encoded.length)), JSON.stringify(spec))
    t.equal(encoded.length, header.geometry === undefined ? 456 : 472)
    t.strictSame(decodeHeader(encoded, PATH), header)
  }
})

t.test('a text, a comment or twin fields that do not fit are not encoded', async t => {
  const header = await headerOf(SMALL)
  t.throws(() => encodeHeader({ ...header, text: 'y'.repeat(64) }), RangeError)
  t.throws(() => encodeHeader({ ...header, comment: 'ä'.repeat(128) }), RangeError)
  t.throws(() => encodeHeader({ ...header, variant: 'fixed' }), RangeError)
  t.throws(() => encodeHeader({ ...header, capacity: 512 }), RangeError)
})
