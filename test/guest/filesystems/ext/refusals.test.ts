// What is damaged, in use or not understood is kept as a whole, and the user learns why.
import t from 'tap'
import type { KeepCode } from '../../../../lib/guest/file_system.ts'
import { ext } from '../../../../lib/guest/filesystems/ext/ext.ts'
import { requireTools } from '../../../fixtures/guest/tools.ts'
import { changed, deviceOf, foundOn, type MemoryImage, memoryImage, whyKeptOn } from './memory_image.ts'

const skip = requireTools('mkfs.ext4')
const SB = 1024
/** Without checksums, so that a changed superblock is not just a damaged one. */
const PLAIN = ['-t', 'ext4', '-b', '1024', '-g', '2048', '-O', '^metadata_csum,^uninit_bg,^resize_inode']
/** Descriptors in block 2, and the first block bitmap where the first of them says. */
const DESCRIPTORS = 2048

type Case = readonly [
  what: string,
  offset: number,
  value: number | ((view: DataView) => number),
  code: KeepCode,
  found: RegExp,
]

const u32 = (offset: number) => (view: DataView) => view.getUint32(SB + offset, true)
const plus =
  (offset: number, more: number) =>
  (view: DataView): number =>
    u32(offset)(view) + more

const superblocks: readonly Case[] = [
  [
    'an unknown incompat',
    0x60,
    plus(0x60, 2 ** 31),
    'unsupported_feature',
    /unknown \(incompat 0x80000000\)/,
  ],
  [
    'an unknown ro_compat',
    0x64,
    plus(0x64, 2 ** 29),
    'unsupported_feature',
    /unknown \(ro_compat 0x20000000\)/,
  ],
  ['an unknown compat', 0x5c, plus(0x5c, 2 ** 15), 'unsupported_feature', /unknown \(compat 0x8000\)/],
  ['compression', 0x60, plus(0x60, 1), 'unsupported_feature', /compression \(incompat 0x1\)/],
  ['dirdata', 0x60, plus(0x60, 0x1000), 'unsupported_feature', /dirdata \(incompat 0x1000\)/],
  ['snapshots', 0x64, plus(0x64, 0x80), 'unsupported_feature', /has_snapshot \(ro_compat 0x80\)/],
  ['replicas', 0x64, plus(0x64, 0x800), 'unsupported_feature', /replica/],
  ['shared blocks', 0x64, plus(0x64, 0x4000), 'unsupported_feature', /shared_blocks/],
  ['an exclude bitmap', 0x5c, plus(0x5c, 0x100), 'unsupported_feature', /snapshot_exclude_bitmap/],
  ['checksums of an unknown type', 0x64, plus(0x64, 0x400), 'unsupported_feature', /of type 0; type 1/],
  ['a later revision', 0x4c, 2, 'unsupported_feature', /revision 2/],
  ['the bit for errors', 0x3a, 3, 'damaged', /found errors/],
  ['noted errors', 0x194, 4, 'damaged', /noted errors in it \(4\)/],
  ['a clean-up of orphans', 0x3a, 5, 'unclean', /deleted files/],
  ['a replay of fast commits', 0x3a, 0x21, 'unclean', /fast commits/],
  ['no unmounting', 0x3a, 0, 'unclean', /was not unmounted/],
  ['orphans', 0xe8, 12, 'unclean', /inode 12/],
  ['an orphan file in use', 0x64, plus(0x64, 0x10000), 'unclean', /orphan_present/],
  ['an external journal', 0xe0, 0, 'multiple_devices', /another device/],
  ['a device of a journal', 0xe4, 0x801, 'multiple_devices', /another device/],
  ['another inode as journal', 0xe0, 9, 'unsupported_feature', /inode 9/],
  ['no journal to recover from', 0x5c, plus(0x5c, -4), 'damaged', /no journal/],
  ['more blocks than the device', 0x04, 16385, 'damaged', /more than the 16777216 bytes of the device/],
  ['no blocks', 0x04, 0, 'damaged', /it has 0 blocks/],
  ['enormous blocks', 0x18, 7, 'damaged', /131072 bytes/],
  ['absurd blocks', 0x18, 2 ** 31, 'damaged', /more than 65536/],
  ['absurd groups', 0x20, 2 ** 31, 'damaged', /a bitmap holds 8192/],
  ['no groups', 0x20, 0, 'damaged', /0 clusters/],
  ['another first block', 0x14, 0, 'damaged', /first data block is 0/],
  ['odd inodes', 0x58, 100, 'damaged', /inodes have 100 bytes/],
  ['too many inodes', 0x00, plus(0x00, 1), 'damaged', /inodes in 8 groups/],
  ['no inodes in a group', 0x28, 0, 'damaged', /0 inodes/],
  ['a large reserve of descriptors', 0xce, 257, 'damaged', /reserves 257 blocks/],
  ['odd descriptors', 0xfe, 48, 'damaged', /48 bytes/],
]

