import t from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import type { Wanted } from '../../lib/ensure/wanted.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { PLAIN_OPTIONS, plainHost, WANTED } from '../fixtures/plain_host.ts'
import { BACKUPS, contentOf, differences, goBack, runWithBackup } from '../fixtures/undo_run.ts'

const BLOCK = 128 * 1024
const disk = { capacity: 4 * BLOCK, blockSize: BLOCK } as const
const chain = { layout: 'small', disks: [disk], snapshots: ['one', 'two', 'three'], efi: true } as const
const fork = {
  ...chain,
  snapshots: ['one', 'two', { name: 'side', on: 'one' }, { name: 'tip', on: 'side', saved: true }],
  current: 'two',
} as const
const compactable = { 0: 0, 1: 7, 2: 8, 3: 0 } as const
const PLACE = `${BACKUPS}/web-20260501-120000`

const cases: readonly { readonly name: string; readonly spec: MachineSpec; readonly wanted: Wanted }[] = [
  { name: 'merging all', spec: chain, wanted: WANTED.merged },
  { name: 'merging a part', spec: chain, wanted: WANTED.mergedBut(1) },
  { name: 'giving up the current state', spec: chain, wanted: WANTED.discarded },
  {
    name: 'starting from another branch',
    spec: fork,
    wanted: { ...WANTED.from('tip'), discardSavedState: true },
  },
  {
    name: 'compacting',
    spec: { layout: 'small', disks: [{ ...disk, content: { base: compactable } }] },
    wanted: WANTED.compacted,
  },
  { name: 'a golden image', spec: { ...chain, disks: [disk, disk] }, wanted: WANTED.golden },
]

const make = async (
  spec: MachineSpec = chain,
  options: ConstructorParameters<typeof RecordedFiles>[0] = {},
): Promise<{ files: RecordedFiles; made: MadeMachine }> => {
  const files = new RecordedFiles(options)
  return { files, made: await makeMachine(files, '/machine', spec) }
}

for (const { name, spec, wanted } of cases) {
  t.test(`undo after ${name} brings back every byte, and does nothing the second time`, async t => {
    for (const sharing of name === 'merging all' ? [false, true] : [false]) {
      const { files, made } = await make(spec, { sharing })
      const before = await contentOf(files)
      const { changed, backup } = await runWithBackup(files, made.settingsFile, wanted)
      t.ok(changed)
      t.equal(backup, PLACE)
      t.ok(differences(before, await contentOf(files)).length > 0, 'the machine is another one now')

      const planned = await goBack(files, PLACE, { check: true })
      t.ok(planned.changed)
      t.ok(differences(before, await contentOf(files)).length > 0, 'check mode writes nothing')
      const undone = await goBack(files)
      t.ok(undone.changed)
      t.same(undone.steps, planned.steps)
      t.same(undone.after, { ...planned.after, state: undone.after.state })
      t.same(differences(before, await contentOf(files)), [])
      t.same(await machineProblems(files, made), [])

      const { entries } = files
      const again = await goBack(files)
      t.notOk(again.changed)
      t.equal(again.backup, PLACE)
      t.equal(files.entries.length, entries.length, 'the second time writes nothing')

      t.ok((await runWithBackup(files, made.settingsFile, wanted)).changed, 'the work can be done anew')
      t.ok((await goBack(files, `${PLACE}-2`)).changed, 'and undone anew, from its own backup')
      t.same(differences(before, await contentOf(files)), [])
    }
  })
}

t.test('a run with nothing to do, and one that is refused, make no backup', async t => {
  const { files, made } = await make({ layout: 'small', disks: [disk] })
  const { changed, backup } = await runWithBackup(files, made.settingsFile, WANTED.merged)
  t.notOk(changed)
  t.equal(backup, undefined)
  t.equal(await files.stat(BACKUPS), undefined)
  const forked = await make(fork)
  await t.rejects(
    runWithBackup(forked.files, forked.made.settingsFile, WANTED.merged),
    hasCode('branch_blocked'),
  )
  t.equal(await forked.files.stat(BACKUPS), undefined)
})

