import t from 'tap'
import { fat } from '../../../../lib/guest/filesystems/fat/fat.ts'
import { fileDevice } from '../../../fixtures/guest/disk_image.ts'
import { FAT_TOOLS, fatImage, fatTables, fillFat } from '../../../fixtures/guest/fat_image.ts'
import { fuzz } from '../../../fixtures/guest/fuzz.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { randomSeconds } from '../../../fixtures/test_run.ts'

const skip = FAT_TOOLS
const SECONDS = randomSeconds(0.5)

const seed = seedOfRun()
t.comment(`VBOXMERGE_SEED=${seed}`)

for (const [bits, mib] of [
  [12, 2],
  [16, 16],
  [32, 40],
] as const) {
  t.test(`a volume of FAT${bits} of any bytes is answered soon`, { skip }, async t => {
    const image = await fatImage(t, { mib, bits, options: ['-s', '1'] })
    await fillFat(t, image, seed, { files: 20, largest: 20_000 })
    const { first, size } = await fatTables(image)
    const device = await fileDevice(t, image)
    const regions = [
      { start: 0, length: 90 },
      { start: 0, length: 512 },
      { start: first, length: 64 },
      { start: first + size, length: 64 },
      ...(bits === 32 ? [{ start: 512, length: 512 }] : []),
    ]
    const outcome = await fuzz({ device, format: fat, regions, seed, seconds: SECONDS, hasChecksums: false })
    const { rounds, free, kept, absent } = outcome
    t.comment(`${rounds} rounds: ${free} free, ${kept} kept, ${absent} absent`)
    t.same(outcome.failures, [])
    t.ok(free > 0 && kept > 0 && absent > 0, `${free} free, ${kept} kept, ${absent} absent`)
  })
}