t.test('a superblock with what is not understood or not clean', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  t.equal(await whyKeptOn(deviceOf(whole)), undefined, 'nothing stands against the whole one')
  for (const [what, offset, value, code, found] of superblocks) {
    const image = changed(whole, view => {
      const number = typeof value === 'number' ? value : value(view)
      const isShort = [0x3a, 0x58, 0xce, 0xfe].includes(offset)
      if (isShort) view.setUint16(SB + offset, number, true)
      else view.setUint32(SB + offset, number, true)
      if (what === 'no journal to recover from') view.setUint32(SB + 0x60, plus(0x60, 4)(view), true)
    })
    t.match(await whyKeptOn(deviceOf(image)), { code, found }, what)
    const fileSystem = await foundOn(deviceOf(image))
    t.ok(fileSystem.size <= 2 ** 24 && fileSystem.freeBytes === undefined, `${what}: sizes`)
  }
})

t.test('wrong counters', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  const damages: readonly [string, (view: DataView) => void, RegExp][] = [
    ['of the superblock', view => view.setUint32(SB + 0x0c, u32(0x0c)(view) + 1, true), /by its superblock/],
    [
      'of a group',
      view => view.setUint16(DESCRIPTORS + 0x0c, 1, true),
      /its group 0 has \d+ free clusters by its bitmap, 1/,
    ],
    ['by a flipped bit', view => flipBit(view, bitmapOf(view), 2000), /by its bitmap/],
  ]
  for (const [what, damage, found] of damages) {
    t.match(await whyKeptOn(deviceOf(changed(whole, damage))), { code: 'damaged', found }, what)
  }
})

t.test('a bitmap that calls metadata free, though its counters agree', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  const lie = (bit: number) => (view: DataView) => {
    flipBit(view, bitmapOf(view), bit)
    const free = view.getUint16(DESCRIPTORS + 0x0c, true)
    view.setUint16(DESCRIPTORS + 0x0c, free + 1, true)
    view.setUint32(SB + 0x0c, u32(0x0c)(view) + 1, true)
  }
  const blocks = (view: DataView, offset: number): number => view.getUint32(DESCRIPTORS + offset, true) - 1
  const places: readonly [string, number][] = [
    ['the superblock', 0],
    ['the descriptors', 1],
    ['a block bitmap', blocks(whole.view, 0)],
    ['an inode bitmap', blocks(whole.view, 4)],
    ['a table of inodes', blocks(whole.view, 8) + 3],
  ]
  for (const [what, bit] of places) {
    t.match(
      await whyKeptOn(deviceOf(changed(whole, lie(bit)))),
      { code: 'damaged', found: /hold metadata/ },
      what,
    )
  }
})

