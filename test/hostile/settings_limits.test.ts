// Settings that are made to take all memory or all time: refused in bounds of both.
import { Buffer } from 'node:buffer'
import t from 'tap'
import { VboxmergeError } from '../../lib/errors.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import { parseSettings } from '../../lib/machine/settings_document.ts'
import { MAX_DEPTH, MAX_PIECES } from '../../lib/machine/xml/parse_xml.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { cpuClock } from '../fixtures/hostile/cpu_time.ts'

t.setTimeout(240_000)

const FILE = '/vms/web/web.vbox'
const LONGEST = 4100

const uuid = (number: number): string =>
  `{${number.toString(16).padStart(8, '0')}-1111-4111-8111-111111111111}`

function settings(inside: string, attributes = '', prolog = ''): string {
  const root = '<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">'
  return `${prolog}${root}<Machine uuid="${uuid(1)}" name="web"${attributes}>${inside}</Machine></VirtualBox>`
}

const snapshot = (number: number): string =>
  `<Snapshot uuid="${uuid(number)}" name="s${number}" timeStamp="2026-01-01T00:00:00Z">`

function siblings(count: number): string {
  const below = Array.from({ length: count }, (_, index) => `${snapshot(index + 3)}</Snapshot>`).join('')
  return settings(`${snapshot(2)}<Snapshots>${below}</Snapshots></Snapshot>`, ` currentSnapshot="${uuid(2)}"`)
}

function nested(count: number): string {
  let text = ''
  for (let number = 2; number < count + 2; number++) text += `${snapshot(number)}<Snapshots>`
  return settings(text + '</Snapshots></Snapshot>'.repeat(count), ` currentSnapshot="${uuid(2)}"`)
}

function attached(count: number): string {
  const devices = Array.from(
    { length: count },
    (_, port) =>
      `<AttachedDevice type="HardDisk" port="${port}" device="0"><Image uuid="${uuid(port)}"/></AttachedDevice>`,
  )
  const controller = `<StorageController name="SATA">${devices.join('')}</StorageController>`
  return settings(`<StorageControllers>${controller}</StorageControllers>`)
}

const entities = Array.from({ length: 30 }, (_, level) => `<!ENTITY e${level + 1} "&e${level};&e${level};">`)
const bomb = `<!DOCTYPE a [<!ENTITY e0 "ha">${entities.join('')}]>`
const many = 'a'.repeat(3 * 2 ** 20)

const HOSTILE: Readonly<
  Record<string, [text: string, code: 'settings_corrupt' | 'unsupported', says: RegExp]>
