// Logs that debugfs wrote, replayed in memory: every block has to be what e2fsck makes of it. And logs with a fault.
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { makeDiskImage } from '../../../fixtures/guest/disk_image.ts'
import { requireTools, runTool } from '../../../fixtures/guest/tools.ts'
import { type Random, randomFrom, seedOfRun } from '../../../fixtures/random.ts'
import {
  changed,
  deviceOf,
  foundOn,
  imageOf,
  type MemoryImage,
  memoryImage,
  whyKeptOn,
} from './memory_image.ts'
import { compareReplays } from './replayed_view.ts'

const BLOCK = 1024
const skip = requireTools('mkfs.ext4', 'debugfs', 'e2fsck', 'dumpe2fs')
const seed = seedOfRun()

/** Free blocks that a log may write to. */
const [FIRST_FREE, LAST_FREE] = [5000, 5060]

interface Kind {
  readonly name: string
  readonly features: string
  /** Options of the command that opens a journal in debugfs. */
  readonly open: string
}

const kinds: readonly Kind[] = [
  { name: 'no checksums', features: '64bit', open: '' },
  { name: 'no checksums, no 64bit', features: '^64bit', open: '' },
  { name: 'checksums of version 2', features: '64bit', open: '-c -v 2' },
  { name: 'checksums of version 2, no 64bit', features: '^64bit', open: '-c -v 2' },
  { name: 'checksums of version 3', features: '64bit', open: '-c -v 3' },
  { name: 'checksums of version 3, no 64bit', features: '^64bit', open: '-c -v 3' },
]

for (const kind of kinds) {
  t.test(`random logs with ${kind.name} replay as e2fsck replays them`, { skip }, async t => {
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const random = randomFrom(seed)
    for (let round = 0; round < 2; round++) {
      const transactions = random.between(1, 12)
      const image = await loggedImage(t, kind, await randomLog(t, random, transactions))
      const { differing, changed: written, transactions: found } = await compareReplays(t, image)
      t.same(differing, [], `round ${round}: ${transactions} transactions`)
      t.equal(found, transactions)
      t.ok(written > 0)
    }
  })
}

t.test('a transaction without its end is not replayed', { skip }, async t => {
  const data = await dataFile(t, randomFrom(seed), 4)
  const kind = kinds[4] as Kind
  const image = await loggedImage(t, kind, [`jw -b 5001 ${data}`, `jw -c -b 5002,5003 ${data}`])
  const { differing, transactions } = await compareReplays(t, image)
  t.same([differing, transactions], [[], 1])
})

t.test('a revocation holds for its own transaction too', { skip }, async t => {
  const data = await dataFile(t, randomFrom(seed), 1)
  const kind: Kind = { name: 'plain', features: '^metadata_csum', open: '' }
  const path = await loggedImage(t, kind, [`jw -b 5001 ${data}`, 'jw -r 5001', `jw -b 5002 ${data}`])
  const { stdout } = await runTool('debugfs', '-R', 'blocks <8>', path)
  const log = Number(stdout.trim().split(/\s+/)[0]) * BLOCK
  // Blocks 4 and 5, the revocation and a commit, become 3 and 4; what follows is the next transaction.
  const { bytes, view } = await imageOf(path)
  bytes.copyWithin(log + 3 * BLOCK, log + 4 * BLOCK, log + 9 * BLOCK)
  bytes.fill(0, log + 8 * BLOCK, log + 9 * BLOCK)
  for (const [block, sequence] of [
    [3, 1],
    [4, 1],
    [5, 2],
    [7, 2],
  ] as const)
    view.setUint32(log + block * BLOCK + 8, sequence)
  await writeFile(path, bytes)
  const { differing, changed: written, transactions } = await compareReplays(t, path)
  t.same([differing, transactions], [[], 2])
  // Block 5002, the superblock and that of the journal.
  t.equal(written, 3)
})

