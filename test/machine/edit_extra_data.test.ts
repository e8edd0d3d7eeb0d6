import t from 'tap'
import { setExtraData } from '../../lib/machine/edit_extra_data.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import { documentOf, textOf } from '../fixtures/replay_settings.ts'
import { settingsText } from '../fixtures/settings_text.ts'

const ITEMS = '      <ExtraDataItem name="b" value="1"/>\n      <ExtraDataItem name="d" value="2"/>'
const TEXT = settingsText({ between: `    <ExtraData>\n${ITEMS}\n    </ExtraData>` })

for (const { name, at } of [
  { name: 'a', at: 0 },
  { name: 'B', at: 0 },
  { name: 'ba', at: 1 },
  { name: 'c', at: 1 },
  { name: 'é', at: 2 },
]) {
  t.test(`setExtraData() puts "${name}" where VirtualBox would`, async t => {
    const names = [...readSettings(setExtraData(documentOf(TEXT), name, 'x')).extraData.keys()]
    t.equal(names.indexOf(name), at)
    t.equal(names.length, 3)
  })
}

t.test('setExtraData() orders names by their UTF-8 bytes', async t => {
  const doc = setExtraData(setExtraData(documentOf(TEXT), '\u{1F600}', 'x'), '\uFF5E', 'y')
  t.strictSame([...readSettings(doc).extraData.keys()], ['b', 'd', '\uFF5E', '\u{1F600}'])
})

t.test('setExtraData() changes a value in its place', async t => {
  t.equal(textOf(setExtraData(documentOf(TEXT), 'b', '1')), TEXT)
  t.equal(
    textOf(setExtraData(documentOf(TEXT), 'b', 'x\n"')),
    TEXT.replace('value="1"', 'value="x&#10;&quot;"'),
  )
})

t.test('setExtraData() makes the list and takes it away', async t => {
  const doc = setExtraData(documentOf(settingsText()), 'b', '1')
  t.equal(textOf(setExtraData(doc, 'd', '2')), TEXT)
  t.equal(textOf(setExtraData(doc, 'b', undefined)), settingsText())
  t.equal(
    textOf(setExtraData(documentOf(TEXT), 'b', undefined)),
    TEXT.replace(/ *<ExtraDataItem name="b".*\n/, ''),
  )
  t.equal(textOf(setExtraData(documentOf(TEXT), 'c', undefined)), TEXT, 'an item that is not there')
})

t.test('setExtraData() puts the list behind the media and in front of snapshots', async t => {
  t.match(
    textOf(setExtraData(documentOf(settingsText()), 'a', 'b')),
    '    </MediaRegistry>\n    <ExtraData>\n',
  )
})

t.test('setExtraData() refuses what XML cannot hold', async t => {
  t.throws(() => setExtraData(documentOf(TEXT), 'a', '\x1b'), { code: 'invalid_options' })
  t.throws(() => setExtraData(documentOf(TEXT), '\ud800', ''), { code: 'invalid_options' })
})