t.test('a bitmap that calls the journal free, though its counters agree', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  const group = Math.floor((journalBlock(whole) - 1) / 2048)
  const image = changed(whole, view => {
    const descriptor = DESCRIPTORS + group * 64
    flipBit(view, view.getUint32(descriptor, true) * 1024, (journalBlock(whole) - 1) % 2048)
    view.setUint16(descriptor + 0x0c, view.getUint16(descriptor + 0x0c, true) + 1, true)
    view.setUint32(SB + 0x0c, u32(0x0c)(view) + 1, true)
  })
  t.match(await whyKeptOn(deviceOf(image)), { code: 'damaged', found: /hold metadata/ })
})

t.test('descriptors that lead astray', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  const damages: readonly [string, number, number, RegExp][] = [
    ['beyond the end', 0x00, 16384, /block bitmap of its group 0 would be at block 16384/],
    ['far beyond it', 0x24, 1, /inode bitmap of its group 0 would be at block/],
    ['onto the superblock', 0x08, 1, /inode table of its group 0 would be at block 1/],
    ['onto each other', 0x00, whole.view.getUint32(DESCRIPTORS + 4, true), /share block/],
  ]
  for (const [what, offset, value, found] of damages) {
    const image = changed(whole, view => view.setUint32(DESCRIPTORS + offset, value, true))
    t.match(await whyKeptOn(deviceOf(image)), { code: 'damaged', found }, what)
  }
})

t.test('wrong checksums', { skip }, async t => {
  const whole = await memoryImage(t, '-t', 'ext4', '-b', '1024', '-O', '^resize_inode')
  const older = await memoryImage(
    t,
    '-t',
    'ext4',
    '-b',
    '1024',
    '-O',
    '^metadata_csum,uninit_bg,^resize_inode',
  )
  const inode8 =
    whole.view.getUint32(DESCRIPTORS + 8, true) * 1024 + 7 * whole.view.getUint16(SB + 0x58, true)
  const damages: readonly [string, MemoryImage, number, RegExp][] = [
    ['the superblock', whole, SB + 0x3f0, /checksum of its superblock/],
    ['a descriptor', whole, DESCRIPTORS + 0x1c, /checksum of its group 0/],
    ['a descriptor of the older kind', older, DESCRIPTORS + 0x1c, /checksum of its group 0/],
    ['a bitmap', whole, bitmapOf(whole.view) + 200, /checksum of the block bitmap of its group 0/],
    ['the inode of the journal', whole, inode8 + 0x10, /checksum of its inode 8/],
  ]
  t.equal(await whyKeptOn(deviceOf(older)), undefined)
  for (const [what, image, at, found] of damages) {
    const damaged = changed(image, view => view.setUint8(at, view.getUint8(at) ^ 4))
    t.match(await whyKeptOn(deviceOf(damaged)), { code: 'damaged', found }, what)
  }
})

t.test('a journal that does not look clean', { skip }, async t => {
  const whole = await memoryImage(t, ...PLAIN)
  const journal = journalBlock(whole) * 1024
  const damages: readonly [string, number, number, KeepCode, RegExp][] = [
    ['changes to replay', 0x1c, 1, 'unclean', /holds changes although/],
    ['a start outside', 0x1c, 99999, 'damaged', /contradicts itself/],
    ['an error', 0x20, 5, 'damaged', /error 5 in its journal/],
    ['no signature', 0x00, 0, 'damaged', /no superblock/],
    ['a signature of another block', 0x04, 2, 'damaged', /no superblock/],
    ['an unknown feature', 0x28, 0x40, 'unsupported_feature', /incompat 0x40/],
    ['an unknown compatible feature', 0x24, 2, 'unsupported_feature', /compat 0x2/],
    ['two kinds of checksums', 0x28, 0x18, 'damaged', /two kinds/],
    ['checksums of an unknown type', 0x28, 0x10, 'unsupported_feature', /of type 0; 4/],
    ['other blocks', 0x0c, 4096, 'damaged', /contradicts itself/],
    ['a longer log', 0x10, 99999, 'damaged', /contradicts itself/],
    ['a log without a beginning', 0x14, 0, 'damaged', /contradicts itself/],
  ]
  for (const [what, offset, value, code, found] of damages) {
    const image = changed(whole, view => view.setUint32(journal + offset, value))
    t.match(await whyKeptOn(deviceOf(image)), { code, found }, what)
  }
})

