import t from 'tap'
import { addMedium, foldMedia, removeMedia, replaceImage } from '../../lib/machine/edit_media.ts'
import type { Medium } from '../../lib/machine/machine.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import type { SettingsDocument } from '../../lib/machine/settings_document.ts'
import { documentOf, textOf } from '../fixtures/replay_settings.ts'
import { settingsText, snapshotText, testUuid } from '../fixtures/settings_text.ts'

const id = testUuid
const disk = (number: number, indent: number, close = '/>'): string =>
  `${' '.repeat(indent)}<HardDisk uuid="{${id(number)}}" location="${number}.vdi" format="VDI"${close}`

/** 1 (2 (3 (4 5 (6)))) and 7. */
const MEDIA = [
  `        <HardDisk uuid="{${id(1)}}" location="1.vdi" format="VDI" type="Normal">`,
  '          <Property name="a" value="b"/>',
  disk(2, 10, '>'),
  disk(3, 12, '>'),
  disk(4, 14),
  disk(5, 14, '>'),
  disk(6, 16),
  '              </HardDisk>',
  '            </HardDisk>',
  '          </HardDisk>',
  '        </HardDisk>',
  `        <HardDisk uuid="{${id(7)}}" location="7.vdi" format="VDI" type="Normal"/>`,
].join('\n')
const TEXT = settingsText({ media: MEDIA })

const shape = (doc: SettingsDocument): string => readSettings(doc).media.map(outline).join(' ')
const outline = (medium: Medium): string =>
  Number(medium.id.slice(-3)) +
  (medium.children.length > 0 ? `(${medium.children.map(outline).join(' ')})` : '')

t.test('foldMedia() hands the children of the topmost to the target', async t => {
  const doc = foldMedia(documentOf(TEXT), id(1), [id(3), id(2)])
  t.equal(shape(doc), '1(4 5(6)) 7')
  const lines = [
    `        <HardDisk uuid="{${id(1)}}" location="1.vdi" format="VDI" type="Normal">`,
    '          <Property name="a" value="b"/>',
    disk(4, 10),
    disk(5, 10, '>'),
    disk(6, 12),
    '          </HardDisk>',
    '        </HardDisk>',
    `        <HardDisk uuid="{${id(7)}}" location="7.vdi" format="VDI" type="Normal"/>`,
  ]
  t.equal(textOf(doc), settingsText({ media: lines.join('\n') }))
  t.equal(shape(foldMedia(documentOf(TEXT), id(2), [id(3)])), '1(2(4 5(6))) 7')
})

t.test('foldMedia() closes a target that is left without children', async t => {
  const doc = foldMedia(documentOf(TEXT), id(5), [id(6)])
  t.equal(
    textOf(doc),
    TEXT.replace(`${disk(5, 14, '>')}\n${disk(6, 16)}\n              </HardDisk>`, disk(5, 14)),
  )
})

t.test('foldMedia() with nothing to fold changes nothing', async t => {
  t.equal(textOf(foldMedia(documentOf(TEXT), id(1), [])), TEXT)
})

for (const { target, removed, why } of [
  { target: 1, removed: [3], why: 'a gap' },
  { target: 2, removed: [1], why: 'the wrong way round' },
  { target: 3, removed: [4], why: 'a child with a sibling' },
  { target: 1, removed: [2, 3, 5], why: 'a sibling on the way' },
  { target: 1, removed: [2, 7], why: 'another tree' },
  { target: 1, removed: [2, 99], why: 'an unknown image' },
  { target: 1, removed: [1, 2], why: 'the target itself' },
]) {
  t.test(`foldMedia() refuses ${why}`, async t => {
    const doc = documentOf(TEXT)
    t.throws(() => foldMedia(doc, id(target), removed.map(id)), { code: 'chain_mismatch' })
    t.equal(textOf(doc), TEXT)
  })
}

