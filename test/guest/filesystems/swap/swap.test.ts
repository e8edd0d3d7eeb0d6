import t from 'tap'
import type { BlockDevice } from '../../../../lib/guest/device.ts'
import { swap } from '../../../../lib/guest/filesystems/swap/swap.ts'
import { fileDevice, makeDiskImage, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { fuzz, overlayDevice } from '../../../fixtures/guest/fuzz.ts'
import { freeRangesOf, poison } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { randomSeconds } from '../../../fixtures/test_run.ts'

const skip = requireTools('mkswap', 'swaplabel', 'blkid')
const MIB = 2 ** 20

async function swapImage(t: Parameters<typeof makeDiskImage>[0], pageSize: number): Promise<string> {
  const image = await makeDiskImage(t, 8, { prefillSeed: 5 })
  await runTool('mkswap', '-q', '-L', 'my swap', '-p', String(pageSize), image)
  return image
}

/** What the tools of a guest see of it. */
async function seenBy(image: string): Promise<ReadonlyMap<string, string>> {
  const blkid = await runTool('blkid', '-p', image)
  const label = await runTool('swaplabel', image).catch((error: Error) => ({ stdout: error.message }))
  return new Map([
    ['blkid', blkid.stdout],
    ['swaplabel', label.stdout],
  ])
}

t.test('of swap space only the first page is needed, however large pages are', { skip }, async t => {
  for (const pageSize of [4096, 8192, 16384, 32768, 65536]) {
    const image = await swapImage(t, pageSize)
    const found = await swap.probe(await fileDevice(t, image))
    t.match(found, { kind: 'swap', label: 'my swap', size: 8 * MIB, keep: undefined })
    const patient = { image, check: seenBy, hash: seenBy }
    const { losses, ranges } = await poison(t, patient, swap)
    t.same(losses, [])
    t.same(ranges, [{ start: pageSize, length: 8 * MIB - pageSize }])
    await runTool(
      'dd',
      'if=/dev/zero',
      `of=${image}`,
      `bs=${pageSize}`,
      'count=1',
      'conv=notrunc',
      'status=none',
    )
    await t.rejects(seenBy(image), 'the page that is kept is what they look at')
  }
})

t.test('what lies behind the end of the swap space is kept', { skip }, async t => {
  const image = await makeDiskImage(t, 8)
  await runTool('mkswap', '-q', image, String(5 * 1024))
  t.same(await freeRangesOf(await fileDevice(t, image), swap), [{ start: 4096, length: 5 * MIB - 4096 }])
})

t.test('swap space in which a guest sleeps keeps the whole disk', { skip }, async t => {
  const image = await swapImage(t, 4096)
  for (const mark of ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001']) {
    await writeBytes(image, 4086, new TextEncoder().encode(mark))
    const found = await swap.probe(await fileDevice(t, image))
    t.match(found?.keep, { code: 'hibernated', wholeDisk: true }, mark)
  }
  await writeBytes(image, 4086, new TextEncoder().encode('SWAPSPACE2'))
  await writeBytes(image, 0, Uint8Array.from([0xed, 0xc3, 0x02, 0xe9, 0x98, 0x56, 0xe5, 0x0c]))
  const found = await swap.probe(await fileDevice(t, image))
  t.match(found?.keep, { code: 'hibernated', wholeDisk: true }, 'TuxOnIce')
})

t.test('a header that says something else is left alone', { skip }, async t => {
  const image = await swapImage(t, 4096)
  const overlay = overlayDevice(await fileDevice(t, image))
  const keepAfter = async (position: number, bytes: readonly number[] | string): Promise<unknown> => {
    overlay.reset()
    await overlay.bytes(position, bytes.length)
    overlay.write(
      position,
      typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes),
    )
    return (await swap.probe(overlay))?.keep
  }
  t.match(await keepAfter(4086, 'SWAP-SPACE'), { code: 'unsupported_feature' })
  t.match(await keepAfter(1024, [2]), { code: 'unsupported_feature', found: /version 2/ })
  t.match(await keepAfter(1028, [0, 8, 0, 0]), { code: 'damaged' }, 'one page more than there is')
  t.match(await keepAfter(1028, [0, 0, 0, 0]), { code: 'damaged' })
  t.match(await keepAfter(1028, [255, 255, 255, 255]), { code: 'damaged' })
  t.match(await keepAfter(65526, 'SWAPSPACE2'), { code: 'ambiguous' })
  t.equal(await keepAfter(4086, [0]), undefined)
})

t.test('a device that is too short for swap space has none', async t => {
  for (const size of [0, 1, 4085, 4096, 5000]) {
    const device: BlockDevice = { size, read: async buffer => void buffer.fill(0) }
    t.equal(await swap.probe(device), undefined)
  }
})

t.test('whatever a header is, it is dealt with', { skip }, async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const device = await fileDevice(t, await swapImage(t, 4096))
  const seconds = randomSeconds(1)
  const regions = [
    { start: 1024, length: 16 },
    { start: 4080, length: 32 },
  ]
  const outcome = await fuzz({ device, format: swap, regions, seed, seconds, hasChecksums: false })
  t.same(outcome.failures, [])
  t.ok(outcome.rounds > 100, JSON.stringify(outcome))
})
