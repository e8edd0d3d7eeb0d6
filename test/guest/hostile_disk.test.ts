// Partition tables and descriptions of logical volumes with changed bytes: nothing crashes, nothing in use is free.
import t from 'tap'
import { crc32 } from '../../lib/guest/checksums/crc32.ts'
import type { Format } from '../../lib/guest/file_system.ts'
import { findFreeSpace } from '../../lib/guest/free_space.ts'
import { fileDevice, makeDiskImage } from '../fixtures/guest/disk_image.ts'
import { type FuzzOptions, fuzz, type OverlayDevice } from '../fixtures/guest/fuzz.ts'
import { ext4, install, swapSpace } from '../fixtures/guest/layout.ts'
import { withLvm } from '../fixtures/guest/lvm.ts'
import { partitionDisk } from '../fixtures/guest/partition_disk.ts'
import { requireTools } from '../fixtures/guest/tools.ts'
import { seedOfRun } from '../fixtures/random.ts'
import { randomSeconds } from '../fixtures/test_run.ts'

const skip = requireTools('root', 'losetup', 'sfdisk', 'mkfs.ext4', 'mkswap', 'lvcreate', 'pvcreate')
const MIB = 2 ** 20
const BLOCK = 2 ** 16
const CRC_START = 0xf597a6cf
const seconds = randomSeconds(1)

type Test = Parameters<typeof makeDiskImage>[0]

/** A whole disk as a format: its free blocks are its free ranges. */
const wholeDisk: Format = {
  kind: 'disk',
  probe: async device => ({
    kind: 'disk',
    label: undefined,
    size: device.size,
    freeBytes: undefined,
    keep: undefined,
    freeRanges: async found => {
      const { disks } = await findFreeSpace([{ device, blockSize: BLOCK }])
      for (let block = 0; block * BLOCK < device.size; block++) {
        if (disks[0]?.isFree(block)) found(block * BLOCK, Math.min(BLOCK, device.size - block * BLOCK))
      }
    },
  }),
}

async function survives(
  t: Test & { comment(text: string): void },
  options: Partial<FuzzOptions> & { image: string },
): Promise<{
  readonly failures: readonly string[]
  readonly rounds: number
}> {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const outcome = await fuzz({
    device: await fileDevice(t, options.image),
    format: wholeDisk,
    regions: [],
    seed,
    seconds,
    hasChecksums: true,
    ...options,
  })
  t.comment(JSON.stringify(outcome))
  return outcome
}

t.test('whatever an MBR says, blocks in use are kept', { skip }, async t => {
  const image = await makeDiskImage(t, 64)
  await partitionDisk(image, 'label: dos\n1M,20M,L,*\n21M,,Ex\n22M,20M,L\n43M,10M,82\n')
  await install(image, [
    { part: { start: MIB, length: 20 * MIB }, kind: ext4 },
    { part: { start: 22 * MIB, length: 20 * MIB }, kind: ext4 },
    { part: { start: 43 * MIB, length: 10 * MIB }, kind: swapSpace },
  ])
  const ebr = 21 * MIB
  const regions = [440, ebr + 440, 42 * MIB + 440].map(start => ({ start, length: 72 }))
  const outcome = await survives(t, { image, regions })
  t.same(outcome.failures, [])
  t.ok(outcome.rounds > 20)
})

t.test('whatever a GPT says, blocks in use are kept', { skip }, async t => {
  const image = await makeDiskImage(t, 64)
  await partitionDisk(
    image,
    'label: gpt\nstart=1MiB,size=20MiB\nstart=21MiB,size=20MiB\nstart=41MiB,size=10MiB\n',
  )
  await install(image, [
    { part: { start: MIB, length: 20 * MIB }, kind: ext4 },
    { part: { start: 41 * MIB, length: 10 * MIB }, kind: swapSpace },
  ])
  const size = 64 * MIB
  const regions = [
    { start: 440, length: 72 },
    { start: 512, length: 92 },
    { start: 1024, length: 512 },
    { start: size - 512, length: 92 },
    { start: size - 33 * 512, length: 512 },
  ]
  const outcome = await survives(t, { image, regions })
  t.same(outcome.failures, [])
  t.ok(outcome.rounds > 20)
})

async function lvmDisk(t: Test): Promise<string> {
  const group = `vboxmerge${process.pid}`
  const image = await makeDiskImage(t, 64)
  await withLvm([{ image }], async lvm => {
    await lvm.run('pvcreate', '-q', ...lvm.loops)
    await lvm.run('vgcreate', '-q', group, ...lvm.loops)
    await lvm.create('-L', '20M', '-n', 'root', group)
    await lvm.create('-L', '8M', '-n', 'swap', group)
  })
  await install(image, [
    { part: { start: MIB, length: 20 * MIB }, kind: ext4 },
    { part: { start: 21 * MIB, length: 8 * MIB }, kind: swapSpace },
  ])
  return image
}

const AREA = 4096

/** Where the description of the group lies that counts. */
async function textOf(overlay: Pick<OverlayDevice, 'bytes'>): Promise<{ start: number; length: number }> {
  const view = new DataView((await overlay.bytes(AREA, 512)).buffer)
  return { start: AREA + Number(view.getBigUint64(40, true)), length: Number(view.getBigUint64(48, true)) }
}

/** Makes all sums of a physical volume right. */
async function resealLvm(overlay: OverlayDevice): Promise<void> {
  const { start, length } = await textOf(overlay)
  const header = await overlay.bytes(AREA, 512)
  const view = new DataView(header.buffer)
  if (start + length <= overlay.size && length < MIB) {
    view.setUint32(56, crc32(await overlay.bytes(start, length), CRC_START), true)
  }
  view.setUint32(0, crc32(header.subarray(4), CRC_START), true)
  overlay.write(AREA, header)
  const label = await overlay.bytes(512, 512)
  new DataView(label.buffer).setUint32(16, crc32(label.subarray(20), CRC_START), true)
  overlay.write(512, label)
}

t.test('whatever metadata of LVM2 say, blocks in use are kept', { skip }, async t => {
  const image = await lvmDisk(t)
  const device = await fileDevice(t, image)
  const bytes = async (position: number, length: number): Promise<Uint8Array> => {
    const buffer = new Uint8Array(length)
    await device.read(buffer, position)
    return buffer
  }
  const regions = [{ start: 512, length: 512 }, { start: AREA, length: 512 }, await textOf({ bytes })]
  const outcome = await survives(t, { image, regions })
  t.same(outcome.failures, [])
  t.ok(outcome.rounds > 20)
  // With right sums what they say counts; it has to make sense all the same.
  const resealed = await survives(t, { image, regions, reseal: resealLvm })
  t.same(resealed.failures, [])
  t.ok(resealed.rounds > 20)
})
