// The fixtures of the guest tests, with e2fsprogs as the parser: they must find a loss, and find none where none is.
import t from 'tap'
import type { ByteRange } from '../../lib/guest/device.ts'
import { type Format, keptFileSystem } from '../../lib/guest/file_system.ts'
import { fileDevice, makeDiskImage } from '../fixtures/guest/disk_image.ts'
import { fuzz } from '../fixtures/guest/fuzz.ts'
import { powerCut, withMount } from '../fixtures/guest/mount.ts'
import { findsMutation, type Patient, poison } from '../fixtures/guest/poison.ts'
import { requireTools, runTool } from '../fixtures/guest/tools.ts'
import { hashFiles, writeTree } from '../fixtures/guest/tree.ts'

const skip = requireTools('root', 'mkfs.ext4', 'dumpe2fs', 'e2fsck')
const BLOCK = 4096

async function ext4Image(t: Parameters<typeof makeDiskImage>[0]): Promise<Patient> {
  const image = await makeDiskImage(t, 64)
  await runTool('mkfs.ext4', '-q', '-F', '-b', String(BLOCK), image)
  await withMount(image, {}, folder => writeTree(folder, 1, { files: 40 }))
  return {
    image,
    check: path => runTool('e2fsck', '-fn', path),
    hash: path => hashFiles(path),
  }
}

/** As a format, what another program says of the image. */
async function formatOf(image: string): Promise<Format> {
  const { stdout } = await runTool('dumpe2fs', image)
  const ranges: ByteRange[] = [...stdout.matchAll(/^ {2}Free blocks: (.+)$/gm)]
    .flatMap(([, list]) => (list ?? '').split(', '))
    .map(text => text.split('-').map(Number))
    .map(([first = 0, last = first]) => ({ start: first * BLOCK, length: (last - first + 1) * BLOCK }))
  return formatFrom(ranges)
}

function formatFrom(ranges: readonly ByteRange[]): Format {
  return {
    kind: 'oracle',
    probe: async device => ({
      ...keptFileSystem({ kind: 'oracle', size: device.size }, { code: 'unknown', found: '' }),
      keep: undefined,
      freeRanges: async found => {
        for (const { start, length } of ranges) found(start, length)
      },
    }),
  }
}

t.test('overwriting what is free loses nothing, and one block more does', { skip }, async t => {
  const patient = await ext4Image(t)
  const poisoned = await poison(t, patient, await formatOf(patient.image))
  t.same(poisoned.losses, [])
  t.ok(poisoned.freeBytes > 30 * 2 ** 20, `${poisoned.freeBytes} bytes`)
  t.ok(await findsMutation(patient, poisoned, BLOCK, 7))
  const device = await fileDevice(t, patient.image)
  const all = formatFrom([{ start: 2 ** 20, length: device.size - 2 ** 20 }])
  t.not((await poison(t, patient, all)).losses.length, 0)
})

t.test('ranges that overlap or are outside are no free ranges', { skip }, async t => {
  const patient = await ext4Image(t)
  const wrong: ByteRange[][] = [
    [
      { start: 0, length: 4096 },
      { start: 4095, length: 1 },
    ],
    [{ start: 64 * 2 ** 20 - 1, length: 2 }],
    [{ start: 5, length: 0 }],
    [{ start: 0.5, length: 1 }],
  ]
  for (const ranges of wrong) await t.rejects(poison(t, patient, formatFrom(ranges)), /free range/)
})

t.test('a disk copied while it is mounted has what was flushed, in a journal', { skip }, async t => {
  const image = await makeDiskImage(t, 64)
  await runTool('mkfs.ext4', '-q', '-F', image)
  const cut = await withMount(image, {}, async folder => {
    await writeTree(folder, 3, { files: 30, fsync: true, removed: 0 })
    return await powerCut(image)
  })
  const { stdout } = await runTool('dumpe2fs', '-h', cut)
  t.match(stdout, /needs_recovery/)
  const files = [...(await hashFiles(image)).keys()]
  t.ok(files.length > 30)
})

t.test('fuzzing finds what throws, what reads without end, and what calls used bytes free', async t => {
  const device = { size: 2 ** 20, read: async (buffer: Uint8Array) => void buffer.fill(1) }
  const seen = async (format: Format): Promise<string> => {
    const outcome = await fuzz({
      device,
      format,
      regions: [{ start: 0, length: 64 }],
      seed: 1,
      seconds: 20,
      rounds: 60,
      hasChecksums: true,
      limits: { reads: 100 },
    })
    return outcome.failures.join('\n')
  }
  const bad = (act: () => Promise<ByteRange[]>): Format => ({
    kind: 'bad',
    probe: async device => {
      const bytes = new Uint8Array(64)
      await device.read(bytes, 0)
      const ranges = bytes.every(byte => byte === 1) ? [{ start: 64, length: 64 }] : await act()
      return (await formatFrom(ranges).probe(device)) ?? undefined
    },
  })
  const whole = [{ start: 64, length: 64 }]
  t.equal(await seen(bad(async () => whole)), '')
  t.match(await seen(bad(async () => [{ start: 64, length: 65 }])), /in use/)
  t.match(
    await seen(bad(async () => Promise.reject(new RangeError('Offset is outside')))),
    /threw RangeError/,
  )
  const endless: Format = {
    kind: 'endless',
    probe: async device => {
      const byte = new Uint8Array(1)
      await device.read(byte, 0)
      const isWhole = new Uint8Array(64)
      await device.read(isWhole, 0)
      while (isWhole.some(value => value !== 1)) await device.read(byte, 0)
      return await formatFrom(whole).probe(device)
    },
  }
  t.match(await seen(endless), /more than 100 reads/)
})
