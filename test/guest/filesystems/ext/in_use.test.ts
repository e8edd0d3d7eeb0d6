// File systems in use of which nothing may be dropped: with fast commits, and with a guest that sleeps.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { changed, deviceOf, imageOf, whyKeptOn } from './memory_image.ts'
import { compareReplays } from './replayed_view.ts'

const skip = requireTools('root', 'mkfs.ext4', 'dumpe2fs', 'debugfs')

async function cutOff(
  t: Parameters<typeof makeDiskImage>[0],
  options: string,
  work: (folder: string) => Promise<unknown>,
  mount = 'data=ordered',
): Promise<string> {
  const image = await makeDiskImage(t, 32)
  await runTool('mke2fs', '-q', '-F', '-t', 'ext4', ...options.split(' '), image)
  return await withMount(image, { options: mount }, async folder => {
    await work(folder)
    return await powerCut(image)
  })
}

t.test('a transaction with a wrong checksum of the first kind keeps the file system', { skip }, async t => {
  const write = (folder: string): Promise<number> =>
    writeTree(folder, 1, { files: 5, plain: true, largest: 20_000, fsync: true, removed: 0 })
  const path = await cutOff(t, '-b 1024 -O ^metadata_csum', write, 'journal_checksum')
  const image = await imageOf(path)
  t.equal(await whyKeptOn(deviceOf(image)), undefined)
  const { stdout } = await runTool('debugfs', '-R', 'blocks <8>', path)
  const log = Number(stdout.trim().split(/\s+/)[0]) * 1024
  t.equal(image.view.getUint32(log + 1024), 0xc03b3998, 'a descriptor block is first')
  const logged = log + 2 * 1024 + 100
  const faulty = changed(image, view => view.setUint8(logged, view.getUint8(logged) ^ 1))
  t.match(await whyKeptOn(deviceOf(faulty)), { code: 'unclean', found: /a checksum in its log is wrong/ })
})

t.test('fast commits keep the file system', { skip }, async t => {
  const image = await cutOff(t, '-b 1024 -O fast_commit', folder =>
    writeTree(folder, 1, { files: 20, plain: true, largest: 20_000, fsync: true, removed: 0 }),
  )
  t.match((await runTool('dumpe2fs', '-h', image)).stdout, /fast_commit/)
  t.match(await whyKeptOn(deviceOf(await imageOf(image))), { code: 'unclean', found: /fast commits/ })
})

t.test('fast commits that a whole one has followed do not', { skip }, async t => {
  const image = await cutOff(t, '-b 1024 -O fast_commit', async folder => {
    await writeTree(folder, 1, { files: 20, plain: true, largest: 20_000, fsync: true, removed: 0 })
    await runTool('sync', '-f', folder)
  })
  t.equal(await whyKeptOn(deviceOf(await imageOf(image))), undefined)
  const { differing, transactions } = await compareReplays(t, image)
  t.same(differing, [])
  t.ok(transactions > 0)
})

for (const options of ['-b 4096', '-b 1024', '-b 1024 -O ^extents,^64bit']) {
  for (const signature of ['S1SUSPEND', 'ULSUSPEND', 'SWAPSPACE2']) {
    t.test(`a swap file with ${signature}, ${options}`, { skip }, async t => {
      const image = await cutOff(t, options, async folder => {
        await writeTree(folder, 1, { files: 20, plain: true, largest: 20_000 })
        const file = await open(join(folder, 'swapfile'), 'w')
        const bytes = Buffer.alloc(2 * 2 ** 20, 1)
        bytes.write(signature, 4096 - 10, 'latin1')
        await file.write(bytes)
        await file.sync()
        await file.close()
      })
      const reason = await whyKeptOn(deviceOf(await imageOf(image)))
      if (signature === 'SWAPSPACE2') t.equal(reason, undefined, 'nobody sleeps in it')
      else t.match(reason, { code: 'hibernated', wholeDisk: true, found: new RegExp(signature) })
    })
  }
}