> = {
  'a bomb of entities': [settings('&e30;', '', bomb), 'settings_corrupt', /document type is not allowed/],
  'an external entity': [
    settings('&e;', '', '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
    'settings_corrupt',
    /document type is not allowed/,
  ],
  'an entity without a document type': [
    settings('', ' OSType="&e;"'),
    'settings_corrupt',
    /"&e;" is not a reference/,
  ],
  'elements inside each other': [
    settings('<a>'.repeat(200_000) + '</a>'.repeat(200_000)),
    'settings_corrupt',
    new RegExp(`more than ${MAX_DEPTH} elements`),
  ],
  'elements beside each other': [
    settings('<a/>'.repeat(MAX_PIECES + 1)),
    'settings_corrupt',
    new RegExp(`more than ${MAX_PIECES} pieces`),
  ],
  'attributes of one element': [
    settings(`<a${Array.from({ length: 200_000 }, (_, index) => ` a${index}=""`).join('')}/>`),
    'settings_corrupt',
    /"a" has more than 1000 attributes/,
  ],
  'a name of megabytes': [settings(`<${many}></b>`), 'settings_corrupt', /was to come/],
  'a version of megabytes': [
    settings('').replace('1.19-linux', `1.${many}`),
    'unsupported',
    /its settings version is/,
  ],
  'a UUID of megabytes': [settings('').replace(uuid(1), many), 'settings_corrupt', /which is no UUID/],
  'quotes that never end': [
    settings('').replace('name="web"', `name="${'"\''.repeat(500_000)}`),
    'settings_corrupt',
    /./,
  ],
  'comments that never end': [settings('<!--'.repeat(500_000)), 'settings_corrupt', /comment is malformed/],
  'instructions that never end': [settings('<?a '.repeat(500_000)), 'settings_corrupt', /malformed markup/],
  'snapshots beside each other': [siblings(50_000), 'unsupported', /more than 2000 snapshots/],
  'snapshots above each other': [nested(2500), 'settings_corrupt', /elements are inside each other/],
  'attached disks': [attached(50_000), 'unsupported', /more than 8000 attached hard disks/],
  'a snapshot that is its own child': [
    settings(
      `${snapshot(2)}<Snapshots>${snapshot(2)}</Snapshot></Snapshots></Snapshot>`,
      ` currentSnapshot="${uuid(2)}"`,
    ),
    'settings_corrupt',
    /is listed twice/,
  ],
  'an image that is its own parent': [
    settings(
      `<MediaRegistry><HardDisks><HardDisk uuid="${uuid(2)}" location="a.vdi" format="VDI">` +
        `<HardDisk uuid="${uuid(2)}" location="a.vdi" format="VDI"/></HardDisk></HardDisks></MediaRegistry>`,
    ),
    'settings_corrupt',
    /is listed twice/,
  ],
  'a format with a line end in it': [
    settings(
      `<MediaRegistry><HardDisks><HardDisk uuid="${uuid(2)}" location="a.vdi" format="x&#10;error: all is well"/>` +
        '</HardDisks></MediaRegistry>',
    ),
    'settings_corrupt',
    /the format of a hard disk is "x\\nerror: all is well"/,
  ],
  'a NUL': [settings('\0'), 'settings_corrupt', /character that XML forbids/],
  'half of a surrogate pair by number': [
    settings('', ' OSType="&#xD800;"'),
    'settings_corrupt',
    /is not a reference/,
  ],
  'another encoding': [
    settings('', '', '<?xml version="1.0" encoding="UTF-16"?>'),
    'settings_corrupt',
    /the encoding is UTF-16/,
  ],
}

for (const [name, [text, code, says]] of Object.entries(HOSTILE)) {
  t.test(`settings with ${name} are refused, soon and in few words`, async t => {
    const bytes = Buffer.from(text)
    const clock = cpuClock()
    const before = process.memoryUsage().heapUsed
    try {
      readSettings(parseSettings(bytes, FILE))
      t.fail('they were read')
    } catch (error) {
      t.match(error, hasCode(code, says))
      const { message } = error as VboxmergeError
      t.ok(error instanceof VboxmergeError && message.length < LONGEST, `${message.length} characters`)
      t.ok(message.includes(FILE))
    }
    t.ok(clock() < 15_000, `${Math.round(clock())} ms`)
    t.ok(process.memoryUsage().heapUsed - before < 2 ** 30, 'within a GiB')
  })
}

t.test('settings as large as real ones can be are read', async t => {
  const { rootSnapshot } = readSettings(parseSettings(Buffer.from(nested(500)), FILE))
  t.equal(rootSnapshot?.name, 's2')
  const wide = readSettings(parseSettings(Buffer.from(siblings(1500)), FILE))
  t.equal(wide.rootSnapshot?.children.length, 1500)
  t.equal(
    readSettings(parseSettings(Buffer.from(attached(5000)), FILE)).currentState.attachments.length,
    5000,
  )
})

t.test('a byte order mark and line ends of Windows are no damage', async t => {
  const text = `\ufeff${settings('\r\n  <ExtraData/>\r\n')}`
  t.equal(readSettings(parseSettings(Buffer.from(text), FILE)).name, 'web')
})
