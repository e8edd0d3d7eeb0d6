import { rm, writeFile } from 'node:fs/promises'
import t from 'tap'
import type { BlockDevice, ByteRange } from '../../../../lib/guest/device.ts'
import { btrfs } from '../../../../lib/guest/filesystems/btrfs/btrfs.ts'
import {
  HEADER,
  POINTER,
  SB,
  SUPER_OFFSET,
  SUPER_SIZE,
} from '../../../../lib/guest/filesystems/btrfs/layout.ts'
import { reseal, SUPERBLOCK } from '../../../fixtures/btrfs_blocks.ts'
import { BTRFS_TOOLS } from '../../../fixtures/btrfs_images.ts'
import { fileDevice, makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { fuzz, overlayDevice } from '../../../fixtures/guest/fuzz.ts'
import { kernelMounts, withMount } from '../../../fixtures/guest/mount.ts'
import { freeRangesOf } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { budgetMs } from '../../../fixtures/test_run.ts'

const skip =
  requireTools(...BTRFS_TOOLS) || (kernelMounts('btrfs') ? false : 'needs a kernel that mounts Btrfs')

const seed = seedOfRun()

t.setTimeout(600_000)

for (const { name, isResealed } of [
  { name: 'damage shows in a checksum', isResealed: false },
  { name: 'checksums are right again', isResealed: true },
]) {
  t.test(`Btrfs that is changed at random harms no one when ${name}`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const device = await fileDevice(t, await makeImage(t))
    const regions = await regionsOf(device)
    t.ok(regions.length > 8, 'there are trees with levels')
    const outcome = await fuzz({
      device,
      format: btrfs,
      regions,
      seed,
      seconds: budgetMs(1) / 1000,
      hasChecksums: true,
      ...(isResealed
        ? {
            reseal: async overlay => {
              for (const { start, length } of regions) {
                const block = await overlay.bytes(start, length)
                reseal(block)
                overlay.write(start, block)
              }
            },
          }
        : {}),
    })
    t.comment(JSON.stringify({ ...outcome, failures: undefined }))
    t.same(outcome.failures, [])
    t.ok(outcome.kept > 30, `${outcome.kept} of ${outcome.rounds} rounds were kept`)
  })
}

t.test('Btrfs: a tree that names a node twice, or itself, is read but once', { skip }, async t => {
  const device = await fileDevice(t, await makeImage(t))
  const overlay = overlayDevice(device)
  let nodes = 0
  for (const { start, length } of await regionsOf(device)) {
    const node = await overlay.bytes(start, length)
    const view = new DataView(node.buffer)
    if (start === SUPER_OFFSET || view.getUint8(HEADER.level) === 0) continue
    nodes++
    const own = view.getBigUint64(HEADER.bytenr, true)
    const first = view.getBigUint64(HEADER.size + POINTER.blockptr, true)
    for (const named of [own, first]) {
      view.setBigUint64(HEADER.size + POINTER.size + POINTER.blockptr, named, true)
      reseal(node)
      overlay.reset()
      await overlay.bytes(start, length)
      overlay.write(start, node)
      const error = await freeRangesOf(overlay, btrfs).catch((error: unknown) => error)
      t.match(error, { reason: { code: 'damaged' } }, `node ${own} names ${named}`)
      t.ok(overlay.reads < 500, `${overlay.reads} reads`)
    }
  }
  t.ok(nodes > 0, 'there are nodes that name others')
})

t.test('Btrfs: a superblock that claims whatever it can costs nothing', { skip }, async t => {
  const device = await fileDevice(t, await makeImage(t))
  const head = new Uint8Array(SUPER_SIZE)
  await device.read(head, SUPERBLOCK.at)
  const view = new DataView(head.buffer)
  view.setBigUint64(SB.dev_item + 8, 2n ** 52n, true)
  view.setBigUint64(SB.total_bytes, 2n ** 52n, true)
  reseal(head)
  let bytes = 0
  const huge: BlockDevice = {
    size: 2 ** 52,
    read: async (buffer, position) => {
      bytes += buffer.length
      buffer.fill(0)
      if (position === SUPER_OFFSET) buffer.set(head.subarray(0, buffer.length))
    },
  }
  t.match(await btrfs.probe(huge), { size: 2 ** 52, keep: { code: 'damaged', found: /wrong checksum/ } })
  t.ok(bytes < 2 ** 17, `${bytes} bytes were read`)
  t.equal(await btrfs.probe({ size: 0, read: huge.read }), undefined)
})

t.test('Btrfs: reading stops when the caller wants it to', { skip }, async t => {
  const found = await btrfs.probe(await fileDevice(t, await makeImage(t)))
  const reason = new Error('enough')
  await t.rejects(found?.freeRanges(() => {}, AbortSignal.abort(reason)) ?? Promise.resolve(), reason)
})

/** Makes a file system whose extent tree has levels. */
async function makeImage(t: Parameters<typeof makeDiskImage>[0]): Promise<string> {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.btrfs', '-q', '-f', '-K', '-n', '4096', '-m', 'single', image)
  await withMount(image, { type: 'btrfs', options: 'max_inline=0' }, async folder => {
    for (let number = 0; number < 400; number++) await writeFile(`${folder}/${number}`, `number ${number}`)
    await runTool('sync', '-f', folder)
    for (let number = 0; number < 400; number += 3) await rm(`${folder}/${number}`)
  })
  return image
}

/** Returns what the format reads but for copies of the superblock: that and all nodes. */
async function regionsOf(device: BlockDevice): Promise<ByteRange[]> {
  const regions = new Map<number, ByteRange>()
  const read = (buffer: Uint8Array, start: number): Promise<void> => {
    if (start !== 2 ** 26) regions.set(start, { start, length: buffer.length })
    return device.read(buffer, start)
  }
  await freeRangesOf({ size: device.size, read }, btrfs)
  return [...regions.values()]
}
