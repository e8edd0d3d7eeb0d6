import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ntfs } from '../../../../lib/guest/filesystems/ntfs/ntfs.ts'
import { decodeRuns } from '../../../../lib/guest/filesystems/ntfs/run_list.ts'
import { fileDevice, resizeImage, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import {
  attributeAt,
  editRecord,
  NTFS_TOOLS,
  type NtfsOptions,
  ntfsClusters,
  ntfsImage,
  ntfsPatient,
  placesOf,
  replaceRunList,
  withNtfs,
} from '../../../fixtures/guest/ntfs_image.ts'
import { findsMutation, freeRangesOf, type Poisoned, poison } from '../../../fixtures/guest/poison.ts'
import { runTool } from '../../../fixtures/guest/tools.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { freeBlockBytes, wholeBlockBytes } from '../../../fixtures/guest/whole_blocks.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { some } from '../../../fixtures/test_run.ts'

const skip = NTFS_TOOLS
const MIB = 2 ** 20

const seed = seedOfRun()
t.comment(`VBOXMERGE_SEED=${seed}`)

/** Poisons what is free, compares how much that is with what ntfscat says, and shows that a loss would be seen. */
async function survives(t: Test, image: string): Promise<Poisoned> {
  const poisoned = await poisonedWithoutLoss(t, image)
  const { clusterSize } = await placesOf(image)
  const missed = await findsMutation(ntfsPatient(image), poisoned, clusterSize, seed)
  t.ok(missed, 'one cluster more would be missed')
  return poisoned
}

async function poisonedWithoutLoss(t: Test, image: string): Promise<Poisoned> {
  const patient = ntfsPatient(image)
  const clusters = await ntfsClusters(image)
  const bound = freeBlockBytes(clusters)
  const poisoned = await poison(t, patient, ntfs)
  t.same(poisoned.losses, [])
  t.equal(wholeBlockBytes(poisoned.ranges), bound, 'gives back all whole blocks that are free, and no more')
  t.equal(poisoned.freeBytes, clusters.used.filter(used => !used).length * clusters.clusterSize)
  return poisoned
}

const VOLUMES: readonly NtfsOptions[] = [
  { mib: 48, clusterSize: 512 },
  { mib: 48, clusterSize: 4096, prefillSeed: seed },
  { mib: 64, clusterSize: 65536 },
  { mib: 128, clusterSize: 2 * MIB },
  { mib: 48, clusterSize: 8192, sectorSize: 4096 },
]

for (const options of some(VOLUMES, 2)) {
  const name = `clusters of ${options.clusterSize} bytes, sectors of ${options.sectorSize ?? 512}`
  t.test(`a volume with ${name} keeps all its files`, { skip }, async t => {
    const image = await ntfsImage(t, options)
    await withNtfs(image, folder =>
      writeTree(folder, seed, { files: options.clusterSize > MIB ? 15 : 60, largest: MIB }),
    )
    const device = await fileDevice(t, image)
    const volume = await ntfs.probe(device)
    t.match(volume, { kind: 'ntfs', label: 'guest', size: device.size, keep: undefined })
    const { freeBytes } = await survives(t, image)
    t.ok(freeBytes > (options.mib / 3) * MIB, `${freeBytes} bytes`)
  })
}

t.test('an MFT in so many pieces that it needs an attribute list is read to its end', { skip }, async t => {
  const image = await ntfsImage(t, { mib: 9, clusterSize: 512 })
  await withNtfs(image, async folder => {
    await fillUp(join(folder, 'small'))
    for (let at = 0; at < 500; at++) await writeFile(join(folder, `${at}`), '')
    // In the root directory, behind hundreds of names, and in a late record.
    await writeFile(join(folder, 'HiberFil.sys'), Buffer.alloc(4096))
  })
  const { stdout } = await runTool('ntfsinfo', '-f', '-i', '0', image)
  t.match(stdout, /ATTRIBUTE_LIST/)
  t.match(stdout, /\$DATA \(0x80\) from mft record 15/)
  await poisonedWithoutLoss(t, image)

  await withNtfs(image, folder => writeFile(join(folder, 'HiberFil.sys'), 'hibr'.padEnd(4096, ' ')))
  t.match(await ntfs.probe(await fileDevice(t, image)), { keep: { code: 'hibernated', wholeDisk: true } })
})

t.test('a $Bitmap in many pieces is read in their order', { skip }, async t => {
  const image = await ntfsImage(t, { mib: 256, clusterSize: 512 })
  await withNtfs(image, folder => writeTree(folder, seed, { files: 40, largest: MIB }))
  await scatterBitmap(image, 64)
  await survives(t, image)
})

t.test('what lies behind the last cluster is kept', { skip }, async t => {
  const image = await ntfsImage(t, { mib: 33, clusterSize: 65536 })
  await resizeImage(image, 40 * MIB)
  const device = await fileDevice(t, image)
  t.equal((await ntfs.probe(device))?.size, 33 * MIB)
  const last = (await freeRangesOf(device, ntfs)).at(-1)
  // The last sector is the backup boot sector, so its cluster is not a whole one.
  t.equal((last?.start ?? 0) + (last?.length ?? 0), 33 * MIB - 65536)
})

t.test('a device that does not begin as NTFS does is another thing', async t => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), Buffer.alloc(MIB), Buffer.alloc(4096, 0xff)]) {
    t.equal(
      await ntfs.probe({
        size: bytes.length,
        read: async (buffer, at) => void buffer.set(bytes.subarray(at, at + buffer.length)),
      }),
      undefined,
    )
  }
})

