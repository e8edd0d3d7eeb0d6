import t from 'tap'
import { crc32c } from '../../../../lib/guest/checksums/crc32c.ts'
import type { BlockDevice, ByteRange } from '../../../../lib/guest/device.ts'
import { AGF, AGFL, AGI, BTREE, SB } from '../../../../lib/guest/filesystems/xfs/layout.ts'
import { xfs } from '../../../../lib/guest/filesystems/xfs/xfs.ts'
import { fileDevice, makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { fuzz, type OverlayDevice } from '../../../fixtures/guest/fuzz.ts'
import { kernelMounts, withMount } from '../../../fixtures/guest/mount.ts'
import { freeRangesOf } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { budgetMs } from '../../../fixtures/test_run.ts'
import { makeHoles, XFS_TOOLS } from '../../../fixtures/xfs_images.ts'

const skip = requireTools(...XFS_TOOLS) || (kernelMounts('xfs') ? false : 'needs a kernel that mounts XFS')

const seed = seedOfRun()

t.setTimeout(600_000)

const BLOCK = 1024

/** Superblock, AGF, AGI and AGFL. */
const HEADS = 4 * 512

for (const { name, isResealed } of [
  { name: 'damage shows in a checksum', isResealed: false },
  { name: 'checksums are right again', isResealed: true },
]) {
  t.test(`XFS that is changed at random harms no one when ${name}`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const image = await makeDiskImage(t, 300)
    await runTool('mkfs.xfs', '-q', '-f', '-b', `size=${BLOCK}`, image)
    await withMount(image, { type: 'xfs' }, folder => makeHoles(`${folder}/holes`, 2000, BLOCK))
    await shortenLog(image)
    const device = await fileDevice(t, image)
    const regions = await regionsOf(device)
    const outcome = await fuzz({
      device,
      format: xfs,
      regions,
      seed,
      seconds: budgetMs(1) / 1000,
      hasChecksums: true,
      ...(isResealed ? { reseal: overlay => reseal(overlay, regions) } : {}),
    })
    t.comment(JSON.stringify({ ...outcome, failures: undefined }))
    t.same(outcome.failures, [])
    t.ok(outcome.kept > 30, `${outcome.kept} of ${outcome.rounds} rounds were kept`)
  })
}

t.test('XFS of version 4, without checksums, that is changed at random harms no one', { skip }, async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', '-m', 'crc=0', '-b', `size=${BLOCK}`, image)
  await shortenLog(image)
  const device = await fileDevice(t, image)
  const regions = await regionsOf(device)
  const seconds = budgetMs(1) / 1000
  const outcome = await fuzz({ device, format: xfs, regions, seed, seconds, hasChecksums: false })
  t.comment(JSON.stringify({ ...outcome, failures: undefined }))
  t.same(outcome.failures, [])
  t.ok(outcome.kept > 30, `${outcome.kept} of ${outcome.rounds} rounds were kept`)
})

t.test('XFS: a tree that names a block twice, or itself, is read but once', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', '-b', `size=${BLOCK}`, image)
  await withMount(image, { type: 'xfs' }, folder => makeHoles(`${folder}/holes`, 4000, BLOCK))
  const { stdout } = await runTool(
    'xfs_db',
    '-r',
    '-f',
    '-c',
    'agf 0',
    '-c',
    'p bnoroot',
    '-c',
    'addr bnoroot',
    '-c',
    'p ptrs[1]',
    image,
  )
  const [root, child] = [...stdout.matchAll(/(?:= |1:)(\d+)/g)].map(([, number]) => number)
  for (const block of [root, child]) {
    await runTool(
      'xfs_db',
      '-x',
      '-f',
      '-c',
      'agf 0',
      '-c',
      'addr bnoroot',
      '-c',
      `write -d ptrs[2] ${block}`,
      image,
    )
    const counts = { reads: 0 }
    const device = await fileDevice(t, image)
    const counted: BlockDevice = {
      size: device.size,
      read: (buffer, position) => {
        counts.reads++
        return device.read(buffer, position)
      },
    }
    const error = await freeRangesOf(counted, xfs).catch((error: unknown) => error)
    t.match(error, { reason: { code: 'damaged' } }, `block ${block} twice`)
    t.ok(counts.reads < 200, `${counts.reads} reads`)
  }
})

