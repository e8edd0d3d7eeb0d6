import t from 'tap'
import { noteFor, notePath, writeNote } from '../../lib/engine/virtualbox/chain_note.ts'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { recover } from '../../lib/ensure/recover.ts'
import type { EnsureResult } from '../../lib/ensure/result.ts'
import { sessionOf } from '../../lib/ensure/session.ts'
import { findUnfinished, unfinishedWarnings } from '../../lib/ensure/unfinished.ts'
import { crashStates } from '../../lib/io/crash_states.ts'
import { writeNewFile } from '../../lib/io/durable_file.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import type { Files } from '../../lib/io/files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { inspect } from '../../lib/machine/inspect.ts'
import { withLock } from '../../lib/machine/lock.ts'
import { eachSnapshot } from '../../lib/machine/media_graph.ts'
import { cloneOn } from '../fixtures/clone_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { PLAIN_OPTIONS, plainHost, WANTED } from '../fixtures/plain_host.ts'
import { seed } from '../fixtures/test_run.ts'

const BLOCK = 128 * 1024
const disk = { capacity: 3 * BLOCK, blockSize: BLOCK } as const
const chain: MachineSpec = { layout: 'small', disks: [disk], snapshots: ['one', 'two'], efi: true }
const HOME = '/no-virtualbox'

const make = async (spec = chain): Promise<{ files: RecordedFiles; made: MadeMachine }> => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/vms/web', spec)
  files.settle()
  return { files, made }
}
const again = async (files: Files, file: string, check = false): Promise<EnsureResult> =>
  await recover(file, { vboxUserHome: HOME, lockTimeout: 0, check }, plainHost(files))
const merge = async (files: Files, file: string): Promise<EnsureResult> =>
  await ensureWanted(file, WANTED.merged, PLAIN_OPTIONS, plainHost(files))
const codesOf = async (files: Files, file: string): Promise<string[]> => {
  const { inspection } = await inspect(files, file, HOME)
  const session = sessionOf(plainHost(files), file, HOME, {})
  return unfinishedWarnings(await findUnfinished(files, inspection, session)).map(({ code, message }) => {
    t.match(message, /; finish it: vboxmerge recover "/)
    return code
  })
}

t.test('recover finishes what a dead run left, and nothing more', async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const { files, made } = await make()
  const { settingsFile } = made
  await merge(files, settingsFile)
  const recording = files.recording()
  let recovered = 0
  let untouched = 0
  for (let at = 3; at < recording.entries.length; at += 6) {
    const [state] = crashStates(recording, { at, limit: 1, torn: false, seed })
    if (state === undefined) continue
    const left = state.files
    for (const name of await left.list('/vms/web')) {
      if (name.includes('.vboxmerge-lock')) await left.unlink(`/vms/web/${name}`)
    }
    const unfinished = (await left.stat(`${settingsFile}.vboxmerge-journal`)) !== undefined
    t.equal((await codesOf(left, settingsFile)).length, unfinished ? 1 : 0, 'info says so')
    const snapshots = await snapshotsOf(left, settingsFile)
    const planned = await again(left, settingsFile, true)
    const { changed, steps, after } = await again(left, settingsFile)
    t.equal(changed, unfinished, state.describe())
    t.strictSame(planned.steps, steps, 'check mode says the same')
    t.strictSame(await snapshotsOf(left, settingsFile), snapshots, 'no further snapshot is merged')
    t.equal(await left.stat(`${settingsFile}.vboxmerge-journal`), undefined)
    t.strictSame(await machineProblems(left, made), [])
    t.notOk((await again(left, settingsFile)).changed, 'the second time there is nothing to do')
    if (changed) recovered += 1
    if (after.snapshots === 2) untouched += 1
    else t.equal(after.images, 1, 'what was begun is done')
  }
  t.ok(recovered > 2 && untouched > 1, `${recovered} recovered, of ${untouched} nothing had been begun`)
})

t.test('settings that VirtualBox was saving when it died get their name', async t => {
  const runs = { recover: again, merge }
  for (const [name, run] of Object.entries(runs)) {
    const { files, made } = await make()
    const { settingsFile } = made
    const bytes = await files.readFile(settingsFile, 2 ** 20)
    await writeNewFile(files, `${settingsFile}-tmp`, bytes, undefined)
    await files.rename(settingsFile, `${settingsFile}-prev`)
    const { changed, steps, times } = await run(files, settingsFile)
    t.ok(changed)
    const merged = name === 'merge' ? ['merge'] : []
    t.strictSame(
      steps.map(({ kind }) => kind),
      ['recover', ...merged],
      name,
    )
    t.equal(times?.steps.length, steps.length)
    t.equal(await files.stat(`${settingsFile}-tmp`), undefined)
    t.strictSame(await machineProblems(files, made), [])
    t.notOk((await run(files, settingsFile)).changed, 'once')
  }
  const { files, made } = await make({ ...chain, saved: 'own' })
  await writeNewFile(
    files,
    `${made.settingsFile}-tmp`,
    await files.readFile(made.settingsFile, 2 ** 20),
    undefined,
  )
  await files.rename(made.settingsFile, `${made.settingsFile}-prev`)
  await t.rejects(merge(files, made.settingsFile), {
    code: 'engine_failed',
    changed: true,
    stepsDone: 1,
    message:
      /it is saved.*; before that, settings that VirtualBox was saving when it died were given their name/,
  })
})

