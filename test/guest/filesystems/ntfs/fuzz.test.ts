import t from 'tap'
import type { ByteRange } from '../../../../lib/guest/device.ts'
import { ntfs } from '../../../../lib/guest/filesystems/ntfs/ntfs.ts'
import { fileDevice } from '../../../fixtures/guest/disk_image.ts'
import { fuzz } from '../../../fixtures/guest/fuzz.ts'
import { bytesOf } from '../../../fixtures/guest/image_bytes.ts'
import { attributeAt, NTFS_TOOLS, ntfsImage, placesOf, withNtfs } from '../../../fixtures/guest/ntfs_image.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { randomSeconds } from '../../../fixtures/test_run.ts'

const skip = NTFS_TOOLS
const SECONDS = randomSeconds(1)

t.test('a volume of any bytes is answered soon', { skip }, async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const image = await ntfsImage(t, { mib: 8, clusterSize: 1024 })
  await withNtfs(image, folder => writeTree(folder, seed, { files: 30, largest: 100_000 }))
  const { mft, mirror, recordSize } = await placesOf(image)
  const records = [0, 2, 3, 5, 6, 8].map(record => ({ start: mft + record * recordSize, length: recordSize }))
  const regions: ByteRange[] = [
    { start: 0, length: 512 },
    { start: 0x1e00, length: 512 },
    { start: mirror, length: 4 * recordSize },
    ...records,
    ...(await runListsOf(image, records)),
  ]
  const device = await fileDevice(t, image)
  const outcome = await fuzz({ device, format: ntfs, regions, seed, seconds: SECONDS, hasChecksums: false })
  const { rounds, free, kept, absent } = outcome
  t.comment(`${rounds} rounds: ${free} free, ${kept} kept, ${absent} absent`)
  t.same(outcome.failures, [])
  t.ok(free > 0 && kept > 0, `${free} free, ${kept} kept`)
})

/** Where the run lists of data are in records: the bytes that lead to others. */
async function runListsOf(image: string, records: readonly ByteRange[]): Promise<ByteRange[]> {
  const lists: ByteRange[] = []
  for (const range of records) {
    const record = await bytesOf(image, range)
    for (const [type, name] of [
      [0x80, ''],
      [0x80, '$Bad'],
      [0xa0, '$I30'],
      [0xb0, ''],
    ] as const) {
      const at = attributeOf(record, type, name)
      if (at === undefined || record.readUInt8(at + 8) === 0) continue
      lists.push({ start: range.start + at + record.readUInt16LE(at + 0x20), length: 8 })
    }
  }
  return lists
}

function attributeOf(record: Buffer, type: number, name: string): number | undefined {
  try {
    return attributeAt(record, type, name)
  } catch {
    return undefined
  }
}