t.test('XFS: groups without number on a disk without end cost nothing', async t => {
  const head = new Uint8Array(512)
  const view = new DataView(head.buffer)
  head.set(new TextEncoder().encode('XFSB'))
  view.setUint32(SB.sb_blocksize, 4096)
  view.setUint8(SB.sb_blocklog, 12)
  view.setUint16(SB.sb_sectsize, 512)
  view.setUint8(SB.sb_sectlog, 9)
  view.setUint16(SB.sb_versionnum, 0xb4a4)
  view.setUint32(SB.sb_features2, 0x8a)
  view.setUint32(SB.sb_agblocks, 64)
  view.setUint8(SB.sb_agblklog, 6)
  view.setUint32(SB.sb_agcount, 2 ** 32 - 1)
  view.setBigUint64(SB.sb_dblocks, 64n * (2n ** 32n - 1n))
  view.setBigUint64(SB.sb_logstart, 8n)
  view.setUint32(SB.sb_logblocks, 32)
  let bytes = 0
  const device: BlockDevice = {
    size: 2 ** 52,
    read: async (buffer, position) => {
      bytes += buffer.length
      buffer.fill(0)
      if (position === 0) buffer.set(head.subarray(0, buffer.length))
    },
  }
  t.match(await xfs.probe(device), {
    size: 64 * (2 ** 32 - 1) * 4096,
    keep: { found: 'its log has no record' },
  })
  t.ok(bytes < 2 ** 20, `${bytes} bytes were read`)
  t.equal(await xfs.probe({ size: 0, read: device.read }), undefined)
})

t.test('XFS: reading stops when the caller wants it to', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', image)
  const found = await xfs.probe(await fileDevice(t, image))
  const reason = new Error('enough')
  await t.rejects(found?.freeRanges(() => {}, AbortSignal.abort(reason)) ?? Promise.resolve(), reason)
})

/** Makes the log of a file system, which begins with its only record, so short that rounds take no time. */
async function shortenLog(image: string): Promise<void> {
  await runTool('xfs_admin', '-U', 'generate', image)
  await runTool('xfs_db', '-x', '-f', '-c', 'sb 0', '-c', 'write -d logblocks 64', image)
}

/** Returns what the format reads: heads and trees whole, of the log the start. */
async function regionsOf(device: BlockDevice): Promise<ByteRange[]> {
  const regions = new Map<number, ByteRange>()
  const read = (buffer: Uint8Array, start: number): Promise<void> => {
    regions.set(start, { start, length: Math.min(buffer.length, 4096) })
    return device.read(buffer, start)
  }
  await freeRangesOf({ size: device.size, read }, xfs)
  return [...regions.values()]
}

async function reseal(overlay: OverlayDevice, regions: readonly ByteRange[]): Promise<void> {
  for (const { start, length } of regions) {
    if (start === 0) await resealAt(overlay, 0, 512, SB.sb_crc)
    if (length === BLOCK) await resealAt(overlay, start, BLOCK, BTREE.bb_crc)
    if (length !== HEADS) continue
    await resealAt(overlay, start + 512, 512, AGF.agf_crc)
    await resealAt(overlay, start + 1024, 512, AGI.agi_crc)
    await resealAt(overlay, start + 1536, 512, AGFL.agfl_crc)
  }
}

async function resealAt(overlay: OverlayDevice, start: number, length: number, at: number): Promise<void> {
  const bytes = await overlay.bytes(start, length)
  bytes.fill(0, at, at + 4)
  new DataView(bytes.buffer).setUint32(at, ~crc32c(bytes) >>> 0, true)
  overlay.write(start, bytes)
}
