import t from 'tap'
import { exfat } from '../../../../lib/guest/filesystems/exfat/exfat.ts'
import { fileDevice, resizeImage, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import {
  EXFAT_TOOLS,
  type ExfatOptions,
  exfatClusters,
  exfatImage,
  exfatPatient,
  exfatPlaces,
  withExfat,
} from '../../../fixtures/guest/exfat_image.ts'
import { bytesOf } from '../../../fixtures/guest/image_bytes.ts'
import { powerCut } from '../../../fixtures/guest/mount.ts'
import { findsMutation, freeRangesOf, poison } from '../../../fixtures/guest/poison.ts'
import { runTool } from '../../../fixtures/guest/tools.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { freeBlockBytes, wholeBlockBytes } from '../../../fixtures/guest/whole_blocks.ts'
import { seedOfRun } from '../../../fixtures/random.ts'

const skip = EXFAT_TOOLS
const MIB = 2 ** 20

const seed = seedOfRun()
t.comment(`VBOXMERGE_SEED=${seed}`)

const VOLUMES: readonly ExfatOptions[] = [
  { mib: 32, clusterSize: 512 },
  { mib: 40, clusterSize: 4096, prefillSeed: seed },
  { mib: 64, clusterSize: 131072 },
]

for (const options of VOLUMES) {
  t.test(`a volume with clusters of ${options.clusterSize} bytes keeps all its files`, { skip }, async t => {
    const image = await exfatImage(t, options)
    await withExfat(image, folder => writeTree(folder, seed, { files: 60, largest: MIB / 2, plain: true }))
    const device = await fileDevice(t, image)
    const volume = await exfat.probe(device)
    t.match(volume, { kind: 'exfat', label: 'guest', size: device.size, keep: undefined })

    const patient = exfatPatient(t, image)
    const clusters = await exfatClusters(image)
    const poisoned = await poison(t, patient, exfat)
    t.same(poisoned.losses, [])
    t.equal(wholeBlockBytes(poisoned.ranges), freeBlockBytes(clusters), 'all whole blocks that are free')
    const free = clusters.used.filter(used => !used).length
    t.equal(poisoned.freeBytes, free * clusters.clusterSize)
    t.ok(free > 0.3 * clusters.used.length && free < clusters.used.length - 30, `${free} free clusters`)
    const missed = await findsMutation(patient, poisoned, clusters.clusterSize, seed)
    t.ok(missed, 'one cluster more would be missed')
  })
}

t.test('a volume that was mounted when the power failed is kept', { skip }, async t => {
  const image = await exfatImage(t, { mib: 16, clusterSize: 4096 })
  const cut = await withExfat(image, async folder => {
    await writeTree(folder, seed, { files: 10, largest: 100_000, plain: true })
    await runTool('sync', '-f', folder)
    return powerCut(image)
  })
  t.match(await exfat.probe(await fileDevice(t, cut)), {
    label: 'guest',
    keep: { code: 'unclean', found: 'its VolumeFlags are 0x0002: dirty' },
  })
  t.equal((await exfat.probe(await fileDevice(t, image)))?.keep, undefined)
})

t.test('a bitmap in several pieces is read in their order', { skip }, async t => {
  const image = await exfatImage(t, { mib: 40, clusterSize: 512 })
  await withExfat(image, folder => writeTree(folder, seed, { files: 40, largest: MIB / 2, plain: true }))
  const before = await freeRangesOf(await fileDevice(t, image), exfat)
  const { table, heap, bitmap, root, clusters } = await exfatPlaces(image)
  const count = Math.ceil(clusters / 8 / 512)
  t.ok(count > 10, `${count} clusters`)
  // Every other cluster of the bitmap moves behind the last one in use, backwards.
  const used = (await exfatClusters(image)).used
  const first = (bitmap - heap) / 512 + 2
  const chain = Array.from({ length: count }, (_, at) => (at % 2 === 0 ? first + at : clusters - 5 - at))
  const bytes = await bytesOf(image, { start: bitmap, length: count * 512 })
  for (const [at, cluster] of chain.entries()) {
    const next = Buffer.alloc(4)
    next.writeUInt32LE(chain[at + 1] ?? 0xffffffff)
    await writeBytes(image, table + cluster * 4, next)
    if (used[cluster - 2] === false) {
      const index = Math.floor((cluster - 2) / 8)
      bytes[index] = (bytes[index] ?? 0) | (1 << ((cluster - 2) % 8))
    }
  }
  for (const [at, cluster] of chain.entries()) {
    await writeBytes(image, heap + (cluster - 2) * 512, bytes.subarray(at * 512, (at + 1) * 512))
  }
  t.ok(root > 0)
  const after = await freeRangesOf(await fileDevice(t, image), exfat)
  const sum = (ranges: typeof after): number => ranges.reduce((total, { length }) => total + length, 0)
  t.equal(sum(after), sum(before) - Math.floor(count / 2) * 512)
  const poisoned = await poison(t, exfatPatient(t, image), exfat)
  t.same(poisoned.losses, [])
})

t.test('what lies behind the last cluster is kept', { skip }, async t => {
  const image = await exfatImage(t, { mib: 16, clusterSize: 4096 })
  const { heap, clusters } = await exfatPlaces(image)
  await resizeImage(image, 20 * MIB)
  const device = await fileDevice(t, image)
  t.equal((await exfat.probe(device))?.size, 16 * MIB)
  const ranges = await freeRangesOf(device, exfat)
  const last = ranges.at(-1)
  t.ok((ranges[0]?.start ?? 0) >= heap)
  t.equal((last?.start ?? 0) + (last?.length ?? 0), heap + clusters * 4096)
})