t.test('a log with a fault keeps the file system', { skip }, async t => {
  const data = await dataFile(t, randomFrom(seed), 4)
  const commands = [`jw -b 5001,5002 ${data}`, 'jw -r 5002', `jw -b 5003 ${data}`]
  // Block 1 describes blocks 2 and 3, 4 commits, 5 revokes, 6 commits, 7 describes 8, 9 commits.
  const checksums: readonly [string, number, number][] = [
    ['a descriptor block', 1, 0x10],
    ['a revoked block', 3, 100],
    ['a commit block', 4, 0x30],
    ['a revocation block', 5, 0x13],
    ['the last descriptor block', 7, 0x0f],
    ['the last logged block', 8, 1000],
    ['the last commit block', 9, 0x37],
  ]
  for (const kind of kinds.filter(({ open }) => open !== '')) {
    const { image, journal } = await memoryLog(t, kind, commands)
    t.equal(await whyKeptOn(deviceOf(image)), undefined)
    for (const [what, block, at] of checksums) {
      const place = journal + block * BLOCK + at
      const faulty = changed(image, view => view.setUint8(place, view.getUint8(place) ^ 0x20))
      const reason = await whyKeptOn(deviceOf(faulty))
      // A revoked block is not replayed, whatever it is.
      if (what === 'a revoked block') t.equal(reason, undefined, `${kind.name}: ${what}`)
      else
        t.match(reason, { code: 'unclean', found: /a checksum in its log is wrong/ }, `${kind.name}: ${what}`)
    }
  }
})

t.test('a log without checksums that is not as it should be keeps the file system', { skip }, async t => {
  const data = await dataFile(t, randomFrom(seed), 4)
  const kind = kinds[1] as Kind
  const { image, journal } = await memoryLog(t, kind, [`jw -b 5001,5002 ${data}`, 'jw -r 5002'])
  t.equal(await whyKeptOn(deviceOf(image)), undefined)
  const at = (block: number, offset: number): number => journal + block * BLOCK + offset
  const journalBlock = journal / BLOCK
  const faults: readonly [string, number, number, RegExp][] = [
    ['an unknown kind of block', at(4, 0x04), 7, /block of type 7/],
    ['a superblock in the log', at(4, 0x04), 4, /block of type 4/],
    ['a target outside', at(1, 0x0c), 16384, /writes to block 16384/],
    ['the boot block as a target', at(1, 0x0c), 0, /writes to block 0/],
    ['a target in the journal', at(1, 0x0c), journalBlock + 9, /of itself/],
    ['an unknown flag', at(1, 0x10), 0x40, /unknown flags 0x40/],
    ['a deleted block', at(1, 0x10), 0x4, /unknown flags 0x4/],
    ['no last block', at(1, 0x28), 0x2, /has no end|unknown flags|writes to/],
    ['too short a revocation', at(5, 0x0c), 15, /has 15 bytes/],
    ['too long a revocation', at(5, 0x0c), 1028, /has 1028 bytes/],
    ['a crooked revocation', at(5, 0x0c), 18, /has 18 bytes/],
  ]
  for (const [what, place, value, found] of faults) {
    const faulty = changed(image, view => view.setUint32(place, value))
    t.match(await whyKeptOn(deviceOf(faulty)), { code: 'unclean', found }, what)
  }
  const endless = changed(image, view => {
    // Nothing but revocations, as if the log had no end.
    for (let block = 1; block < 1024; block++) {
      const bytes = new Uint8Array(view.buffer, at(5, 0), BLOCK).slice()
      new Uint8Array(view.buffer).set(bytes, at(block, 0))
      view.setUint32(at(block, 8), 1)
    }
  })
  t.match(await whyKeptOn(deviceOf(endless)), { code: 'unclean', found: /its log has no end/ })
})

t.test('metadata that the log makes wrong keep the file system', { skip }, async t => {
  const data = await dataFile(t, randomFrom(seed), 4)
  const kind = { ...(kinds[4] as Kind), name: 'metadata' }
  const cases: readonly [string, number, RegExp][] = [
    ['the superblock', 1, /no superblock afterwards/],
    ['the descriptors', 2, /checksum of its group 0/],
  ]
  for (const [what, block, found] of cases) {
    const { image } = await memoryLog(t, kind, [`jw -b ${block} ${data}`])
    t.match(await whyKeptOn(deviceOf(image)), { found }, what)
  }
})

