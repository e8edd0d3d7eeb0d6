import t from 'tap'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { checkVariables, isOwnFolder, isOwnStateFile, MAX_NVRAM_BYTES } from '../../lib/machine/own_files.ts'
import { hasCode } from '../fixtures/has_code.ts'

const STAMP = '2026-01-31T12-00-00-123456789Z'

async function setUp(snapshotFolder: string): Promise<{
  readonly files: RecordedFiles
  readonly home: { readonly name: string; readonly file: string; readonly snapshotFolder: string }
}> {
  const files = new RecordedFiles()
  for (const folder of [
    '/vms/web/Snapshots/old',
    '/vms/other/Snapshots',
    '/vms/web/inner/Snapshots',
    '/far/away',
  ]) {
    await files.makeFolder(folder)
  }
  for (const path of ['/vms/web/web.vbox', '/vms/other/other.vbox', '/vms/web/inner/inner.VBOX']) {
    await (await files.open(path, 'create')).close()
  }
  files.addLink('/vms/web/link', '/far/away')
  files.addLink('/vms/web/here', '/vms/web/Snapshots')
  return { files, home: { name: 'web', file: '/vms/web/web.vbox', snapshotFolder } }
}

t.test('a folder is a machine’s when it is its own, inside it, or that of its snapshots', async t => {
  const { files, home } = await setUp('/far/away')
  const own: Readonly<Record<string, boolean>> = {
    '/vms/web': true,
    '/vms/web/Snapshots': true,
    '/vms/web/Snapshots/old': true,
    '/vms/web/here': true,
    '/far/away': true,
    '/vms/web/link': true,
    '/far': false,
    '/vms': false,
    '/vms/web2': false,
    '/vms/other': false,
    '/vms/other/Snapshots': false,
    '/vms/web/../other': false,
    '/vms/web/inner': false,
    '/vms/web/inner/Snapshots': false,
    '/nowhere': false,
  }
  for (const [folder, is] of Object.entries(own)) t.equal(await isOwnFolder(files, home, folder), is, folder)
})

t.test('the folder of another machine’s snapshots is no one else’s, whatever the settings say', async t => {
  for (const folder of ['/vms/other/Snapshots', '/vms/other', '/vms/web/inner/Snapshots']) {
    const { files, home } = await setUp(folder)
    t.equal(await isOwnFolder(files, home, folder), false, folder)
    t.equal(await isOwnStateFile(files, home, `${folder}/${STAMP}.sav`, 'saved_state'), false)
  }
})

t.test('saved states and EFI variables are known by place, ending, and elsewhere by name', async t => {
  const { files, home } = await setUp('/far/away')
  const own: readonly (readonly [path: string, kind: 'saved_state' | 'nvram', is: boolean])[] = [
    ['/vms/web/web.nvram', 'nvram', true],
    ['/vms/web/Snapshots/any.sav', 'saved_state', true],
    ['/vms/web/Snapshots/any.SAV', 'saved_state', true],
    ['/vms/web/any.sav', 'nvram', false],
    ['/vms/web/any.txt', 'saved_state', false],
    [`/far/away/${STAMP}.sav`, 'saved_state', true],
    [`/far/away/${STAMP}.nvram`, 'nvram', true],
    ['/far/away/{11111111-1111-4111-8111-111111111111}.sav', 'saved_state', true],
    ['/far/away/diary.sav', 'saved_state', false],
    ['/vms/web/link/diary.sav', 'saved_state', false],
    [`/vms/other/Snapshots/${STAMP}.sav`, 'saved_state', false],
    ['/etc/passwd', 'saved_state', false],
  ]
  for (const [path, kind, is] of own)
    t.equal(await isOwnStateFile(files, home, path, kind), is, `${kind} ${path}`)
})

t.test('a folder that may not be looked into could hold a machine', async t => {
  const { files, home } = await setUp('/far/away')
  const { files: blind } = faultyFiles(files, [{ operation: 'list', at: 1, sticky: true, error: 'EACCES' }])
  t.equal(await isOwnFolder(blind, home, '/far/away'), false)
  t.equal(await isOwnFolder(blind, home, '/vms/web'), true, 'its own needs no look')
})

t.test('EFI variables that are not the machine’s, or too long, are refused by name', async t => {
  const { files, home } = await setUp('Snapshots')
  await checkVariables(files, home, '/vms/web/web.nvram')
  await t.rejects(
    checkVariables(files, home, '/far/away/x.nvram'),
    hasCode('unsupported', /EFI variables "\/far\/away\/x\.nvram" lie outside/),
  )
  files.addLink('/vms/web/linked.nvram', '/far/away/x.nvram')
  await t.rejects(
    checkVariables(files, home, '/vms/web/linked.nvram'),
    hasCode('unsupported', /no plain file/),
  )
  const file = await files.open('/vms/web/long.nvram', 'create')
  await file.truncate(MAX_NVRAM_BYTES + 1)
  await t.rejects(checkVariables(files, home, '/vms/web/long.nvram'), hasCode('unsupported', /no plain file/))
})
