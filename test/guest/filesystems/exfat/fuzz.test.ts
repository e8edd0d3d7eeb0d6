import t from 'tap'
import { exfat } from '../../../../lib/guest/filesystems/exfat/exfat.ts'
import { fileDevice } from '../../../fixtures/guest/disk_image.ts'
import {
  EXFAT_TOOLS,
  exfatImage,
  exfatPlaces,
  sealBootRegion,
  withExfat,
} from '../../../fixtures/guest/exfat_image.ts'
import { type FuzzOptions, fuzz } from '../../../fixtures/guest/fuzz.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { randomSeconds } from '../../../fixtures/test_run.ts'

const skip = EXFAT_TOOLS
const SECONDS = randomSeconds(0.5)

const seed = seedOfRun()
t.comment(`VBOXMERGE_SEED=${seed}`)

/** Makes the checksum right, so that what is behind it is reached. */
const reseal: FuzzOptions['reseal'] = async overlay => {
  const region = Buffer.from(await overlay.bytes(0, 12 * 512))
  sealBootRegion(region)
  overlay.write(0, region)
}

t.test('a volume of any bytes is answered soon, whether or not its checksum is right', { skip }, async t => {
  const image = await exfatImage(t, { mib: 16, clusterSize: 4096 })
  await withExfat(image, folder => writeTree(folder, seed, { files: 20, largest: 50_000, plain: true }))
  const { root, table, upcaseTable } = await exfatPlaces(image)
  const device = await fileDevice(t, image)
  const boot = [{ start: 0x40, length: 0x40 }]
  const others = [
    { start: root, length: 96 },
    { start: table, length: 64 },
    { start: upcaseTable, length: 64 },
  ]
  const common = { device, format: exfat, seed, seconds: SECONDS }
  const sealed = await fuzz({ ...common, regions: [...boot, ...others], hasChecksums: false, reseal })
  t.comment(`${sealed.rounds} rounds: ${sealed.free} free, ${sealed.kept} kept, ${sealed.absent} absent`)
  t.same(sealed.failures, [])
  t.ok(sealed.free > 0 && sealed.kept > 0)
  // Whatever becomes of the boot region, nothing in use is called free.
  const unsealed = await fuzz({ ...common, regions: [{ start: 0, length: 11 * 512 }], hasChecksums: true })
  t.comment(
    `${unsealed.rounds} rounds: ${unsealed.free} free, ${unsealed.kept} kept, ${unsealed.absent} absent`,
  )
  t.same(unsealed.failures, [])
  t.ok(unsealed.kept > 0)
})