t.test('metadata that the log moves keep the file system', { skip }, async t => {
  // Without checksums, so that nothing but the change itself stands against it.
  const kind: Kind = { name: 'metadata', features: '^metadata_csum,^resize_inode', open: '' }
  const plain = await imageOf(await loggedImage(t, kind, []))
  const table = plain.view.getUint32(2 * BLOCK + 8, true)
  const inode8 = 7 * plain.view.getUint16(1024 + 0x58, true)
  const cases: readonly [string, number, number, RegExp][] = [
    ['the size', 1, 0x04, /another size afterwards/],
    ['the groups', 1, 0x20, /another size afterwards|groups/],
    ['the journal', table + Math.floor(inode8 / BLOCK), (inode8 % BLOCK) + 0x04, /superblock of its journal/],
  ]
  for (const [what, block, offset, found] of cases) {
    const path = join(dirname(await makeDiskImage(t, 1)), 'data')
    const bytes = Buffer.from(plain.bytes.slice(block * BLOCK, (block + 1) * BLOCK))
    // Of the superblock and of the inode: the lower half of a length.
    bytes.writeUInt32LE(bytes.readUInt32LE(offset) - (block === 1 ? 8 : BLOCK), offset)
    await writeFile(path, bytes)
    const { image } = await memoryLog(t, kind, [`jw -b ${block} ${path}`])
    t.match((await whyKeptOn(deviceOf(image)))?.found, found, what)
  }
})

t.test('a replay of nothing gives what is free', { skip }, async t => {
  const whole = await memoryImage(t, '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum')
  const image = changed(whole, view =>
    view.setUint32(1024 + 0x60, view.getUint32(1024 + 0x60, true) + 4, true),
  )
  t.match(await foundOn(deviceOf(image)), { keep: undefined, freeBytes: undefined })
  t.equal(await whyKeptOn(deviceOf(image)), undefined)
})

/** Commands of debugfs that write a log: blocks, among them such that look like the log's own, and revocations. */
async function randomLog(t: Teardown, random: Random, transactions: number): Promise<string[]> {
  const commands: string[] = []
  for (let number = 0; number < transactions; number++) {
    if (number > 0 && random.chance(30)) {
      commands.push(`jw -r ${targets(random, random.between(1, 8)).join(',')}`)
    } else {
      const blocks = targets(random, random.between(1, 30))
      commands.push(`jw -b ${blocks.join(',')} ${await dataFile(t, random, blocks.length)}`)
    }
  }
  return commands
}

function targets(random: Random, count: number): number[] {
  const all = Array.from({ length: LAST_FREE - FIRST_FREE }, (_, at) => FIRST_FREE + at)
  return random.shuffle(all).slice(0, count)
}

type Teardown = Parameters<typeof makeDiskImage>[0]

let files = 0

async function dataFile(t: Teardown, random: Random, blocks: number): Promise<string> {
  const path = join(dirname(await makeDiskImage(t, 1)), `data ${files++}`.replace(' ', ''))
  const bytes = Buffer.from(Array.from({ length: blocks * BLOCK }, () => random.between(0, 255)))
  for (let block = 0; block < blocks; block++) {
    if (random.chance(30)) bytes.writeUInt32BE(0xc03b3998, block * BLOCK)
  }
  await writeFile(path, bytes)
  return path
}

async function loggedImage(
  t: Teardown,
  { features, open }: Kind,
  commands: readonly string[],
): Promise<string> {
  const image = await makeDiskImage(t, 16)
  await runTool('mke2fs', '-q', '-F', '-t', 'ext4', '-b', String(BLOCK), '-O', features, image)
  const script = join(dirname(image), 'commands')
  await writeFile(script, [`jo ${open}`.trim(), ...commands, 'jc', ''].join('\n'))
  await runTool('debugfs', '-w', '-f', script, image)
  return image
}

async function memoryLog(
  t: Teardown,
  kind: Kind,
  commands: readonly string[],
): Promise<{ image: MemoryImage; journal: number }> {
  const path = await loggedImage(t, kind, commands)
  const { stdout } = await runTool('debugfs', '-R', 'blocks <8>', path)
  return { image: await imageOf(path), journal: Number(stdout.trim().split(/\s+/)[0]) * BLOCK }
}
