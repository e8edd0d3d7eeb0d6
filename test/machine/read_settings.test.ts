import t from 'tap'
import type { MachineSettings } from '../../lib/machine/machine.ts'
import { eachSnapshot } from '../../lib/machine/media_graph.ts'
import { readIdentity, readSettings } from '../../lib/machine/read_settings.ts'
import { parseSettings } from '../../lib/machine/settings_document.ts'
import { settingsText, snapshotText, testUuid } from '../fixtures/settings_text.ts'

const FILE = '/machines/web/web.vbox'
const read = (text: string): MachineSettings =>
  readSettings(parseSettings(new TextEncoder().encode(text), FILE))

const MEDIA = [
  `        <HardDisk uuid="{${testUuid(1)}}" location="web.vdi" format="VDI" type="Normal">`,
  '          <Property name="a" value="b"/>',
  `          <HardDisk uuid="{${testUuid(2)}}" location="Snapshots/../Snapshots/2.vdi" format="VDI">`,
  `            <HardDisk uuid="{${testUuid(3)}}" location="/else/where.vdi" format="vdi" autoReset="true"/>`,
  '          </HardDisk>',
  `          <HardDisk uuid="{${testUuid(4)}}" location="4.vdi" format="VDI"/>`,
  '        </HardDisk>',
  `        <HardDisk uuid="{${testUuid(5)}}" location="5.vdi" format="VDI" type="immutable"/>`,
].join('\n')

t.test('readSettings() reads a machine without snapshots', async t => {
  t.strictSame(read(settingsText()), {
    file: FILE,
    version: '1.19-linux',
    id: testUuid(100),
    name: 'web',
    snapshotFolder: '/machines/web/Snapshots',
    aborted: false,
    currentStateModified: true,
    currentSnapshot: undefined,
    rootSnapshot: undefined,
    currentState: {
      attachments: [{ controller: 'SATA', port: 0, device: 0, image: testUuid(1) }],
      stateFile: undefined,
      nvramFile: undefined,
    },
    media: [
      {
        id: testUuid(1),
        location: 'web.vdi',
        path: '/machines/web/web.vdi',
        format: 'VDI',
        type: 'Normal',
        autoReset: false,
        encrypted: false,
        parent: undefined,
        children: [],
      },
    ],
    extraData: new Map(),
  })
})

t.test('readSettings() reads attributes of the machine', async t => {
  const machine =
    ' stateFile="Snapshots\\a.sav" snapshotFolder="C:\\Snaps" currentStateModified="0" aborted="yes"'
  const settings = read(settingsText({ machine, bios: '        <NVRAM path="web.nvram"/>' }))
  t.equal(settings.currentState.stateFile, '/machines/web/Snapshots/a.sav')
  t.equal(settings.currentState.nvramFile, '/machines/web/web.nvram')
  t.equal(settings.snapshotFolder, '/machines/web/C:/Snaps')
  t.equal(settings.currentStateModified, false)
  t.equal(settings.aborted, true)
  t.equal(read(settingsText({ machine: '' })).snapshotFolder, '/machines/web/Snapshots')
})

t.test('readSettings() reads media with their children', async t => {
  const [normal, immutable] = read(settingsText({ media: MEDIA })).media
  t.match(normal, {
    id: testUuid(1),
    type: 'Normal',
    children: [
      {
        id: testUuid(2),
        parent: testUuid(1),
        type: undefined,
        path: '/machines/web/Snapshots/2.vdi',
        location: 'Snapshots/../Snapshots/2.vdi',
        children: [
          { id: testUuid(3), path: '/else/where.vdi', format: 'vdi', autoReset: true, parent: testUuid(2) },
        ],
      },
      { id: testUuid(4), children: [] },
    ],
  })
  t.equal(immutable?.type, 'Immutable')
})

