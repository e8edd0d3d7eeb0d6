import t from 'tap'
import { cloneSettings, stateText } from '../../lib/machine/clone_settings.ts'
import { CLONE_NAME } from '../../lib/machine/clone_stamp.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import {
  parseSettings,
  type SettingsDocument,
  serializeSettings,
} from '../../lib/machine/settings_document.ts'

const ID = {
  machine: '10000000-0000-4000-8000-000000000001',
  snapshot: '20000000-0000-4000-8000-000000000002',
  base: '30000000-0000-4000-8000-000000000003',
  leaf: '30000000-0000-4000-8000-000000000004',
  dvd: '40000000-0000-4000-8000-000000000005',
  other: '40000000-0000-4000-8000-000000000006',
  clone: '50000000-0000-4000-8000-000000000007',
  disk: '60000000-0000-4000-8000-000000000008',
} as const

const hardware = (image: string, memory: number, indent: string): string =>
  [
    `<Hardware uuid="{70000000-0000-4000-8000-000000000009}">`,
    `  <Memory RAMSize="${memory}"/>`,
    '  <BIOS>',
    '    <NVRAM path="Snapshots/x.nvram"/>',
    '    <SmbiosUuidLittleEndian enabled="true"/>',
    '  </BIOS>',
    '  <Network>',
    '    <Adapter slot="0" enabled="true" MACAddress="080027AAAAAA"/>',
    '    <Adapter slot="1" MACAddress="080027BBBBBB"/>',
    '    <Adapter slot="2"/>',
    '  </Network>',
    '  <StorageControllers>',
    '    <StorageController name="SATA &quot;1&quot;" PortCount="3">',
    '      <AttachedDevice type="HardDisk" port="0" device="0">',
    `        <Image uuid="{${image}}"/>`,
    '      </AttachedDevice>',
    '      <AttachedDevice type="DVD" port="1" device="0">',
    `        <Image uuid="{${ID.dvd}}"/>`,
    '      </AttachedDevice>',
    '    </StorageController>',
    '  </StorageControllers>',
    '</Hardware>',
  ]
    .map(line => `${indent}${line}\n`)
    .join('')

const source = `<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
  <Machine uuid="{${ID.machine}}" name="web" OSType="Debian_64" stateFile="Snapshots/s.sav" currentSnapshot="{${ID.snapshot}}" snapshotFolder="/elsewhere" lastStateChange="2026-01-01T00:00:00Z" aborted="true">
    <Description>x &amp; y</Description>
    <MediaRegistry>
      <HardDisks>
        <HardDisk uuid="{${ID.base}}" location="web.vdi" format="VDI" type="Normal">
          <HardDisk uuid="{${ID.leaf}}" location="Snapshots/{${ID.leaf}}.vdi" format="VDI"/>
        </HardDisk>
      </HardDisks>
      <DVDImages>
        <Image uuid="{${ID.dvd}}" location="tools.iso"/>
        <Image uuid="{${ID.other}}" location="/isos/other.iso"/>
      </DVDImages>
    </MediaRegistry>
    <ExtraData>
      <ExtraDataItem name="GUI/x" value="1"/>
      <ExtraDataItem name="vboxmerge/compacted/${ID.base}" value="1"/>
    </ExtraData>
    <Snapshot uuid="{${ID.snapshot}}" name="one" timeStamp="2026-01-01T00:00:00Z">
${hardware(ID.base, 512, '      ')}    </Snapshot>
${hardware(ID.leaf, 1024, '    ')}    <Groups>
      <Group name="/g"/>
    </Groups>
  </Machine>
</VirtualBox>
`

const doc = parseSettings(new TextEncoder().encode(source), '/vms/web/web.vbox')

function clone(snapshot: string | undefined): {
  readonly text: string
  readonly settings: ReturnType<typeof readSettings>
} {
  const made: SettingsDocument = cloneSettings(doc, {
    id: ID.clone,
    name: 'a "b" <c>',
    file: '/vms/c/c.vbox',
    snapshot,
    media: [
      {
        source: snapshot === undefined ? ID.leaf : ID.base,
        id: ID.disk,
        location: 'c-disk1.vdi',
        type: 'Normal',
      },
    ],
    nvramPath: undefined,
    stamp: 'the stamp',
  })
  const text = new TextDecoder().decode(serializeSettings(made))
  return { text, settings: readSettings(parseSettings(new TextEncoder().encode(text), '/vms/c/c.vbox')) }
}

t.test('the clone of the current state differs from it in what makes it another machine', async t => {
  const { text, settings } = clone(undefined)
  t.match(settings, {
    id: ID.clone,
    name: 'a "b" <c>',
    file: '/vms/c/c.vbox',
    snapshotFolder: '/vms/c/Snapshots',
  })
  t.match(settings, {
    rootSnapshot: undefined,
    currentSnapshot: undefined,
    aborted: false,
    currentStateModified: false,
  })
  t.match(settings.currentState, { stateFile: undefined, nvramFile: undefined })
  t.strictSame(settings.currentState.attachments, [
    { controller: 'SATA "1"', port: 0, device: 0, image: ID.disk },
  ])
  t.match(settings.media, [{ id: ID.disk, path: '/vms/c/c-disk1.vdi', type: 'Normal', children: [] }])
  t.strictSame([...settings.extraData.keys()], ['GUI/x', CLONE_NAME])
  t.match(text, '<Image uuid="{40000000-0000-4000-8000-000000000005}" location="/vms/web/tools.iso"/>')
  t.notMatch(text, ID.other, 'a DVD that is in no drive is not listed')
  t.match(text, /RAMSize="1024"[\s\S]*<Group name="\/g"\/>/)
  const strangers = [
    ID.machine,
    ID.snapshot,
    ID.base,
    ID.leaf,
    'AAAAAA',
    'BBBBBB',
    '/elsewhere',
    's.sav',
  ].filter(one => text.includes(one))
  t.strictSame(strangers, [])
})

t.test('the rest of the state is the same byte for byte', async t => {
  const { text } = clone(undefined)
  const addresses = [...text.matchAll(/MACAddress="(080027[0-9A-F]{6})"/g)].map(([, address = '']) => address)
  t.equal(new Set(addresses).size, 2, 'each adapter that had an address has one of its own')
  const [first = '', second = ''] = addresses
  const back = text
    .slice(text.indexOf('    <Hardware'), text.indexOf('    <Groups'))
    .replace(first, '080027AAAAAA')
    .replace(second, '080027BBBBBB')
    .replace(ID.disk, ID.leaf)
  const wanted = hardware(ID.leaf, 1024, '    ').replace('        <NVRAM path="Snapshots/x.nvram"/>\n', '')
  t.equal(back, wanted)
})

t.test('the clone of a snapshot has the settings of the snapshot', async t => {
  const { text, settings } = clone(ID.snapshot)
  t.match(text, 'RAMSize="512"')
  t.notMatch(text, 'RAMSize="1024"')
  t.strictSame(
    settings.currentState.attachments.map(({ image }) => image),
    [ID.disk],
  )
  t.notMatch(text, '<Snapshot')
})

t.test('the text of a state tells settings apart, not where they stand', async t => {
  const current = stateText(doc, undefined)
  t.not(stateText(doc, ID.snapshot), current)
  const shifted = source.replaceAll('\n', '\n   ').replace('GUI/x', 'GUI/y')
  t.equal(stateText(parseSettings(new TextEncoder().encode(shifted), doc.file), undefined), current)
  const other = source.replaceAll('RAMSize="1024"', 'RAMSize="1025"')
  t.not(stateText(parseSettings(new TextEncoder().encode(other), doc.file), undefined), current)
})
