// A journal in hundreds of pieces, whose map takes blocks of its own.
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { fileDevice, makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { collectFreeRanges } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { writeTree } from '../../../fixtures/guest/tree.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { common, freeBeforeReplay, freeByDumpe2fs, joined } from './dumpe2fs.ts'
import { changed, deviceOf, foundOn, imageOf, whyKeptOn } from './memory_image.ts'
import { compareReplays, replayedCopy } from './replayed_view.ts'

const skip = requireTools('root', 'mkfs.ext4', 'tune2fs', 'dumpe2fs', 'e2fsck', 'debugfs')

/** With a budget of its own both kinds of maps, else the one that the seed picks. */
const picked = process.env.VBOXMERGE_BUDGET === undefined ? [seedOfRun() % 2] : [0, 1]

for (const features of ['^has_journal', '^has_journal,^metadata_csum,^64bit,^extents'].filter((_, at) =>
  picked.includes(at),
)) {
  t.test(`a journal in many pieces, ${features}`, { skip }, async t => {
    const image = await makeDiskImage(t, 24)
    await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', '1024', '-O', features, image)
    await withMount(image, {}, scatter)
    await runTool('tune2fs', '-j', '-J', 'size=1', image)
    await runTool('e2fsck', '-fn', image)
    const { stdout } = await runTool('debugfs', '-R', 'stat <8>', image)
    const nodes = [...stdout.matchAll(/\((?:ETB\d|IND|DIND)\):(\d+)/g)].map(([, block]) => Number(block))
    t.ok(nodes.length > 1, `${nodes.length} blocks of its map`)

    const device = await fileDevice(t, image)
    t.same(joined(await collectFreeRanges(device, await foundOn(device))), await freeByDumpe2fs(image))

    const whole = await imageOf(image)
    for (const node of features === '^has_journal' ? nodes : []) {
      const damaged = changed(whole, view =>
        view.setUint8(node * 1024 + 14, view.getUint8(node * 1024 + 14) ^ 1),
      )
      t.match(await whyKeptOn(deviceOf(damaged)), { found: /a checksum in the tree of extents/ })
    }

    const cut = await withMount(image, {}, async folder => {
      await writeTree(folder, 1, { files: 20, plain: true, largest: 3000, fsync: true, removed: 0 })
      return await powerCut(image)
    })
    const { differing, transactions } = await compareReplays(t, cut)
    t.same(differing, [])
    t.ok(transactions > 5, `${transactions} transactions`)
    const cutDevice = await fileDevice(t, cut)
    const found = await ext.probe(cutDevice)
    t.match(found, { keep: undefined })
    if (found === undefined) return
    const after = await freeByDumpe2fs(await replayedCopy(cut))
    t.same(joined(await collectFreeRanges(cutDevice, found)), common(await freeBeforeReplay(cut), after))
  })
}

/** Leaves single free blocks, and no others. */
async function scatter(folder: string): Promise<void> {
  await mkdir(join(folder, 'scattered'))
  const place = (number: number): string => join(folder, 'scattered', String(number))
  const fillers = 4400
  for (let number = 0; number < fillers; number++) await writeFile(place(number), Buffer.alloc(1024, 'x'))
  await runTool('sync', '-f', folder)
  const filler = await open(join(folder, 'filler'), 'w')
  const piece = Buffer.alloc(64 * 1024)
  try {
    for (;;) await filler.write(piece)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  } finally {
    await filler.close()
  }
  await runTool('sync', '-f', folder)
  for (let number = 0; number < fillers; number += 2) await rm(place(number))
}