t.test('readSettings() takes a whole tree over an encrypted base for encrypted', async t => {
  for (const name of ['CRYPT/KeyId', 'CRYPT/KeyStore']) {
    const [first, second] = read(settingsText({ media: MEDIA.replace('name="a"', `name="${name}"`) })).media
    t.equal(first?.encrypted, true)
    t.equal(first?.children[0]?.children[0]?.encrypted, true)
    t.equal(second?.encrypted, false)
  }
})

for (const controllers of ['inside', 'beside'] as const) {
  t.test(
    `readSettings() finds storage controllers ${controllers} the hardware, in every version`,
    async t => {
      for (let minor = 11; minor <= 19; minor++) {
        const settings = read(settingsText({ version: `1.${minor}-windows`, controllers }))
        t.equal(settings.currentState.attachments.length, 1, `1.${minor}`)
      }
    },
  )
}

t.test('readSettings() leaves out DVDs and floppies, and keeps images of other registries', async t => {
  const dvd = `<AttachedDevice type="DVD" port="1" device="0"><Image uuid="{${testUuid(9)}}"/></AttachedDevice>`
  const text = settingsText({ image: testUuid(77) }).replace(
    '        </StorageController>',
    `${dvd}</StorageController>`,
  )
  t.strictSame(
    read(text).currentState.attachments.map(({ image }) => image),
    [testUuid(77)],
  )
})

t.test('readSettings() reads a tree of snapshots', async t => {
  const children = [
    snapshotText(12, 'b &quot;&#10;', 2, { indent: '        ', attributes: ' stateFile="x\\y.sav"' }),
    snapshotText(13, 'c', 3, { indent: '        ' }),
  ].join('\n')
  const between = snapshotText(11, 'a', 1, { children }).replace(
    '      <Hardware>',
    '      <Description>two\r\nlines &lt;<![CDATA[<&]]><!-- no --></Description>\n      <Hardware>',
  )
  const machine = ` currentSnapshot="{${testUuid(13).toUpperCase()}}"`
  const settings = read(settingsText({ between, machine, media: MEDIA }))
  t.equal(settings.currentSnapshot, testUuid(13))
  t.match(settings.rootSnapshot, {
    id: testUuid(11),
    name: 'a',
    description: 'two\nlines <<&',
    timeStamp: '2026-01-02T00:00:00Z',
    parent: undefined,
    attachments: [{ image: testUuid(1) }],
    children: [
      { id: testUuid(12), name: 'b "\n', parent: testUuid(11), stateFile: '/machines/web/x/y.sav' },
      { id: testUuid(13), description: '', stateFile: undefined },
    ],
  })
})

t.test('readSettings() reads 500 snapshots on top of each other', async t => {
  const open = Array.from({ length: 500 }, (_, index) => {
    const image = `<StorageController name="a"><AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{${testUuid(1)}}"/></AttachedDevice></StorageController>`
    return `<Snapshot uuid="{${testUuid(1000 + index)}}" name="s" timeStamp="x"><Hardware><StorageControllers>${image}</StorageControllers></Hardware><Snapshots>`
  })
  const between = open.join('') + '</Snapshots></Snapshot>'.repeat(500)
  const disks = Array.from(
    { length: 500 },
    (_, index) => `<HardDisk uuid="${testUuid(2000 + index)}" location="${index}.vdi" format="VDI">`,
  )
  const media = disks.join('') + '</HardDisk>'.repeat(500)
  const settings = read(settingsText({ between, media, machine: ` currentSnapshot="${testUuid(1499)}"` }))
  t.equal([...eachSnapshot(settings.rootSnapshot)].length, 500)
  t.equal(settings.media.length, 1)
})

t.test('readSettings() reads extra data, whatever its names', async t => {
  const between =
    '<ExtraData><ExtraDataItem name="__proto__" value="a&#10;b"/><ExtraDataItem name="" value=""/></ExtraData>'
  t.strictSame(
    [...read(settingsText({ between })).extraData],
    [
      ['__proto__', 'a\nb'],
      ['', ''],
    ],
  )
})

