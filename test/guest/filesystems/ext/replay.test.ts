// Power cuts: the journal of the copy was never replayed. What is called free is overwritten, then the guest starts:
// it replays its journal, and every file that it had flushed has to be there.
import { type FileHandle, mkdir, open, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { copyImage, fileDevice, makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { powerCut, withMount } from '../../../fixtures/guest/mount.ts'
import { collectFreeRanges, findsMutation, type Patient, poison } from '../../../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { differences, type Hashes, hashTree, writeTree } from '../../../fixtures/guest/tree.ts'
import { seedOfRun } from '../../../fixtures/random.ts'
import { bytesInWholeMib, bytesOf, common, freeBeforeReplay, freeByDumpe2fs, joined } from './dumpe2fs.ts'
import { compareReplays, replayedCopy } from './replayed_view.ts'

const MIB = 2 ** 20
const BLOCK = 4096
const skip = requireTools('root', 'mkfs.ext4', 'dumpe2fs', 'e2fsck', 'debugfs')
const seed = seedOfRun()

interface Situation {
  readonly name: string
  /** Options of mke2fs. */
  readonly options: string
  readonly mount?: string
  readonly mib?: number
  /** Files flushed before `before` and before the power cut; 60. */
  readonly files?: number
  /** What is done, and reaches the disk by and by, before the files are written. */
  before?(folder: string): Promise<void>
  /** What is done after the last flush but one. */
  after?(folder: string): Promise<void>
  /** What has to be in the log, as debugfs shows it, for the test to be about what it says. */
  readonly log?: RegExp
  readonly isMutated?: boolean
  /** Whether e2fsck does more than to replay: it writes copies of descriptors, or cleans up. */
  readonly isMoreDone?: boolean
  /** Whether what boot loaders see, who replay nothing, is compared as well. */
  readonly isReadUnreplayed?: boolean
  /** Whether it is looked at when there is little time. */
  readonly isQuick?: boolean
}

const situations: readonly Situation[] = [
  {
    name: 'three hundred flushed files',
    options: '-b 4096 -g 4096',
    files: 300,
    isMutated: true,
    isQuick: true,
  },
  { name: 'files deleted', options: '-b 4096 -g 4096', before: writeLarge, after: removeLarge },
  {
    name: 'files cut short, renamed, overwritten',
    options: '-b 4096 -g 4096',
    before: writeLarge,
    after: shuffleLarge,
    isReadUnreplayed: true,
  },
  {
    name: 'data=journal',
    options: '-b 4096 -g 4096',
    mount: 'data=journal',
    before: writeLarge,
    after: shuffleLarge,
  },
  {
    name: 'blocks of block numbers deleted and used again',
    options: '-t ext3 -b 1024 -J size=4',
    before: writeLarge,
    after: removeLarge,
    log: /revoke/,
    isQuick: true,
  },
  {
    name: 'folders deleted',
    options: '-b 1024 -O ^metadata_csum',
    before: writeFolders,
    after: removeFolders,
    log: /revoke/,
  },
  { name: 'a journal written round and round', options: '-b 1024 -J size=1', files: 300, log: /wrapped/ },
  { name: 'journal_checksum', options: '-b 4096 -O ^metadata_csum', mount: 'journal_checksum' },
  {
    name: 'journal_async_commit',
    options: '-b 4096 -O ^metadata_csum',
    mount: 'journal_async_commit,data=writeback',
  },
  {
    name: 'journal_async_commit with checksums of blocks',
    options: '-b 4096',
    mount: 'journal_async_commit,data=writeback',
  },
  { name: 'no 64bit', options: '-b 4096 -g 2048 -O ^64bit' },
  {
    name: 'uninit_bg',
    options: '-b 1024 -O ^metadata_csum,uninit_bg',
    before: writeLarge,
    after: removeLarge,
  },
  { name: 'ext3', options: '-t ext3 -b 4096 -g 2048', before: writeLarge, after: shuffleLarge },
  { name: 'bigalloc', options: '-b 4096 -O bigalloc -C 65536', before: writeLarge, after: removeLarge },
  {
    name: 'meta_bg',
    options: '-b 1024 -g 1024 -O meta_bg,^resize_inode',
    before: writeLarge,
    after: removeLarge,
    isMoreDone: true,
  },
  {
    name: 'deleted files in use',
    options: '-b 4096 -g 4096 -O orphan_file',
    before: writeLarge,
    after: removeOpenLarge,
    isMoreDone: true,
  },
  {
    name: 'deleted files in use, in a list',
    options: '-b 4096 -g 4096',
    before: writeLarge,
    after: removeOpenLarge,
    isMoreDone: true,
  },
]

/** With a budget of its own all are looked at, else some, and one that the seed picks. */
const picked =
  process.env.VBOXMERGE_BUDGET === undefined
    ? situations.filter(({ isQuick }, at) => isQuick === true || at === seed % situations.length)
    : situations

for (const situation of picked) {
  t.test(situation.name, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const { image, flushed } = await cutOff(t, situation)
    const { stdout: superblock } = await runTool('dumpe2fs', '-h', image)
    t.match(superblock, /needs_recovery/)
    t.notMatch(superblock, /^Journal start: +0$/m)
    if (situation.log !== undefined) t.match(await logOf(image), situation.log)

    const device = await fileDevice(t, image)
    const found = await ext.probe(device)
    t.match(found, { keep: undefined, freeBytes: undefined })
    if (found === undefined) return
    const ranges = joined(await collectFreeRanges(device, found))
    const before = await freeBeforeReplay(image)
    const after = await freeAfterReplay(image)
    t.same(ranges, common(before, after), 'free is what e2fsprogs calls free before and after its replay')
    t.notSame(ranges, before, 'which is not what lies on the disk')
    t.ok(bytesInWholeMib(ranges) > 5 * MIB, `${bytesInWholeMib(ranges)} bytes in whole blocks of 1 MiB`)
    t.comment(`${bytesOf(ranges)} of ${bytesOf(after)} bytes free after the replay`)

    const { differing, transactions } = await compareReplays(t, image)
    t.ok(transactions > 0, `${transactions} transactions`)
    if (!situation.isMoreDone) t.same(differing, [], 'every block is what e2fsck makes of it')

    const seen: Hashes[] = []
    const patient = patientOf(image, seen)
    const unreplayed = situation.isReadUnreplayed ? await hashUnreplayed(image) : undefined
    const poisoned = await poison(t, patient, ext)
    if (unreplayed) t.same(differences(unreplayed, await hashUnreplayed(image)), [], 'nor without a replay')
    const [untouched = new Map()] = seen
    const missing = differences(flushed, untouched).filter(line => !line.endsWith('is new'))
    t.same(missing, [], 'the replay alone loses nothing')
    t.same(poisoned.losses, [], 'nothing is lost')
    if (situation.isMutated) t.ok(await findsMutation(patient, poisoned, BLOCK, seed))
  })
}

/** Makes an image that was copied while it was mounted, and hashes what had been flushed. */
async function cutOff(
  t: Parameters<typeof makeDiskImage>[0],
  { options, mount, mib = 72, files = 60, before, after }: Situation,
): Promise<{ image: string; flushed: Hashes }> {
  const image = await makeDiskImage(t, mib, { prefillSeed: seed })
  await runTool(
    'mke2fs',
    '-q',
    '-F',
    ...(options.includes('-t ') ? [] : ['-t', 'ext4']),
    ...options.split(' '),
    image,
  )
  return await withMount(image, mount === undefined ? {} : { options: mount }, async folder => {
    await before?.(folder)
    await runTool('sync', '-f', folder)
    // The clean-up is due in thirty seconds: until then this lies in the journal only.
    await writeTree(folder, seed, { files, largest: 24_000, plain: true, fsync: true, removed: 0 })
    const own = `t${seed}`
    const flushed = new Map([...(await hashTree(folder))].filter(([path]) => path.startsWith(own)))
    await after?.(folder)
    await flush(folder)
    try {
      return { image: await powerCut(image), flushed }
    } finally {
      for (const file of openFiles.splice(0)) await file.close()
    }
  })
}

/** Files that are open at the power cut. */
const openFiles: FileHandle[] = []

/** Flushes one more file, and with it the journal. */
async function flush(folder: string): Promise<void> {
  const file = await open(join(folder, 'the last one'), 'w')
  await file.write('flushed')
  await file.sync()
  await file.close()
}

async function writeLarge(folder: string): Promise<void> {
  for (let number = 0; number < 4; number++) {
    const file = await open(join(folder, `large ${number}`), 'w')
    // In turns with holes, so that there is much to say about where it lies.
    for (let at = 0; at < 6 * MIB; at += 96 * 1024)
      await file.write(Buffer.alloc(64 * 1024, `${number}`), 0, 64 * 1024, at)
    await file.sync()
    await file.close()
  }
}

async function removeLarge(folder: string): Promise<void> {
  for (let number = 0; number < 3; number++) await rm(join(folder, `large ${number}`))
  await flush(folder)
  await writeTree(folder, seed + 1, { files: 20, largest: 300_000, plain: true, fsync: true, removed: 50 })
}

async function removeOpenLarge(folder: string): Promise<void> {
  for (let number = 0; number < 2; number++) openFiles.push(await open(join(folder, `large ${number}`), 'r+'))
  await removeLarge(folder)
}

async function shuffleLarge(folder: string): Promise<void> {
  await truncate(join(folder, 'large 0'), 100_000)
  await rename(join(folder, 'large 1'), join(folder, 'large 2'))
  await flush(folder)
  const file = await open(join(folder, 'large 3'), 'r+')
  for (let at = 0; at < 2 * MIB; at += 32 * 1024) await file.write(Buffer.alloc(4096, 'new'), 0, 4096, at)
  // The first four bytes of a block of the log: data=journal has to take them out.
  await file.write(Buffer.from('c03b3998', 'hex'), 0, 4, 8192)
  await file.sync()
  await file.close()
  await writeTree(folder, seed + 1, { files: 20, largest: 300_000, plain: true, fsync: true, removed: 50 })
}

async function writeFolders(folder: string): Promise<void> {
  for (let number = 0; number < 40; number++) await mkdir(join(folder, `folder ${number}`))
  for (let number = 0; number < 400; number++) {
    await (
      await open(join(folder, `folder ${number % 40}`, `a rather long name of a file ${number}`), 'w')
    ).close()
  }
}

async function removeFolders(folder: string): Promise<void> {
  for (let number = 0; number < 40; number++) {
    await (await open(join(folder, `folder ${number}`, 'one more'), 'w')).close()
  }
  await flush(folder)
  for (let number = 0; number < 40; number++) await rm(join(folder, `folder ${number}`), { recursive: true })
  await flush(folder)
}

function patientOf(image: string, seen: Hashes[]): Patient {
  return {
    image,
    // Before the replay there is nothing to check.
    check: async () => {},
    hash: async path => {
      const copy = await copyImage(path, '.started')
      try {
        const hashes = await withMount(copy, {}, hashTree)
        seen.push(hashes)
        await runTool('e2fsck', '-fn', copy)
        return hashes
      } finally {
        await rm(copy)
      }
    },
  }
}

async function hashUnreplayed(image: string): Promise<Hashes> {
  return await withMount(image, { readOnly: true, options: 'noload' }, hashTree)
}

async function freeAfterReplay(image: string): ReturnType<typeof freeByDumpe2fs> {
  const copy = await replayedCopy(image)
  try {
    return await freeByDumpe2fs(copy)
  } finally {
    await rm(copy)
  }
}

/** What debugfs finds in the log, and the word wrapped when it goes on at its beginning. */
async function logOf(image: string): Promise<string> {
  const { stdout } = await runTool('debugfs', '-R', 'logdump', image)
  const places = [...stdout.matchAll(/at block (\d+)$/gm)].map(([, place]) => Number(place))
  const hasWrapped = places.some((place, at) => place < (places[at - 1] ?? 0))
  return hasWrapped ? `${stdout}\nwrapped` : stdout
}
