import t from 'tap'
import { recognised } from '../../../../lib/guest/filesystems/recognised/recognised.ts'
import { SIGNATURES } from '../../../../lib/guest/filesystems/recognised/signatures.ts'
import { fileDevice, makeDiskImage, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'

const MIB = 2 ** 20

t.test('each format that is known by name is told, and left alone', async t => {
  for (const { kind, name, at, bytes, also } of SIGNATURES) {
    for (const position of at) {
      const image = await makeDiskImage(t, 2)
      const text = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes)
      await writeBytes(image, position, text)
      if (also) await writeBytes(image, also.at, Uint8Array.from(also.bytes))
      const found = await recognised.probe(await fileDevice(t, image))
      t.match(
        found,
        { kind, keep: { found: new RegExp(name.replace(/[+]/g, '\\+')) } },
        `${name} at ${position}`,
      )
    }
  }
})

t.test('a label of a ZFS pool is found at either end', async t => {
  for (const position of [128 * 1024, 8 * MIB - 128 * 1024 + 5 * 1024]) {
    for (const magic of ['0cb1ba0000000000', '0000000000bab10c']) {
      const image = await makeDiskImage(t, 8)
      await writeBytes(image, position, Uint8Array.from(Buffer.from(magic, 'hex')))
      const found = await recognised.probe(await fileDevice(t, image))
      t.match(found, { kind: 'zfs_member', keep: { code: 'multiple_devices' } })
    }
  }
})

t.test('a disk of zeros, or one that is too short, is nothing known', async t => {
  for (const size of [0, 1, 512, 65536, 2 ** 21]) {
    t.equal(await recognised.probe({ size, read: async buffer => void buffer.fill(0) }), undefined)
  }
})

t.test('cramfs is told by what mkfs.cramfs writes', { skip: requireTools('mkfs.cramfs') }, async t => {
  const image = await makeDiskImage(t, 1)
  await runTool('mkfs.cramfs', 'scripts', image)
  t.match(await recognised.probe(await fileDevice(t, image)), { kind: 'cramfs' })
})

t.test('dm-verity is told by what veritysetup writes', { skip: requireTools('veritysetup') }, async t => {
  const image = await makeDiskImage(t, 1)
  const hashes = await makeDiskImage(t, 1)
  await runTool('veritysetup', 'format', image, hashes)
  t.match(await recognised.probe(await fileDevice(t, hashes)), { kind: 'dm_verity' })
})
