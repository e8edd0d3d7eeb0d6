import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { openChain } from '../../lib/image/chain_view.ts'
import { digestDisk } from '../../lib/image/digest.ts'
import { openImage } from '../../lib/image/open_image.ts'
import { randomUuid } from '../../lib/image/uuid.ts'
import { createBase, createDifferencing } from '../../lib/image/vdi/create.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { type ImageSpec, makeChain, makeImage, overwrite } from '../fixtures/disks.ts'
import { memoryDisk } from '../fixtures/memory_disk.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'
import { randomChain } from '../fixtures/random_disks.ts'
import {
  type RealVirtualBox,
  skipWithoutPython,
  skipWithoutVirtualBox,
  startVirtualBox,
} from '../fixtures/real_virtualbox.ts'
import { budgetMs } from '../fixtures/test_run.ts'

const MIB = 2 ** 20

/** Fields of an image that are random. */
const IDENTITIES = [0x188, 0x198, 0x1a8, 0x1b8]

/** The whole file, without what is random in it. */
async function withoutIdentities(path: string): Promise<Buffer> {
  const bytes = await readFile(path)
  for (const at of IDENTITIES) bytes.fill(0, at, at + 16)
  return bytes
}

/** Opens images, lowest first, and copies what the last one shows; one client, so that nothing is forgotten. */
const COPY = `
import sys, vboxapi
manager = vboxapi.VirtualBoxManager(None, None)
box, names = manager.getVirtualBox(), manager.constants
target, paths = sys.argv[1], sys.argv[2:]
media = [box.openMedium(path, names.DeviceType_HardDisk, names.AccessMode_ReadOnly, False) for path in paths]
copy = box.createMedium('RAW', target, names.AccessMode_ReadWrite, names.DeviceType_HardDisk)
progress = media[-1].cloneTo(copy, (names.MediumVariant_Standard,), None)
progress.waitForCompletion(-1)
if progress.resultCode != 0: sys.exit(progress.errorInfo.text)
for medium in [copy] + media[::-1]: medium.close()
`

/** What VirtualBox itself reads from the last of these images. */
async function theirDigest(virtualBox: RealVirtualBox, paths: readonly string[]): Promise<string> {
  const copy = `${paths.at(-1)}.raw`
  await virtualBox.python(COPY, copy, ...paths)
  return createHash('sha256')
    .update(await readFile(copy))
    .digest('hex')
}

async function ourDigest(paths: readonly string[]): Promise<string> {
  const view = await openChain(realFiles, paths)
  try {
    return await digestDisk(view)
  } finally {
    await view.close()
  }
}

t.test(
  'VirtualBox reads the same bytes from random chains of images',
  { skip: skipWithoutPython },
  async t => {
    const seed = seedOfRun()
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const random = randomFrom(seed)
    const virtualBox = await startVirtualBox(t)
    const end = Date.now() + budgetMs(8)
    for (let round = 0; round < 2 || Date.now() < end; round++) {
      const folder = join(virtualBox.folder, `chain${round}`)
      await realFiles.makeFolder(folder)
      // VirtualBox cannot read an image that is larger than its parent.
      const specs = randomChain(random, { depth: random.between(1, 5), units: 60, mixedSizes: false })
      const paths = (await makeChain(realFiles, folder, specs)).map(({ path }) => path)
      const theirs = await theirDigest(virtualBox, paths)
      t.equal(await ourDigest(paths), theirs, `round ${round}`)
      t.equal(memoryDisk(specs).sha256(), theirs, `round ${round}, the oracle`)
      await rm(folder, { recursive: true })
    }
  },
)

t.test(
  'VirtualBox, too, shows whole sectors only of a disk whose size is none',
  { skip: skipWithoutPython },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const capacity = 2 * MIB + 1024
    const blocks = [{ 0: 1, 1: 2, 2: 3 }, { 0: 4, 2: 'zero' }, { 1: 5 }] as const
    for (const [index, more] of [
      [0, 0, 16],
      [511, 0, 1],
      [0, 100, 0],
      [1, 0, 0],
    ].entries()) {
      const folder = join(virtualBox.folder, `sizes${index}`)
      await realFiles.makeFolder(folder)
      const specs = blocks.map((held, image): ImageSpec => {
        return { capacity, diskSize: capacity + (more[image] ?? 0), blocks: held }
      })
      const paths = (await makeChain(realFiles, folder, specs)).map(({ path }) => path)
      const theirs = await theirDigest(virtualBox, paths)
      t.equal(await ourDigest(paths), theirs, `${more} bytes more`)
      t.equal(memoryDisk(specs).sha256(), theirs, `${more} bytes more, the oracle`)
    }
  },
)

