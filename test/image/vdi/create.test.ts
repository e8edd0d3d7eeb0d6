import t from 'tap'
import { openImage } from '../../../lib/image/open_image.ts'
import { checkTable, readTable } from '../../../lib/image/vdi/block_table.ts'
import {
  baseHeader,
  createBase,
  createDifferencing,
  createImage,
  differencingHeader,
} from '../../../lib/image/vdi/create.ts'
import { faultyFiles } from '../../../lib/io/faulty_files.ts'
import type { Files } from '../../../lib/io/files.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { makeImage, readBytes } from '../../fixtures/disks.ts'

const PATH = '/new.vdi'
const ID = '10000000-2000-4000-8000-000000000001'

async function facts(files: Files): Promise<ReturnType<typeof checkTable>> {
  const image = await openImage(files, PATH, 'read')
  return checkTable(image.header, await readTable(image), image.fileSize, image.path)
}

t.test('a new base image opens, is empty, and is laid out as VirtualBox does it', async t => {
  const files = new RecordedFiles()
  const header = await createBase(files, PATH, { capacity: 10 * 2 ** 20 + 512, id: ID })
  const image = await openImage(files, PATH, 'write')
  t.strictSame(image.header, header)
  t.match(header, {
    id: ID,
    variant: 'dynamic',
    blockSize: 2 ** 20,
    blockCount: 11,
    allocatedBlocks: 0,
    parent: undefined,
  })
  t.match(header, { cbHeader: 400, tableOffset: 2 ** 20, dataOffset: 2 ** 21 })
  t.equal(image.fileSize, 2 ** 21)
  t.strictSame(await facts(files), { referenced: 0, orphans: 0, free: 11, zero: 0 })
})

t.test('a new fixed image refers to all of its blocks, which are zeros', async t => {
  const files = new RecordedFiles()
  const header = await createBase(files, PATH, {
    capacity: 3 * 2 ** 17,
    blockSize: 2 ** 17,
    blockExtra: 512,
    fixed: true,
  })
  t.match(header, { variant: 'fixed', allocatedBlocks: 3 })
  const image = await openImage(files, PATH, 'read')
  t.equal(image.fileSize, header.dataOffset + 3 * (2 ** 17 + 512))
  t.strictSame([...(await readTable(image))], [0, 1, 2])
})

t.test('a new base image can be laid out otherwise', async t => {
  const files = new RecordedFiles()
  const places = { cbHeader: 440, tableOffset: 516, dataOffset: 3333, blockExtra: 4096 }
  const header = await createBase(files, PATH, { capacity: 2 ** 20, blockSize: 2 ** 18, ...places })
  t.match(header, { ...places, blockSize: 2 ** 18, blockCount: 4 })
  t.match(await facts(files), { free: 4 })
})

t.test('a table of many parts is written to its end', async t => {
  const files = new RecordedFiles()
  const large = { capacity: 600_000 * 2 ** 17, blockSize: 2 ** 17 }
  await createBase(files, PATH, large)
  t.match(await facts(files), { free: 600_000 })
  await files.unlink(PATH)
  await createBase(files, PATH, { ...large, fixed: true })
  t.match(await facts(files), { referenced: 600_000 })
  const table = await readTable(await openImage(files, PATH, 'read'))
  t.ok(table.every((slot, block) => slot === block))
})

t.test('a new differencing image is the empty child of its parent', async t => {
  const files = new RecordedFiles()
  const spec = {
    capacity: 2 ** 24 - 512,
    diskSize: 2 ** 24 - 412,
    blockSize: 2 ** 22,
    blockExtra: 512,
    comment: 'mine',
  }
  await makeImage(files, '/base.vdi', { ...spec, version: 0x00010000, cbHeader: 384 })
  const { header: parent } = await openImage(files, '/base.vdi', 'read')
  const header = await createDifferencing(files, PATH, { parent, id: ID })
  t.strictSame((await openImage(files, PATH, 'read')).header, header)
  t.match(header, {
    id: ID,
    variant: 'differencing',
    parent: parent.id,
    parentModification: parent.modification,
  })
  t.match(header, {
    capacity: 2 ** 24 - 512,
    diskSize: 2 ** 24 - 512,
    blockSize: 2 ** 20,
    blockExtra: 0,
    comment: '',
  })
  t.not(header.modification, parent.modification)
  t.match(await facts(files), { free: 16, referenced: 0 })
})