t.test('readIdentity() reads UUID and name', async t => {
  const doc = parseSettings(new TextEncoder().encode(settingsText()), FILE)
  t.strictSame(readIdentity(doc), { id: testUuid(100), name: 'web' })
})

const current = ` currentSnapshot="{${testUuid(11)}}"`
const root = snapshotText(11, 'a', 1)
const CORRUPT: Readonly<Record<string, string>> = {
  'a machine without UUID': settingsText().replace(`uuid="{${testUuid(100)}}" `, ''),
  'a machine without name': settingsText().replace('name="web"', ''),
  'a UUID that is none': settingsText().replace(testUuid(100), testUuid(100).slice(1)),
  'a UUID with one brace': settingsText().replace(`{${testUuid(100)}}`, `{${testUuid(100)}`),
  'the zero UUID': settingsText().replace(testUuid(100), '00000000-0000-0000-0000-000000000000'),
  'a medium without UUID': settingsText({ media: '<HardDisk location="a" format="VDI"/>' }),
  'a medium without location': settingsText({ media: `<HardDisk uuid="${testUuid(1)}" format="VDI"/>` }),
  'a medium without format': settingsText({ media: `<HardDisk uuid="${testUuid(1)}" location="a"/>` }),
  'a medium twice': settingsText({ media: MEDIA.replace(testUuid(3), testUuid(5)) }),
  'a truth value that is none': settingsText({
    media: MEDIA.replace('autoReset="true"', 'autoReset="maybe"'),
  }),
  'an attachment without image': settingsText().replace(`<Image uuid="{${testUuid(1)}}"/>`, ''),
  'an image without UUID': settingsText().replace(`<Image uuid="{${testUuid(1)}}"/>`, '<Image/>'),
  'a port that is no number': settingsText().replace('port="0"', 'port="-1"'),
  'a port that is missing': settingsText().replace('port="0" ', ''),
  'a controller without name': settingsText().replace('name="SATA" ', ''),
  'a snapshot twice': settingsText({
    machine: current,
    between: snapshotText(11, 'a', 1, { children: snapshotText(11, 'b', 1) }),
  }),
  'two first snapshots': settingsText({ machine: current, between: `${root}\n${snapshotText(12, 'b', 1)}` }),
  'snapshots without a current one': settingsText({ between: root }),
  'a current snapshot that is not there': settingsText({
    machine: current.replace('11', '12'),
    between: root,
  }),
  'a current snapshot without snapshots': settingsText({ machine: current }),
  'a snapshot without name': settingsText({ machine: current, between: root.replace('name="a" ', '') }),
  'a snapshot without time': settingsText({
    machine: current,
    between: root.replace(/ timeStamp="[^"]*"/, ''),
  }),
  'extra data without value': settingsText({ between: '<ExtraData><ExtraDataItem name="a"/></ExtraData>' }),
}

for (const [name, text] of Object.entries(CORRUPT)) {
  t.test(`readSettings() refuses ${name}`, async t => {
    t.throws(() => read(text), { code: 'settings_corrupt', message: `Cannot read "${FILE}": ` })
  })
}

t.test('readSettings() refuses an unknown type of disk by name', async t => {
  const media = MEDIA.replace('immutable', 'Evaporating')
  t.throws(() => read(settingsText({ media })), { code: 'unsupported', message: /the type "Evaporating"/ })
})

t.test('readSettings() refuses encrypted saved states and logs', async t => {
  for (const name of ['stateKeyStore', 'logKeyStore']) {
    t.throws(() => read(settingsText({ machine: ` ${name}="AAAA"` })), { code: 'image_encrypted' })
    t.ok(read(settingsText({ machine: ` ${name}=""` })))
  }
  const between = snapshotText(11, 'a', 1, { attributes: ' stateKeyStore="AAAA"' })
  t.throws(() => read(settingsText({ machine: current, between })), { code: 'image_encrypted' })
})