t.test('a backup needs room, and a place outside the machine', async t => {
  const { files, made } = await make(chain)
  const before = await contentOf(files)
  for (const inside of ['/machine', '/machine/backup', '/machine/Snapshots/x']) {
    await t.rejects(
      runWithBackup(files, made.settingsFile, WANTED.merged, inside),
      hasCode('unsupported', /inside the machine's own folder/),
    )
    const check = { ...PLAIN_OPTIONS, backup: inside, check: true }
    await t.rejects(
      ensureWanted(made.settingsFile, WANTED.merged, check, plainHost(files)),
      hasCode('unsupported', /inside the machine's own folder/),
      'check mode says so, too',
    )
  }
  await t.rejects(
    runWithBackup(files, made.settingsFile, WANTED.merged, made.settingsFile),
    hasCode('unsupported', /no folder|own folder/),
  )
  files.freeBytes = 3 * BLOCK
  await t.rejects(runWithBackup(files, made.settingsFile, WANTED.merged), hasCode('no_space'))
  t.same(differences(before, await contentOf(files)), [], 'nothing was changed')
  t.same(await files.list(BACKUPS), [], 'and nothing is left of the backup')
})

t.test('writing to images that share their place with a backup takes room', async t => {
  const full = { 0: 1, 1: 2, 2: 3, 3: 4 }
  const spec: MachineSpec = {
    layout: 'small',
    disks: [{ ...disk, content: { base: full, current: full } }],
    snapshots: ['one'],
  }
  const { files, made } = await make(spec, { sharing: true })
  const before = await contentOf(files)
  files.freeBytes = 512 * 1024
  await t.rejects(runWithBackup(files, made.settingsFile, WANTED.merged), hasCode('no_space'))
  t.same(differences(before, await contentOf(files)), [])
  t.same(await files.list(BACKUPS), [])
  files.freeBytes = 2 ** 30
  t.ok((await runWithBackup(files, made.settingsFile, WANTED.merged)).changed)
})

t.test('undo needs room, and changes nothing without', async t => {
  const { files, made } = await make(chain)
  const before = await contentOf(files)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const after = await contentOf(files)
  files.freeBytes = 2 * BLOCK
  await t.rejects(goBack(files), hasCode('no_space', /has 262144 bytes free/))
  t.same(differences(after, await contentOf(files)), [])
  files.freeBytes = 2 ** 40
  t.ok((await goBack(files)).changed)
  t.same(differences(before, await contentOf(files)), [])
})

t.test('without hard links everything is copied', async t => {
  const { files, made } = await make(chain)
  const before = await contentOf(files)
  const faults = [{ operation: 'link', path: /^(?!.*lock)/, at: 1, sticky: true, error: 'EPERM' }] as const
  const bare = faultyFiles(files, faults)
  await runWithBackup(bare.files, made.settingsFile, WANTED.merged)
  const manifest = new TextDecoder().decode(await files.readFile(`${PLACE}/manifest.json`, 2 ** 20))
  t.notMatch(manifest, '"linked"')
  t.ok((await goBack(bare.files)).changed)
  t.ok(bare.hits() > 2)
  t.same(differences(before, await contentOf(files)), [])
})

t.test('undo refuses when the machine changed since, unless what changed may be lost', async t => {
  const { files, made } = await make(chain)
  const before = await contentOf(files)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const disk0 = await files.open('/machine/disk0.vdi', 'write')
  await disk0.write(new Uint8Array(512).fill(5), BLOCK * 2)
  await disk0.close()
  await t.rejects(goBack(files), hasCode('unsupported', /written to since the run.*discardChanges/))
  t.ok((await goBack(files, PLACE, { discardChanges: true })).changed)
  t.same(differences(before, await contentOf(files)), [])

  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const settings = new TextDecoder().decode(await files.readFile(made.settingsFile, 2 ** 20))
  await put(files, made.settingsFile, settings.replace('</Machine>', '<!-- other memory --></Machine>'))
  await t.rejects(goBack(files, `${PLACE}-2`), hasCode('unsupported', /set up differently/))
})

t.test('an image that has another name is not written, not even its link to its parent', async t => {
  const { files, made } = await make({ ...chain, snapshots: ['one', 'two', 'three', 'four'] })
  const child = made.imageOf('four', 0)?.path ?? ''
  await files.link(child, '/kept.vdi')
  const kept = await files.readFile('/kept.vdi', 2 ** 28)
  const { changed } = await ensureWanted(
    made.settingsFile,
    WANTED.mergedBut(1),
    PLAIN_OPTIONS,
    plainHost(files),
  )
  t.ok(changed)
  t.same(await machineProblems(files, made), [])
  t.same(await files.readFile('/kept.vdi', 2 ** 28), kept)
  t.not((await files.stat(child))?.inode, (await files.stat('/kept.vdi'))?.inode)
})

t.test('a linked image that someone wrote to is not brought back', async t => {
  const { files, made } = await make(chain)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const manifest = new TextDecoder().decode(await files.readFile(`${PLACE}/manifest.json`, 2 ** 20))
  const linked = JSON.parse(manifest).files.filter(({ how }: { how: string }) => how === 'linked')
  t.equal(linked.length, 2, 'the images between the base and the one that a guest would write to')
  const image = await files.open(`${PLACE}/${linked[0].name}`, 'write')
  await image.write(new Uint8Array(16).fill(3), 0x198)
  await image.close()
  await t.rejects(
    goBack(files),
    hasCode('unsupported', /one file with that of the machine, has been changed/),
  )
})

t.test('a folder without a complete backup, or with several, is refused', async t => {
  const { files, made } = await make(chain)
  await t.rejects(goBack(files, '/nowhere'), hasCode('machine_not_found'))
  await runWithBackup(files, made.settingsFile, WANTED.mergedBut(1))
  await goBack(files)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  await t.rejects(goBack(files), hasCode('machine_ambiguous', /-120000-2/))
  await files.unlink(`${PLACE}/manifest.json`)
  await t.rejects(goBack(files, PLACE), hasCode('machine_not_found', /no complete backup/))
})

t.test('a backup that is damaged, of another machine or of a newer version is refused', async t => {
  const { files, made } = await make(chain)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const after = await contentOf(files)
  const manifest = await files.readFile(`${PLACE}/manifest.json`, 2 ** 20)
  const text = new TextDecoder().decode(manifest)
  const id = '99999999-2222-4333-8444-555555555555'
  const texts: readonly (readonly [string, RegExp])[] = [
    ['', /damaged/],
    [
      text.replace('"version": 1', '"version": 2'),
      /newer vboxmerge \(backup version 2; this one knows version 1\)/,
    ],
    [text.replace(`"id": "${made.id}"`, `"id": "${id}"`), /it is one of "web" \{9999/],
    [text.replaceAll('001-', '../001-'), /damaged/],
    [text.replace(/"sha256": "./, '"sha256": "z'), /damaged/],
    [
      text.replace(/"sha256": "(.)/, (_, digit) => `"sha256": "${digit === '0' ? '1' : '0'}`),
      /has been changed/,
    ],
  ]
  for (const [changed, message] of texts) {
    t.not(changed, text)
    await put(files, `${PLACE}/manifest.json`, changed)
    await t.rejects(goBack(files), hasCode('unsupported', message), String(message))
  }
  await put(files, `${PLACE}/manifest.json`, text)
  const names = await files.list(PLACE)
  for (const name of names.filter(one => /^\d/.test(one))) {
    const kept = await files.readFile(`${PLACE}/${name}`, 2 ** 28)
    await files.unlink(`${PLACE}/${name}`)
    await t.rejects(goBack(files), hasCode('unsupported', /missing/), name)
    await put(files, `${PLACE}/${name}`, kept.subarray(0, kept.length - 1))
    await t.rejects(goBack(files), hasCode('unsupported', /changed/), name)
    await put(files, `${PLACE}/${name}`, kept)
  }
  t.same(differences(after, await contentOf(files)), [], 'nothing was changed')
  t.ok((await goBack(files)).changed, 'and whole again it can be gone back to')
})

t.test('no backup makes us write outside of the machine', async t => {
  const { files, made } = await make(chain)
  await runWithBackup(files, made.settingsFile, WANTED.merged)
  const manifest = new TextDecoder().decode(await files.readFile(`${PLACE}/manifest.json`, 2 ** 20))
  const settingsName = (await files.list(PLACE)).find(name => name.endsWith('.vbox')) ?? ''
  const settings = new TextDecoder().decode(await files.readFile(`${PLACE}/${settingsName}`, 2 ** 20))
  await files.makeFolder('/elsewhere')
  files.addLink('/machine/link', '/elsewhere')
  const { createHash } = await import('node:crypto')
  const places = ['/elsewhere/x.vdi', '/machine/../elsewhere/x.vdi', '/machine/link/x.vdi', 'x.vdi']
  for (const place of places) {
    const [, own = ''] = /"path": "(\/machine\/Snapshots\/[^"]*)"/.exec(manifest) ?? []
    const forged = settings.replaceAll(own.replace('/machine/', ''), place)
    t.not(forged, settings)
    await put(files, `${PLACE}/${settingsName}`, forged)
    const hash = (of: string): string => createHash('sha256').update(of).digest('hex')
    const told = manifest
      .replaceAll(own, place)
      .replace(hash(settings), hash(forged))
      .replace(`"size": ${settings.length}`, `"size": ${forged.length}`)
    await put(files, `${PLACE}/manifest.json`, told)
    await t.rejects(
      goBack(files),
      hasCode('unsupported', /outside the folders of the machine|no absolute path|do not name/),
      place,
    )
  }
  t.same(await files.list('/elsewhere'), [])
})

async function put(files: RecordedFiles, path: string, content: string | Uint8Array): Promise<void> {
  if ((await files.stat(path)) !== undefined) await files.unlink(path)
  const file = await files.open(path, 'create')
  await file.write(typeof content === 'string' ? new TextEncoder().encode(content) : content, 0)
  await file.close()
}

t.test('a saved state outside of the folders stays there, and is in no way of going back', async t => {
  const files = new RecordedFiles()
  const spec: MachineSpec = { ...chain, snapshots: ['one', { name: 'two', saved: true }] }
  const made = await makeMachine(files, '/machine', spec)
  const state = made.snapshot('two').stateFile ?? ''
  await files.makeFolder('/elsewhere')
  await files.rename(`/machine/${state}`, '/elsewhere/adopted.sav')
  const settings = await files.open(made.settingsFile, 'write')
  const text = new TextDecoder().decode(await files.readFile(made.settingsFile, 1e6))
  const moved = new TextEncoder().encode(text.replace(state, '/elsewhere/adopted.sav'))
  await settings.write(moved, 0)
  await settings.truncate(moved.length)
  await settings.close()
  const before = await contentOf(files)
  t.ok((await runWithBackup(files, made.settingsFile, WANTED.merged)).changed)
  t.ok(await files.stat('/elsewhere/adopted.sav'))
  t.ok((await goBack(files)).changed)
  t.same(differences(before, await contentOf(files)), [])
})
