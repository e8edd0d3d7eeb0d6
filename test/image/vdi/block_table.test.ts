import t from 'tap'
import { FREE, ZERO } from '../../../lib/blocks/constants.ts'
import { type OpenVdi, openImage } from '../../../lib/image/open_image.ts'
import {
  blockOffset,
  checkTable,
  encodeEntries,
  readTable,
  readTableParts,
  slotSize,
} from '../../../lib/image/vdi/block_table.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import {
  type ImageSpec,
  makeImage,
  overwriteEntry,
  patternBytes,
  sameBlocks,
  setLength,
} from '../../fixtures/disks.ts'

const PATH = '/disk.vdi'

const UNIT = 2 ** 17

const SMALL: ImageSpec = {
  capacity: 8 * UNIT,
  blockSize: UNIT,
  blocks: { 0: 5, 2: 'zero', 3: 6, 6: 7 },
  tableOffset: 700,
  dataOffset: 1001,
}

async function open(spec: ImageSpec, damage?: (files: RecordedFiles) => Promise<void>): Promise<OpenVdi> {
  const files = new RecordedFiles()
  await makeImage(files, PATH, spec)
  await damage?.(files)
  return openImage(files, PATH, 'read')
}

async function check(image: OpenVdi): Promise<ReturnType<typeof checkTable>> {
  return checkTable(image.header, await readTable(image), image.fileSize, image.path)
}

t.test('a table reads as it was written', async t => {
  const image = await open(SMALL)
  t.strictSame([...(await readTable(image))], [0, FREE, ZERO, 1, FREE, FREE, 2, FREE])
})

t.test('a long table reads the same whole, in parts and into memory that is used again', async t => {
  const count = 150_000
  const blocks = { ...sameBlocks(70_000, 'zero', 50_000), 0: 1, 149999: 1 }
  const image = await open({ capacity: count * UNIT, blockSize: UNIT, blocks })
  const table = await readTable(image)
  t.equal(table.length, count)
  t.strictSame([table[0], table[1], table[49_999], table[50_000]], [0, FREE, FREE, ZERO])
  t.strictSame([table[119_999], table[120_000], table[149_999]], [ZERO, FREE, 1])

  let next = 0
  for await (const { first, entries } of readTableParts(image)) {
    t.equal(first, next)
    t.strictSame(
      Buffer.from(entries.slice().buffer),
      Buffer.from(table.slice(first, first + entries.length).buffer),
    )
    next += entries.length
  }
  t.equal(next, count)

  const memory = new Uint32Array(count + 1).fill(7)
  const again = await readTable(image, undefined, memory)
  t.equal(again.buffer, memory.buffer)
  t.strictSame(Buffer.from(again.slice().buffer), Buffer.from(table.buffer))
  t.equal(memory[count], 7)
  t.not((await readTable(image, undefined, new Uint32Array(1))).length, 1)
})

t.test('entries are encoded little-endian, of any part of a table', async t => {
  const entries = new Uint32Array([9, 1, 0x01020304, FREE, ZERO]).subarray(1)
  t.equal(Buffer.from(encodeEntries(entries)).toString('hex'), '0100000004030201fffffffffeffffff')
})

t.test('reading stops when asked to', async t => {
  const image = await open(SMALL)
  const reason = new Error('enough')
  await t.rejects(readTable(image, AbortSignal.abort(reason)), reason)
  await t.rejects(readTableParts(image, AbortSignal.abort(reason)).next(), reason)
})

t.test('a file that ends inside its table is corrupt', async t => {
  const image = await open(SMALL)
  const longer = { ...image, header: { ...image.header, tableOffset: image.fileSize - 10 } }
  await t.rejects(readTable(longer), {
    code: 'image_corrupt',
    message: /"\/disk.vdi": the file ends at byte/,
  })
})

t.test('the data of a block is where its entry says, behind the extra bytes', async t => {
  const files = new RecordedFiles()
  const made = await makeImage(files, PATH, { ...SMALL, blockExtra: 512, order: 3, orphans: 1 })
  const { header, file } = await openImage(files, PATH, 'read')
  t.equal(slotSize(header), UNIT + 512)
  const bytes = Buffer.alloc(64)
  for (const [block, slot] of made.slots) {
    await file.read(bytes, blockOffset(header, slot) + UNIT - 64)
    t.strictSame(bytes, patternBytes(Number(SMALL.blocks?.[block]), block, UNIT - 64, 64))
  }
})

t.test('a sound table is counted', async t => {
  t.strictSame(await check(await open(SMALL)), { referenced: 3, orphans: 0, free: 4, zero: 1 })
  const leftover = await open({ ...SMALL, orphans: 2, order: 1 })
  t.strictSame(await check(leftover), { referenced: 3, orphans: 2, free: 4, zero: 1 })
  const full = await open({ ...SMALL, blocks: sameBlocks(8, 1), order: 9 })
  t.strictSame(await check(full), { referenced: 8, orphans: 0, free: 0, zero: 0 })
  t.strictSame(await check(await open({ ...SMALL, blocks: {} })), {
    referenced: 0,
    orphans: 0,
    free: 8,
    zero: 0,
  })
})

t.test('a reference that leads nowhere is corrupt', async t => {
  const made = await makeImage(new RecordedFiles(), PATH, SMALL)
  for (const entry of [3, 4, 0x7fffffff, 0x80000000, 0xfffffffd]) {
    const image = await open(SMALL, files => overwriteEntry(files, made, 4, entry))
    const message = new RegExp(`"/disk.vdi": block 4 refers to physical block ${entry} of 3;`)
    await t.rejects(check(image), { code: 'image_corrupt', message })
  }
})

t.test('two blocks in one place are corrupt, and both are named', async t => {
  const made = await makeImage(new RecordedFiles(), PATH, SMALL)
  const image = await open(SMALL, files => overwriteEntry(files, made, 5, 1))
  await t.rejects(check(image), {
    code: 'image_corrupt',
    message: /blocks 3 and 5 both refer to physical block 1/,
  })
})

t.test('a block behind the end of the file is corrupt', async t => {
  const made = await makeImage(new RecordedFiles(), PATH, SMALL)
  for (const [missing, block] of [
    [1, 6],
    [UNIT, 6],
    [UNIT + 1, 3],
    [3 * UNIT, 0],
  ] as const) {
    const image = await open(SMALL, files => setLength(files, PATH, made.fileSize - missing))
    const message = new RegExp(
      `block ${block} refers to physical block .* the file is ${made.fileSize - missing} bytes`,
    )
    await t.rejects(check(image), { code: 'image_corrupt', message })
  }
})

t.test('a last block may be cut short where the disk ends, and not before', async t => {
  const spec: ImageSpec = {
    ...SMALL,
    capacity: 8 * UNIT - 1024,
    blocks: { 0: 1, 7: 2 },
    shortLastBlock: true,
    blockExtra: 512,
  }
  const image = await open(spec)
  t.equal(image.fileSize, 1001 + 2 * (UNIT + 512) - 1024)
  t.match(await check(image), { referenced: 2 })
  const shorter = await open(spec, files => setLength(files, PATH, image.fileSize - 1))
  await t.rejects(check(shorter), { code: 'image_corrupt', message: /block 7 refers to physical block 1/ })
})

t.test('the end of the file may cut a block that lies behind the end of the disk', async t => {
  const spec: ImageSpec = { ...SMALL, blockCount: 10, blocks: { 0: 1, 9: 2 } }
  const image = await open(spec, files => setLength(files, PATH, 1001 + UNIT))
  t.match(await check(image), { referenced: 2 })
})