t.test('removeMedia() takes leaves, and what is over an image only before it', async t => {
  t.equal(shape(removeMedia(documentOf(TEXT), [id(4)])), '1(2(3(5(6)))) 7')
  t.equal(shape(removeMedia(documentOf(TEXT), [id(7)])), '1(2(3(4 5(6))))')
  t.throws(() => removeMedia(documentOf(TEXT), [id(5)]), { code: 'chain_mismatch' })
  const doc = removeMedia(documentOf(TEXT), [6, 5, 4, 3].map(id))
  t.equal(shape(doc), '1(2) 7')
  t.throws(() => removeMedia(documentOf(TEXT), [3, 4, 5, 6].map(id)), { code: 'chain_mismatch' })
  t.equal(textOf(removeMedia(documentOf(TEXT), [])), TEXT)
  t.match(textOf(doc), `${disk(2, 10)}\n        </HardDisk>`)
})

t.test('addMedium() lists an image as the last child', async t => {
  const doc = addMedium(documentOf(TEXT), id(6), {
    id: id(8),
    location: 'a "<&>ä\n.vdi',
    format: 'VDI',
    autoReset: true,
  })
  const line = `<HardDisk uuid="{${id(8)}}" location="a &quot;&lt;&amp;&gt;&#xE4;&#10;.vdi" format="VDI" autoReset="true"/>`
  t.equal(
    textOf(doc),
    TEXT.replace(disk(6, 16), `${disk(6, 16, '>')}\n                  ${line}\n                </HardDisk>`),
  )
  t.equal(
    shape(addMedium(documentOf(TEXT), id(3), { id: id(8), location: 'a', format: 'VDI' })),
    '1(2(3(4 5(6) 8))) 7',
  )
  t.equal(textOf(removeMedia(doc, [id(8)])), TEXT, 'removeMedia() undoes it')
})

t.test('edits of media refuse images that are not listed, or listed already', async t => {
  const doc = documentOf(TEXT)
  const added = { id: id(8), location: 'a', format: 'VDI' }
  t.throws(() => addMedium(doc, id(9), added), { code: 'image_missing' })
  t.throws(() => addMedium(doc, id(7), { ...added, id: id(6) }), { code: 'chain_mismatch' })
  t.throws(() => addMedium(doc, id(7), { ...added, location: 'a\0' }), { code: 'invalid_options' })
  t.throws(() => removeMedia(doc, [id(9)]), { code: 'image_missing' })
  t.throws(() => foldMedia(doc, id(9), []), { code: 'image_missing' })
  const bare = documentOf(settingsText().replace(/ {4}<MediaRegistry>[\s\S]*<\/MediaRegistry>\n/, ''))
  t.throws(() => addMedium(bare, id(1), added), { code: 'image_missing' })
})

t.test('replaceImage() attaches another image in the states asked for', async t => {
  const between = snapshotText(11, 'a', 1, { children: snapshotText(12, 'b', 1, { indent: '        ' }) })
  const text = settingsText({ media: MEDIA, between, machine: ` currentSnapshot="{${id(12)}}"` })
  const images = (scope: string): string[] => {
    const settings = readSettings(replaceImage(documentOf(text), scope, id(1), id(7)))
    const states = [settings.rootSnapshot, settings.rootSnapshot?.children[0], settings.currentState]
    return states.map(state => state?.attachments[0]?.image.slice(-1) ?? '')
  }
  t.strictSame(images('machine'), ['1', '1', '7'])
  t.strictSame(images('all'), ['7', '7', '7'])
  t.strictSame(images(id(11)), ['7', '1', '1'])
  t.strictSame(images(id(12)), ['1', '7', '1'])
  t.throws(() => images(id(13)), { code: 'snapshot_not_found' })
  t.equal(textOf(replaceImage(documentOf(text), 'all', id(3), id(7))), text)
})

t.test('replaceImage() leaves a DVD with the same UUID alone', async t => {
  const dvd = `<AttachedDevice type="DVD" port="1" device="0"><Image uuid="{${id(1)}}"/></AttachedDevice>`
  const text = settingsText().replace('        </StorageController>', `${dvd}</StorageController>`)
  t.match(textOf(replaceImage(documentOf(text), 'all', id(1), id(7))), dvd)
})