t.test('recover does nothing to a machine that is as it should be, snapshots or not', async t => {
  const { files, made } = await make()
  t.notOk((await again(files, made.settingsFile)).changed)
  t.equal(files.entries.length, 0)
  t.strictSame(await codesOf(files, made.settingsFile), [])
})

t.test('recover takes no saved state', async t => {
  const { files, made } = await make({ ...chain, saved: 'own' })
  const wanted = { ...WANTED.merged, discardSavedState: true }
  const bad = faultyFiles(files, [{ operation: 'rename', path: made.settingsFile, at: 1, sticky: true }])
  await t.rejects(ensureWanted(made.settingsFile, wanted, PLAIN_OPTIONS, plainHost(bad.files)))
  t.ok((await again(files, made.settingsFile)).changed)
  const { inspection } = await inspect(files, made.settingsFile, HOME)
  t.ok(inspection.settings.currentState.stateFile !== undefined, 'it is still there')
  t.strictSame(await machineProblems(files, made), [])
})

t.test('recover refuses journals of newer versions and of other machines, by name', async t => {
  const { files, made } = await make()
  const path = `${made.settingsFile}.vboxmerge-journal`
  const journals = [
    [
      '{"format":"vboxmerge-journal","version":7}',
      /journal version 7; this one knows version 1\); use that one/,
    ],
    ['{}', /is damaged/],
  ] as const
  for (const [text, message] of journals) {
    await put(files, path, text)
    await t.rejects(again(files, made.settingsFile), hasCode('journal_foreign', message))
    await files.unlink(path)
  }
  await put(files, notePath(made.settingsFile), '{"format":"vboxmerge-note","version":9}')
  await t.rejects(
    again(files, made.settingsFile),
    hasCode('journal_foreign', /note version 9; this one knows version 1\); use that one/),
  )
})

t.test('recover finishes a deletion in which VirtualBox died', async t => {
  const { files, made } = await make()
  const { settings } = (await inspect(files, made.settingsFile, HOME)).inspection
  const [snapshot] = eachSnapshot(settings.rootSnapshot)
  if (snapshot === undefined) throw new RangeError('no snapshot')
  await writeNote(files, made.settingsFile, noteFor(settings, snapshot, new Map()))
  await withLock(files, made.settingsFile, { timeout: 0 }, async () => {
    t.strictSame(await codesOf(files, made.settingsFile), [], 'a run that is under way is not unfinished')
  })
  t.strictSame(await codesOf(files, made.settingsFile), ['unfinished_run'])
  t.ok((await again(files, made.settingsFile, true)).changed)
  t.ok((await again(files, made.settingsFile)).changed)
  t.equal(await files.stat(notePath(made.settingsFile)), undefined)
  t.notOk((await again(files, made.settingsFile)).changed)
  t.strictSame(await machineProblems(files, made), [])
})

t.test('recover clears away what a run left beside a clone', async t => {
  const { files, made } = await make()
  const file = '/vms/web Clone/web Clone.vbox'
  const journal = `${file}.vboxmerge-clone`
  // The last thing that is done is to remove the journal.
  const bad = faultyFiles(files, [{ operation: 'unlink', path: journal, at: 1, sticky: true }])
  await t.rejects(cloneOn(bad.files, made))
  t.ok((await files.stat(file))?.kind === 'file' && (await files.stat(journal)) !== undefined)
  t.strictSame(await codesOf(files, file), ['unfinished_run'])
  t.ok((await again(files, file, true)).changed)
  t.ok((await files.stat(journal)) !== undefined, 'check mode does nothing')
  t.ok((await again(files, file)).changed)
  t.equal(await files.stat(journal), undefined)
  t.notOk((await again(files, file)).changed)
  t.notOk((await cloneOn(files, made)).changed, 'the clone is as wanted')
})

async function snapshotsOf(files: Files, settingsFile: string): Promise<string[]> {
  const { settings } = (await inspect(files, settingsFile, HOME)).inspection
  return [...eachSnapshot(settings.rootSnapshot)].map(({ id }) => id)
}

async function put(files: Files, path: string, text: string): Promise<void> {
  const file = await files.open(path, 'create')
  await file.write(new TextEncoder().encode(text), 0)
  await file.close()
}