t.test(
  'a new base image is, byte for byte, what VirtualBox makes',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const cases: readonly (readonly [
      capacity: number,
      options: string[],
      fixed?: boolean,
      blockSize?: number,
    ])[] = [
      [20 * MIB, []],
      [20 * MIB + 512, []],
      [300_000 * MIB, []],
      [3 * MIB, ['--variant', 'Fixed'], true],
      [20 * MIB, ['--property', 'AllocationBlockSize=4194304'], false, 4 * MIB],
    ]
    for (const [index, [capacity, options, fixed = false, blockSize = MIB]] of cases.entries()) {
      const theirs = join(virtualBox.folder, `theirs${index}.vdi`)
      const ours = join(virtualBox.folder, `ours${index}.vdi`)
      await virtualBox.run(
        'createmedium',
        'disk',
        '--filename',
        theirs,
        '--sizebyte',
        `${capacity}`,
        ...options,
      )
      await createBase(realFiles, ours, { capacity, fixed, blockSize })
      t.ok(
        (await withoutIdentities(ours)).equals(await withoutIdentities(theirs)),
        options.join(' ') || `${capacity}`,
      )
    }
  },
)

t.test('VirtualBox opens and copies new images', { skip: skipWithoutPython }, async t => {
  const virtualBox = await startVirtualBox(t)
  const base = join(virtualBox.folder, 'base.vdi')
  const child = join(virtualBox.folder, 'child.vdi')
  const id = randomUuid()
  const odd = { blockExtra: 512, cbHeader: 440, tableOffset: 600, dataOffset: 777 }
  const parent = await createBase(realFiles, base, {
    capacity: 5 * MIB + 512,
    blockSize: MIB / 2,
    id,
    ...odd,
  })
  const { id: childId } = await createDifferencing(realFiles, child, { parent })
  t.match(await virtualBox.run('showmediuminfo', 'disk', base), new RegExp(`^UUID: +${id}$`, 'm'))
  const info = await virtualBox.run('showmediuminfo', 'disk', child)
  t.match(info, new RegExp(`^UUID: +${childId}$`, 'm'))
  t.match(info, new RegExp(`^Parent UUID: +${id}$`, 'm'))
  t.equal(
    await theirDigest(virtualBox, [base, child]),
    createHash('sha256')
      .update(Buffer.alloc(5 * MIB + 512))
      .digest('hex'),
  )
})

const PARENTS: readonly (readonly [
  what: string,
  spec: ImageSpec,
  ...changes: (readonly [number, number])[],
])[] = [
  ['a parent like VirtualBox’s own', { capacity: 20 * MIB }],
  ['blocks of 4 MiB', { capacity: 20 * MIB, blockSize: 4 * MIB, blocks: { 1: 1 } }],
  ['blocks of 128 KiB with extra bytes', { capacity: 20 * MIB - 512, blockSize: MIB / 8, blockExtra: 512 }],
  ['an odd disk size', { capacity: 20 * MIB - 512, diskSize: 20 * MIB - 1 }],
  [
    'version 1.0, comment, flags',
    { capacity: 20 * MIB, version: 0x10000, cbHeader: 384, comment: 'x', flags: 1 },
  ],
  ['a geometry', { capacity: 20 * MIB }, [0x1c8, 40], [0x1cc, 16], [0x1d0, 63], [0x15c, 41], [0x160, 17]],
  ['a geometry out of bounds', { capacity: 20 * MIB }, [0x1c8, 70000], [0x1cc, 300], [0x1d0, 99]],
  ['a geometry without sectors', { capacity: 20 * MIB }, [0x1c8, 32613], [0x1cc, 71], [0x1d0, 0]],
  ['a table of several megabytes', { capacity: 2 ** 40, blockSize: 128 * MIB }],
]

t.test(
  'a new differencing image is, byte for byte, what a snapshot makes',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    for (const [index, [what, spec, ...changes]] of PARENTS.entries()) {
      const { name, folder } = await virtualBox.createMachine(`machine${index}`, [])
      const base = join(folder, 'base.vdi')
      await makeImage(realFiles, base, spec)
      for (const [offset, value] of changes) await overwrite(realFiles, base, offset, value)
      await virtualBox.attach(name, 0, base)
      await virtualBox.run('snapshot', name, 'take', 'one')

      const snapshots = join(folder, 'Snapshots')
      const [file = ''] = await readdir(snapshots)
      const theirs = await openImage(realFiles, join(snapshots, file), 'read')
      const parent = await openImage(realFiles, base, 'read')
      const ours = join(dirname(base), 'ours.vdi')
      const header = await createDifferencing(realFiles, ours, { parent: parent.header })
      t.match(
        header,
        { parent: theirs.header.parent, parentModification: theirs.header.parentModification },
        what,
      )
      t.ok((await withoutIdentities(ours)).equals(await withoutIdentities(theirs.path)), what)
      await theirs.file.close()
      await parent.file.close()
    }
  },
)