t.test('reading the free clusters stops when asked to', { skip }, async t => {
  const image = await ntfsImage(t, { mib: 16, clusterSize: 4096 })
  const volume = await ntfs.probe(await fileDevice(t, image))
  const reason = new Error('enough')
  await t.rejects(volume?.freeRanges(() => {}, AbortSignal.abort(reason)) ?? Promise.resolve(), reason)
})

/** Fills a volume with files of two clusters and empties every other; so no MFT record becomes free. */
async function fillUp(folder: string): Promise<void> {
  await mkdir(folder)
  let count = 0
  await untilFull(() => writeFile(join(folder, `${count++}`), Buffer.alloc(1000, count)))
  for (let at = 0; at < count - 1; at += 2) await truncate(join(folder, `${at}`))
}

async function untilFull(write: () => Promise<void>): Promise<void> {
  try {
    for (;;) await write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

/** Moves each piece of $Bitmap to a place of its own, which no program at hand does. */
async function scatterBitmap(image: string, pieces: number): Promise<void> {
  const { clusterSize, used: before } = await ntfsClusters(image)
  const used = [...before]
  const size = Math.ceil(used.length / 8)
  const count = Math.ceil(size / clusterSize)
  const perPiece = Math.floor(count / pieces)
  const free = used.flatMap((isUsed, at) => (isUsed ? [] : [at]))
  const places = Array.from(
    { length: pieces },
    (_, at) => free[Math.floor((free.length * (pieces - at - 0.5)) / pieces)] ?? 0,
  )
  const lengths = places.map((_, at) => (at < pieces - 1 ? perPiece : count - perPiece * (pieces - 1)))
  await editRecord(image, 6, record => {
    const at = attributeAt(record, 0x80)
    const listAt = at + record.readUInt16LE(at + 0x20)
    const extent = { lowest: 0, highest: count - 1 }
    for (const { lcn = 0, count } of decodeRuns(record.subarray(listAt), extent, used.length, '$Bitmap')) {
      used.fill(false, lcn, lcn + count)
    }
    const list: number[] = []
    for (const [index, lcn] of places.entries()) {
      const offset = Buffer.alloc(4)
      offset.writeInt32LE(lcn - (places[index - 1] ?? 0))
      list.push(0x42, (lengths[index] ?? 0) % 256, Math.floor((lengths[index] ?? 0) / 256), ...offset)
    }
    replaceRunList(record, at, list)
  })
  for (const [index, lcn] of places.entries()) used.fill(true, lcn, lcn + (lengths[index] ?? 0))
  const bits = Buffer.alloc(count * clusterSize, 0xff)
  for (const [at, isUsed] of used.entries())
    if (!isUsed) bits[at >> 3] = (bits[at >> 3] ?? 0) & ~(1 << (at & 7))
  let done = 0
  for (const [index, lcn] of places.entries()) {
    const bytes = (lengths[index] ?? 0) * clusterSize
    await writeBytes(image, lcn * clusterSize, bits.subarray(done, done + bytes))
    done += bytes
  }
}
