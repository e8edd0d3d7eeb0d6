import t from 'tap'
import { drawDiskMap } from '../../../lib/face/cli/disk_map.ts'
import { glyphsFor } from '../../../lib/face/cli/screen.ts'
import { sampleDisk } from './fixtures/samples.ts'

const UNICODE = glyphsFor({ LC_ALL: 'de_DE.UTF-8' })
const ASCII = glyphsFor({ LANG: 'C' })

/** A disk of parts of 100 bytes each, `[base, newer, unused]` in each. */
function disk(...parts: readonly (readonly [number, number, number])[]) {
  const cells = parts.map(([base, newer, free]) => ({
    held: [
      { level: 0, bytes: base },
      { level: 3, bytes: newer },
    ],
    zero: 1,
    unallocated: 99 - base - newer - free,
    free,
  }))
  return sampleDisk({ map: { capacity: cells.length * 100, cellSize: 100, cells, visible: [] } })
}

t.test('each part shows by its shape what most of it is, and a little data is never nothing', async t => {
  const parts = disk([99, 0, 0], [20, 70, 0], [20, 0, 70], [1, 0, 0], [0, 0, 1], [0, 0, 0])
  t.equal(drawDiskMap(parts, 80, UNICODE)[0], '█▓▒░░·')
  t.equal(drawDiskMap(parts, 80, ASCII)[0], '#+x--.')
})

t.test('the line below says what there is, with its bytes', async t => {
  const parts = disk(...Array.from({ length: 40 }, () => [99, 0, 0] as const), [0, 0, 0])
  t.strictSame(drawDiskMap(parts, 80, UNICODE).slice(1), ['█ base image 3.9 KiB   · nothing 140 B'])
})

t.test('a disk of many parts is drawn in as many columns as there are', async t => {
  const parts = disk(...Array.from({ length: 120 }, (_, at) => [at < 60 ? 99 : 0, 0, 0] as const))
  for (const columns of [1, 7, 40, 119, 120, 200]) {
    const [strip = ''] = drawDiskMap(parts, columns, ASCII)
    t.equal(strip.length, Math.min(columns, 120))
    if (columns > 1) t.match(strip, /^#+-?\.+$/)
  }
})

t.test('a disk that cannot be read says why', async t => {
  const problem = { code: 'image_missing', message: 'the image \u001b is missing' } as const
  t.strictSame(drawDiskMap(sampleDisk({ map: null, problem }), 80, UNICODE), ['the image \\x1b is missing'])
})

t.test('what a locale cannot show is drawn in ASCII', async t => {
  t.equal(glyphsFor({}).base, '#')
  t.equal(glyphsFor({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }).base, '#')
  t.equal(glyphsFor({ LANG: 'en_US.utf8' }).base, '█')
  t.equal(glyphsFor({ WT_SESSION: 'x' }).base, '█')
})