t.test('a new differencing image has the geometry of its parent, where that is one', async t => {
  const parent = baseHeader({ capacity: 2 ** 24 })
  const geometryFrom = (cylinders: number, heads: number, sectors: number): unknown =>
    differencingHeader({ parent: { ...parent, geometry: { cylinders, heads, sectors, sectorSize: 512 } } })
      .geometry
  t.match(geometryFrom(40, 16, 63), { cylinders: 40, heads: 16, sectors: 63 })
  t.match(geometryFrom(40, 300, 99), { cylinders: 40, heads: 255, sectors: 63 })
  t.match(geometryFrom(32613, 71, 0), { cylinders: 0, heads: 0, sectors: 0 })
  const bare = differencingHeader({ parent: { ...parent, flags: 1, geometry: undefined } })
  t.match(bare, {
    flags: 1,
    cbHeader: 400,
    geometry: { cylinders: 0, heads: 0, sectors: 0, sectorSize: 512 },
  })
})

t.test('a new image is flushed, private, or as open as another file', async t => {
  const files = new RecordedFiles()
  await createBase(files, PATH, { capacity: 512 })
  t.match(await files.stat(PATH), { mode: 0o600 })
  const operations = files.entries.map(({ kind }) => String(kind))
  t.equal(operations.at(-1), 'sync', operations.join(' '))

  const like = await files.stat(PATH)
  if (like === undefined) throw new Error('the image is missing')
  await createBase(files, '/other.vdi', { capacity: 512 }, { ...like, mode: 0o644, group: 7 })
  t.match(await files.stat('/other.vdi'), { mode: 0o644, group: 7 })
})

t.test('a file that is already there is left alone', async t => {
  const files = new RecordedFiles()
  await createBase(files, PATH, { capacity: 512 })
  const before = await readBytes(files, PATH, 0, 4096)
  await t.rejects(createBase(files, PATH, { capacity: 1024 }), { code: 'EEXIST' })
  t.strictSame(await readBytes(files, PATH, 0, 4096), before)
})

t.test('what makes no legal image is refused before a file is made', async t => {
  const files = new RecordedFiles()
  await t.rejects(createBase(files, PATH, { capacity: 0 }), { code: 'image_corrupt', message: /cbDisk is 0/ })
  await t.rejects(createBase(files, PATH, { capacity: 512, blockSize: 2 ** 16 }), { code: 'unsupported' })
  await t.rejects(createBase(files, PATH, { capacity: 700 }), RangeError)
  await t.rejects(createImage(files, PATH, { ...baseHeader({ capacity: 512 }), imageType: 4 }), RangeError)
  t.strictSame(await files.list('/'), [])
})

t.test('a failure leaves no file behind', async t => {
  const files = new RecordedFiles()
  const like = await files.stat('/')
  const made = faultyFiles(files, [{ operation: 'any', at: 1000 }])
  await createBase(made.files, PATH, { capacity: 512 }, like)
  await files.unlink(PATH)
  const calls = made.counts[0] ?? 0
  t.ok(calls >= 7, `${calls} calls`)
  for (let at = 1; at <= calls; at++) {
    const faulty = faultyFiles(files, [{ operation: 'any', at, error: 'ENOSPC' }])
    await t.rejects(createBase(faulty.files, PATH, { capacity: 512 }, like), { code: 'ENOSPC' })
    t.strictSame(await files.list('/'), [], `call ${at}`)
  }
})
