import t from 'tap'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import {
  type CloneJournal,
  cloneJournalPath,
  encodeCloneJournal,
  readCloneJournal,
} from '../../lib/machine/clone_journal.ts'
import { hasCode } from '../fixtures/has_code.ts'

const file = '/vms/c/c.vbox'
const id = '10000000-0000-4000-8000-000000000001'
const journal: CloneJournal = {
  clone: id,
  created: [
    { kind: 'image', id, name: 'c-disk1.vdi', sha256: undefined },
    { kind: 'nvram', id, name: 'c.nvram', sha256: 'ab'.repeat(32) },
  ],
  deletes: [
    { kind: 'image', path: '/vms/c/old.vdi', id },
    { kind: 'saved_state', path: '/vms/c/Snapshots/old.sav', id: undefined },
  ],
}

async function filesWith(text: string | Uint8Array): Promise<RecordedFiles> {
  const files = new RecordedFiles()
  await files.makeFolder('/vms/c')
  const open = await files.open(cloneJournalPath(file), 'create')
  await open.write(typeof text === 'string' ? new TextEncoder().encode(text) : text, 0)
  await open.close()
  return files
}

t.test('a journal is read as it was written', async t => {
  t.equal(await readCloneJournal(new RecordedFiles(), file), undefined)
  t.strictSame(await readCloneJournal(await filesWith(encodeCloneJournal(file, journal)), file), journal)
})

t.test('a journal that names files elsewhere, or is none, is refused', async t => {
  const text = new TextDecoder().decode(encodeCloneJournal(file, journal))
  const bad = [
    '',
    'x',
    '{}',
    text.replace('c-disk1.vdi', '../web/web.vdi'),
    text.replace('old.vdi', '..'),
    text.replace('"snapshots"', '"/etc"'),
    text.replace('"version": 1', '"version": 2'),
  ]
  for (const one of bad)
    await t.rejects(
      readCloneJournal(await filesWith(one), file),
      hasCode('journal_foreign'),
      one.slice(0, 40),
    )
})