t.test('a journal whose blocks are not to be found', { skip }, async t => {
  for (const options of [PLAIN, ['-t', 'ext3', '-b', '1024', '-O', '^resize_inode']]) {
    const whole = await memoryImage(t, ...options)
    t.equal(await whyKeptOn(deviceOf(whole)), undefined)
    const inode =
      whole.view.getUint32(DESCRIPTORS + 8, true) * 1024 + 7 * whole.view.getUint16(SB + 0x58, true)
    const damages: readonly [string, number, number][] = [
      ['no map', inode + 0x28, 0],
      ['a map that ends early', inode + 0x28 + (options === PLAIN ? 4 : 44), 0],
      ['a map beyond the end', inode + 0x28 + (options === PLAIN ? 20 : 48), 0x7fffffff],
      ['no size', inode + 0x04, 0],
      ['an enormous size', inode + 0x6c, 0x7fffffff],
      ['no file', inode + 0x00, 0],
    ]
    for (const [what, at, value] of damages) {
      const image = changed(whole, view => view.setUint32(at, value, true))
      t.match(await whyKeptOn(deviceOf(image)), { code: 'damaged' }, `${options[1]}: ${what}`)
    }
  }
})

t.test('a multiple mount protection that somebody holds', { skip }, async t => {
  const whole = await memoryImage(t, '-t', 'ext4', '-b', '1024', '-O', 'mmp,^metadata_csum')
  t.equal(await whyKeptOn(deviceOf(whole)), undefined)
  const block = whole.view.getUint32(SB + 0x168, true) * 1024
  const held = changed(whole, view => view.setUint32(block + 4, 0xe24d4d50, true))
  t.match(await whyKeptOn(deviceOf(held)), { code: 'unclean', found: /is mounted \(0xe24d4d50\)/ })
  const broken = changed(whole, view => view.setUint32(block, 0, true))
  t.match(await whyKeptOn(deviceOf(broken)), { code: 'damaged', found: /multiple mount protection/ })
  const astray = changed(whole, view => view.setUint32(SB + 0x168, 16384, true))
  t.match(await whyKeptOn(deviceOf(astray)), { code: 'damaged', found: /at block 16384/ })
})

t.test('the journal of another file system', { skip }, async t => {
  const image = await memoryImage(t, '-O', 'journal_dev', '-b', '1024')
  t.match(await foundOn(deviceOf(image)), { kind: 'jbd', keep: { code: 'multiple_devices' } })
})

t.test('what is no ext at all', async t => {
  for (const size of [0, 1, 2047, 2048, 100_000]) {
    t.equal(
      await ext.probe(deviceOf({ bytes: new Uint8Array(size), view: new DataView(new ArrayBuffer(0)) })),
      undefined,
    )
  }
})

t.test('an abort is heeded', { skip }, async t => {
  const found = await foundOn(deviceOf(await memoryImage(t, ...PLAIN)))
  await t.rejects(
    found.freeRanges(() => {}, AbortSignal.abort(new Error('enough'))),
    /enough/,
  )
})

function bitmapOf(view: DataView): number {
  return view.getUint32(DESCRIPTORS, true) * 1024
}

function flipBit(view: DataView, start: number, bit: number): void {
  const at = start + Math.floor(bit / 8)
  view.setUint8(at, view.getUint8(at) ^ (1 << (bit % 8)))
}

/** The first block of the journal: the one with its superblock. */
function journalBlock({ view, bytes }: MemoryImage): number {
  const blocks = Array.from({ length: bytes.length / 1024 }, (_, block) => block)
  return (
    blocks.find(
      block => view.getUint32(block * 1024) === 0xc03b3998 && view.getUint32(block * 1024 + 4) === 4,
    ) ?? 0
  )
}
