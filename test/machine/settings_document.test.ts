import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { setExtraData } from '../../lib/machine/edit_extra_data.ts'
import {
  MAX_SETTINGS_BYTES,
  parseSettings,
  parseVirtualBoxXml,
  type SettingsDocument,
  serializeSettings,
} from '../../lib/machine/settings_document.ts'
import { settingsText } from '../fixtures/settings_text.ts'

const RECORDED = new URL('../fixtures/settings/recorded/', import.meta.url)
const FILE = '/machines/web/web.vbox'
const textOf = (doc: SettingsDocument): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(serializeSettings(doc))
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

t.test('serializeSettings() writes what VirtualBox wrote', async t => {
  for (const name of readdirSync(RECORDED)) {
    const bytes = readFileSync(new URL(name, RECORDED))
    t.ok(bytes.equals(serializeSettings(parseSettings(bytes, FILE))), name)
  }
})

const STYLES: Readonly<Record<string, string>> = {
  'lines that end in CRLF': settingsText().replaceAll('\n', '\r\n'),
  'a byte order mark': `\ufeff${settingsText()}`,
  'single quotes and spaces in tags': settingsText().replaceAll('"', "'").replaceAll('/>', ' />'),
  'everything on one line': settingsText().replaceAll(/\n */g, ''),
  'no final line end': settingsText().trimEnd(),
  'references where none is needed': settingsText().replace('"web"', '"&#x77;e&#98;&quot;&gt;>"'),
  'white space in attributes': settingsText().replace('"web"', '"w\te\n&#10;&#9;b"'),
}

for (const [name, text] of Object.entries(STYLES)) {
  t.test(`an edit leaves ${name} alone`, async t => {
    const doc = parseSettings(bytesOf(text), FILE)
    t.equal(textOf(doc), text, 'unedited')
    const edited = setExtraData(doc, 'a', 'b')
    t.not(textOf(edited), text)
    t.equal(textOf(doc), text, 'the document that was edited stays as it was')
    t.equal(textOf(setExtraData(edited, 'a', undefined)), text, 'edited and edited back')
  })
}

t.test('what is added has the style of the file', async t => {
  const crlf = settingsText().replaceAll('\n', '\r\n')
  const added = setExtraData(parseSettings(bytesOf(crlf), FILE), 'a', 'ä')
  const text = textOf(added)
  t.match(
    text,
    '    <ExtraData>\r\n      <ExtraDataItem name="a" value="&#xE4;"/>\r\n    </ExtraData>\r\n    <Hardware>\r\n',
  )
  t.notMatch(text, /[^\r]\n/)
  const quoted = settingsText()
    .replaceAll('"', "'")
    .replaceAll('/>', ' />')
    .replace("'1.0'?", "'1.0' encoding='UTF-8'?")
  const other = setExtraData(parseSettings(bytesOf(quoted), FILE), 'a', "ä'")
  t.match(textOf(other), "<ExtraDataItem name='a' value='ä&apos;' />")
})

for (let minor = 11; minor <= 19; minor++) {
  t.test(`parseSettings() reads settings version 1.${minor}`, async t => {
    for (const platform of ['', '-linux', '-windows', '-macosx', '-solaris', '-freebsd']) {
      t.ok(parseSettings(bytesOf(settingsText({ version: `1.${minor}${platform}` })), FILE))
    }
    const namespace = 'http://www.innotek.de/VirtualBox-settings'
    t.ok(parseSettings(bytesOf(settingsText({ version: `1.${minor}-linux`, namespace })), FILE))
  })
}

for (const version of ['1.10-linux', '1.20-linux', '2.0-linux', '1.19.1', '1.', '', '1.19-', 'x']) {
  t.test(`parseSettings() refuses settings version "${version}" by name`, async t => {
    t.throws(() => parseSettings(bytesOf(settingsText({ version })), FILE), {
      code: 'unsupported',
      message: `Cannot read "${FILE}": its settings version is "${version}"`,
    })
  })
}

const CORRUPT: Readonly<Record<string, Uint8Array>> = {
  'an empty file': new Uint8Array(0),
  zeros: new Uint8Array(4096),
  'a NUL in it': bytesOf(settingsText().replace('web', 'w\0b')),
  'UTF-16': new Uint8Array(Buffer.from(`\ufeff${settingsText()}`, 'utf16le')),
  'Latin-1': new Uint8Array(Buffer.from(settingsText().replace('web', 'wäb'), 'latin1')),
  'half a file': bytesOf(settingsText().slice(0, 700)),
  'another root': bytesOf('<a xmlns="http://www.virtualbox.org/" version="1.19-linux"/>'),
  'another namespace': bytesOf(settingsText({ namespace: 'http://example.org/' })),
  'no namespace': bytesOf('<VirtualBox version="1.19-linux"><Machine/></VirtualBox>'),
  'no version': bytesOf('<VirtualBox xmlns="http://www.virtualbox.org/"><Machine/></VirtualBox>'),
  'no machine': bytesOf('<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux"/>'),
  'a document type': bytesOf(
    settingsText().replace('<VirtualBox', '<!DOCTYPE VirtualBox [<!ENTITY a "b">]><VirtualBox'),
  ),
  'an unknown entity': bytesOf(settingsText().replace('web', '&web;')),
  'too many bytes': new Uint8Array(MAX_SETTINGS_BYTES + 1),
}

for (const [name, bytes] of Object.entries(CORRUPT)) {
  t.test(`parseSettings() refuses ${name} and names the copy`, async t => {
    t.throws(() => parseSettings(bytes, FILE), {
      code: 'settings_corrupt',
      message: /^Cannot read "\/machines\/web\/web\.vbox": .*; VirtualBox keeps the version before .*"-prev"/,
    })
  })
}

t.test('parseSettings() refuses a machine that is encrypted as a whole', async t => {
  const text =
    '<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">' +
    '<MachineEncrypted uuid="{7e04f2a0-8985-4a26-8303-6abb95e25dcc}" keyId="a" keyStore="b">Yg==</MachineEncrypted></VirtualBox>'
  t.throws(() => parseSettings(bytesOf(text), FILE), { code: 'image_encrypted' })
})

t.test('parseVirtualBoxXml() reads settings without a machine', async t => {
  const text = '<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global/></VirtualBox>'
  t.equal(parseVirtualBoxXml(bytesOf(text), FILE).xml.root.name, 'VirtualBox')
})
