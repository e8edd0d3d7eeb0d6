import { mkdir, open, rm } from 'node:fs/promises'
import t from 'tap'
import { readBytes } from '../../../../lib/guest/device.ts'
import { xfs } from '../../../../lib/guest/filesystems/xfs/xfs.ts'
import { copyImage, fileDevice, makeDiskImage, writeBytes } from '../../../fixtures/guest/disk_image.ts'
import { kernelMounts, powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { randomFrom, seedOfRun } from '../../../fixtures/random.ts'
import { numberOf, XFS_TOOLS } from '../../../fixtures/xfs_images.ts'

const skip =
  requireTools(...XFS_TOOLS, 'xfs_logprint') ||
  (kernelMounts('xfs') ? false : 'needs a kernel that mounts XFS')

const seed = seedOfRun()

t.setTimeout(600_000)

/** With a stripe unit of 256 KiB, 256 flushes go once round the log of 64 MiB. */
const LOGS = [
  { name: 'buffers of 256 KiB', mkfs: [], options: 'logbsize=256k', goesRound: false },
  {
    name: 'wide stripes and sectors of 4 KiB',
    mkfs: ['-s', 'size=4096', '-l', 'su=256k'],
    options: 'logbsize=256k,noalign',
    goesRound: true,
  },
]

for (const { name, mkfs, options, goesRound } of process.env.VBOXMERGE_BUDGET === undefined
  ? LOGS.slice(1)
  : LOGS) {
  t.test(`the log of XFS is clean when xfs_logprint says so, with ${name}`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const random = randomFrom(seed)
    const image = await makeDiskImage(t, 300)
    await runTool('mkfs.xfs', '-q', '-f', ...mkfs, image)
    const verdicts = { clean: 0, dirty: 0 }
    const compare = async (path: string, when: string): Promise<void> => {
      const isClean = await isCleanByLogprint(path)
      verdicts[isClean ? 'clean' : 'dirty']++
      const found = await xfs.probe(await fileDevice(t, path))
      t.equal(found?.keep?.code, isClean ? undefined : 'unclean', when)
    }

    await compare(image, 'fresh')
    for (let round = 0; round < 2; round++) {
      await withMount(image, { type: 'xfs', options }, async folder => {
        await compare(await powerCut(image), `round ${round}, just mounted`)
        await churn(`${folder}/${round}`, random.between(140, 300), folder)
        await compare(await powerCut(image), `round ${round}, at work`)
      })
      await compare(image, `round ${round}, unmounted`)
    }
    t.ok(verdicts.clean >= 3 && verdicts.dirty >= 2, `clean ${verdicts.clean}, dirty ${verdicts.dirty}`)
    const { stdout } = await runTool('xfs_logprint', '-d', image)
    t.equal(/HEADER Cycle [2-9]/.test(stdout), goesRound, 'the log was written round')

    const other = await copyImage(image, '.other')
    await runTool('xfs_admin', '-U', 'generate', other)
    await compare(other, 'with another UUID')
    await runTool('xfs_repair', '-f', '-L', image)
    await compare(image, 'with a log that xfs_repair made new')
    await runTool('mkfs.xfs', '-q', '-f', '-K', ...mkfs, image)
    await compare(image, 'made anew over the old one')
  })
}

t.test('the log of XFS is clean only when its last record is whole and the last', { skip }, async t => {
  const image = await makeDiskImage(t, 300)
  await runTool('mkfs.xfs', '-q', '-f', image)
  const start = (await numberOf(image, 'logstart')) % 2 ** (await numberOf(image, 'agblklog'))
  const groups = (await numberOf(image, 'logstart')) / 2 ** (await numberOf(image, 'agblklog'))
  const block = Math.floor(groups) * (await numberOf(image, 'agblocks')) + start
  const log = block * (await numberOf(image, 'blocksize'))
  const cycle = Uint8Array.of(0, 0, 0, 1)
  const look = async (): Promise<string | undefined> =>
    (await xfs.probe(await fileDevice(t, image)))?.keep?.code
  t.equal(await look(), undefined, 'a record of one basic block behind its head')

  await writeBytes(image, log + 2 * 512, cycle)
  t.equal(await look(), 'unclean', 'something was written behind it')
  await writeBytes(image, log + 2 * 512, new Uint8Array(512))
  await writeBytes(image, log + 90_000 * 512, cycle)
  t.equal(await look(), 'unclean', 'something was written far behind it')
  await writeBytes(image, log + 90_000 * 512, Uint8Array.of(0, 0, 0, 2))
  t.equal(await look(), 'unclean', 'something was written in a later cycle')
  await writeBytes(image, log + 90_000 * 512, new Uint8Array(512))
  t.equal(await look(), undefined)

  const record = await readBytes(await fileDevice(t, image), log + 512, 512)
  await writeBytes(image, log + 512, new Uint8Array(512))
  t.equal(await look(), 'unclean', 'the record lacks its content')
  await writeBytes(image, log + 512, record)
  await writeBytes(image, log + 0x28, Uint8Array.of(0, 0, 0, 2))
  t.equal(await look(), 'unclean', 'the record has two operations')
  await writeBytes(image, log + 0x14, Uint8Array.of(0, 0, 0, 8))
  t.equal(await look(), 'damaged', 'the record belongs elsewhere')
  await writeBytes(image, log, new Uint8Array(512))
  t.equal(await look(), 'damaged', 'there is no record')
})

async function isCleanByLogprint(image: string): Promise<boolean> {
  const { stdout } = await runTool('xfs_logprint', '-t', image)
  const state = /state: <(CLEAN|DIRTY)>/.exec(stdout)?.[1]
  if (state === undefined) throw new Error(`xfs_logprint says nothing of the log: ${stdout}`)
  return state === 'CLEAN'
}

/** Makes and removes files, of which XFS logs every one, and flushes them one by one. */
async function churn(folder: string, flushes: number, root: string): Promise<void> {
  await mkdir(folder)
  for (let number = 0; number < 4 * flushes; number++) {
    const file = await open(`${folder}/${number}`, 'w')
    await file.write('content')
    if (number % 4 === 0) await file.sync()
    await file.close()
  }
  for (let number = 0; number < 4 * flushes; number++) await rm(`${folder}/${number}`)
  await runTool('sync', '-f', root)
}
