import t from 'tap'
import { fat } from '../../../../lib/guest/filesystems/fat/fat.ts'
import { fileDevice, resizeImage } from '../../../fixtures/guest/disk_image.ts'
import {
  FAT_TOOLS,
  type FatOptions,
  fatClusters,
  fatImage,
  fatPatient,
  fillFat,
} from '../../../fixtures/guest/fat_image.ts'
import { findsMutation, freeRangesOf, poison } from '../../../fixtures/guest/poison.ts'
import { freeBlockBytes, wholeBlockBytes } from '../../../fixtures/guest/whole_blocks.ts'
import { seedOfRun } from '../../../fixtures/random.ts'

const skip = FAT_TOOLS
const MIB = 2 ** 20

const seed = seedOfRun()
t.comment(`VBOXMERGE_SEED=${seed}`)

const VOLUMES: readonly FatOptions[] = [
  // Three quarters of the entries of 12 bits begin or end inside a byte, and some lie across two sectors.
  { mib: 2, bits: 12, options: ['-s', '1'] },
  { mib: 15, bits: 12, options: ['-s', '8'], prefillSeed: seed },
  { mib: 16, bits: 16, options: ['-s', '1', '-a'] },
  { mib: 40, bits: 16, options: ['-s', '4', '-f', '1'], prefillSeed: seed },
  { mib: 48, bits: 32, options: ['-s', '1'], prefillSeed: seed },
  { mib: 48, bits: 32, options: ['-s', '1', '-R', '77', '-a', '-f', '1'] },
  { mib: 264, bits: 32, options: ['-S', '4096', '-s', '1'] },
]

for (const options of VOLUMES) {
  const name = `FAT${options.bits} of ${options.mib} MiB (${options.options?.join(' ')})`
  t.test(`a volume of ${name} keeps all its files`, { skip }, async t => {
    const image = await fatImage(t, options)
    await fillFat(t, image, seed, { files: 60, largest: 4 * Math.floor((options.mib * MIB) / 160) })
    const device = await fileDevice(t, image)
    t.match(await fat.probe(device), { kind: 'vfat', label: 'GUEST', keep: undefined })

    const patient = fatPatient(t, image)
    const clusters = await fatClusters(image)
    const poisoned = await poison(t, patient, fat)
    t.same(poisoned.losses, [])
    t.equal(wholeBlockBytes(poisoned.ranges), freeBlockBytes(clusters), 'all whole blocks that are free')
    const free = clusters.used.filter(used => !used).length
    t.equal(poisoned.freeBytes, free * clusters.clusterSize)
    t.ok(free > 0.4 * clusters.used.length && free < clusters.used.length - 50, `${free} free clusters`)
    const missed = await findsMutation(patient, poisoned, clusters.clusterSize, seed)
    t.ok(missed, 'one cluster more would be missed')
  })
}

t.test('what lies behind the last cluster is kept', { skip }, async t => {
  const image = await fatImage(t, { mib: 16, bits: 16, options: ['-s', '4'] })
  await resizeImage(image, 20 * MIB)
  const device = await fileDevice(t, image)
  t.equal((await fat.probe(device))?.size, 16 * MIB)
  const { start, used, clusterSize } = await fatClusters(image)
  const [range, ...others] = await freeRangesOf(device, fat)
  t.same(others, [])
  t.same(range, { start, length: used.length * clusterSize })
})

t.test('reading the free clusters stops when asked to', { skip }, async t => {
  const image = await fatImage(t, { mib: 16, bits: 16 })
  const volume = await fat.probe(await fileDevice(t, image))
  const reason = new Error('enough')
  await t.rejects(volume?.freeRanges(() => {}, AbortSignal.abort(reason)) ?? Promise.resolve(), reason)
})
