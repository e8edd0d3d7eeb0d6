import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  type ChainNote,
  noteFor,
  notePath,
  readNote,
  removeNote,
  writeNote,
} from '../../../lib/engine/virtualbox/chain_note.ts'
import { errnoError } from '../../../lib/io/errno.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import { readSettings } from '../../../lib/machine/read_settings.ts'
import { parseSettings } from '../../../lib/machine/settings_document.ts'
import { hasCode } from '../../fixtures/has_code.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'

const MACHINE = '99999999-9999-9999-9999-999999999999'
const [A, B, C, W, S1, S2] = ['a', 'b', 'c', 'd', '1', '2'].map(digit => MACHINE.replaceAll('9', digit)) as [
  string,
  string,
  string,
  string,
  string,
  string,
]

const NOTE: ChainNote = {
  machine: MACHINE,
  snapshot: { id: S1, name: 'a "quoted"\nname' },
  disks: [
    {
      image: { id: A, path: '/m/a.vdi', parent: null, bytes: 2 },
      child: { id: B, path: '/m/b.vdi', parent: A, bytes: 1 },
    },
  ],
}

t.test('a note is read as it was written, and is gone when it is removed', async t => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'web.vbox')
  t.equal(await readNote(realFiles, file, MACHINE), undefined)
  await writeNote(realFiles, file, NOTE)
  await writeNote(realFiles, file, NOTE)
  t.strictSame(await readNote(realFiles, file, MACHINE), NOTE)
  t.strictSame(await readdir(folder), ['web.vbox.vboxmerge-note'])
  await removeNote(realFiles, file)
  await removeNote(realFiles, file)
  t.strictSame(await readdir(folder), [])
})

t.test('a note that is not ours, damaged, newer or about another machine is refused', async t => {
  const file = join(await temporaryFolder(t), 'web.vbox')
  const refused = async (text: string, message: RegExp): Promise<void> => {
    await writeFile(notePath(file), text)
    await t.rejects(readNote(realFiles, file, MACHINE), hasCode('journal_foreign', message))
  }
  const good = { format: 'vboxmerge-note', version: 1, ...NOTE }
  await refused('', /no JSON/)
  await refused('[]', /damaged/)
  await refused(JSON.stringify({ ...good, version: 2 }), /version/)
  await refused(JSON.stringify({ ...good, machine: S1 }), /another machine/)
  await refused(JSON.stringify({ ...good, disks: [{ image: NOTE.disks[0]?.child }] }), /disks/)
  const relative = { ...NOTE.disks[0]?.image, path: '../a.vdi' }
  await refused(JSON.stringify({ ...good, disks: [{ image: relative, child: null }] }), /absolute/)
  await refused('x'.repeat(2 * 1024 * 1024), /not one of this program/)
})

t.test('a folder in the place of a note is refused', async t => {
  const file = join(await temporaryFolder(t), 'web.vbox')
  await mkdir(notePath(file))
  await t.rejects(readNote(realFiles, file, MACHINE), hasCode('journal_foreign'))
})

t.test('noteFor() notes the images that the deletion merges, and no others', async t => {
  const attached = (...images: readonly string[]): string =>
    `<Hardware><StorageControllers><StorageController name="SATA">${images
      .map(
        (image, port) =>
          `<AttachedDevice type="HardDisk" port="${port}" device="0"><Image uuid="{${image}}"/></AttachedDevice>`,
      )
      .join('')}</StorageController></StorageControllers></Hardware>`
  const text = `<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
  <Machine uuid="{${MACHINE}}" name="web" currentSnapshot="{${S2}}" snapshotFolder="Snapshots">
    <MediaRegistry><HardDisks>
      <HardDisk uuid="{${A}}" location="a.vdi" format="VDI" type="Normal">
        <HardDisk uuid="{${B}}" location="b.vdi" format="VDI">
          <HardDisk uuid="{${C}}" location="c.vdi" format="VDI"/>
        </HardDisk>
      </HardDisk>
      <HardDisk uuid="{${W}}" location="w.vdi" format="VDI" type="Writethrough"/>
    </HardDisks></MediaRegistry>
    <Snapshot uuid="{${S1}}" name="one" timeStamp="2026-01-31T12:00:00Z">${attached(A, W)}
      <Snapshots><Snapshot uuid="{${S2}}" name="two" timeStamp="2026-01-31T12:00:00Z">${attached(B, W)}
      </Snapshot></Snapshots>
    </Snapshot>
    ${attached(C, W)}
  </Machine>
</VirtualBox>`
  const settings = readSettings(parseSettings(new TextEncoder().encode(text), '/m/web.vbox'))
  const [one] = [settings.rootSnapshot]
  t.ok(one)
  if (one === undefined) return
  const links = new Map([
    ['/m/a.vdi', { header: { id: A, parent: undefined, capacity: 1 }, exists: true, bytes: 20 }],
    ['/m/b.vdi', { header: { id: B, parent: A, capacity: 1 }, exists: true, bytes: 10 }],
  ])
  t.strictSame(noteFor(settings, one, links), {
    machine: MACHINE,
    snapshot: { id: S1, name: 'one' },
    disks: [
      {
        image: { id: A, path: '/m/a.vdi', parent: null, bytes: 20 },
        child: { id: B, path: '/m/b.vdi', parent: A, bytes: 10 },
      },
    ],
  })
  const [two] = one.children
  t.match(two && noteFor(settings, two, new Map()), {
    disks: [{ image: { id: B, parent: A, bytes: 0 }, child: { id: C } }],
  })
})

t.test('without room for a note no snapshot is deleted', async t => {
  const file = join(await temporaryFolder(t), 'web.vbox')
  const full = { ...realFiles, open: () => Promise.reject(errnoError('ENOSPC', 'open', file)) }
  await t.rejects(writeNote(full, file, NOTE), hasCode('no_space', /web\.vbox\.vboxmerge-note/))
  const closed = { ...realFiles, open: () => Promise.reject(errnoError('EACCES', 'open', file)) }
  await t.rejects(writeNote(closed, file, NOTE), hasCode('engine_failed', /EACCES/))
})
