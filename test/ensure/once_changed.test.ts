// A refusal says that nothing was changed: what is in the way once something was is a failure that says so.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { noteFor, notePath, writeNote } from '../../lib/engine/virtualbox/chain_note.ts'
import { ensureCompacted } from '../../lib/ensure/compacted.ts'
import { type CheckedOptions, ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { recover } from '../../lib/ensure/recover.ts'
import type { EnsureResult } from '../../lib/ensure/result.ts'
import type { VboxmergeError } from '../../lib/errors.ts'
import { failureData } from '../../lib/face/cli/json_document.ts'
import { type Fault, faultyFiles } from '../../lib/io/faulty_files.ts'
import type { Files } from '../../lib/io/files.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { inspect } from '../../lib/machine/inspect.ts'
import { eachSnapshot } from '../../lib/machine/media_graph.ts'
import { cloneOn } from '../fixtures/clone_run.ts'
import { overwrite, uuidBytes } from '../fixtures/disks.ts'
import { apiError, fakeVBoxManage, skipWithoutScripts } from '../fixtures/fake_vboxmanage.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { PLAIN_OPTIONS, plainHost, WANTED } from '../fixtures/plain_host.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

const BLOCK = 128 * 1024
const CHAIN: MachineSpec = {
  layout: 'small',
  disks: [{ capacity: 3 * BLOCK, blockSize: BLOCK }],
  snapshots: ['one', 'two'],
}
const HOME = PLAIN_OPTIONS.vboxUserHome

async function make(more: Partial<MachineSpec> = {}): Promise<{ files: RecordedFiles; made: MadeMachine }> {
  const files = new RecordedFiles()
  return { files, made: await makeMachine(files, '/vms/web', { ...CHAIN, ...more }) }
}

async function merge(
  files: Files,
  made: MadeMachine,
  more: Partial<CheckedOptions> = {},
): Promise<EnsureResult> {
  return await ensureWanted(made.settingsFile, WANTED.merged, { ...PLAIN_OPTIONS, ...more }, plainHost(files))
}

/** VirtualBox has merged the image of a snapshot into the one above it, and died before it saved the settings. */
async function dieWhileDeleting(files: Files, made: MadeMachine, key: string): Promise<string> {
  const { settings } = (await inspect(files, made.settingsFile, HOME)).inspection
  const snapshot = [...eachSnapshot(settings.rootSnapshot)].find(({ name }) => name === key)
  const [image, above, base] = [made.imageOf(key, 0), made.imageOf('current', 0), made.imageOf('one', 0)]
  if (snapshot === undefined || image === undefined || above === undefined || base === undefined)
    throw new RangeError(`no snapshot ${key}`)
  await writeNote(files, made.settingsFile, noteFor(settings, snapshot, new Map()))
  await overwrite(files, above.path, 0x1a8, uuidBytes(base.id))
  await files.unlink(image.path)
  return image.path
}

const failureOf = async (run: Promise<unknown>): Promise<VboxmergeError> =>
  await run.then(
    () => t.fail('it did not fail'),
    error => error,
  )

/** How often an operation is called while something is done. */
async function callsOf(
  files: Files,
  { operation, path }: Omit<Fault, 'at'>,
  run: (files: Files) => Promise<unknown>,
) {
  let calls = 0
  const counting = interceptedFiles(files, async (call, go) => {
    if (call.operation === operation && path instanceof RegExp && path.test(call.path)) calls++
    return await go()
  })
  await run(counting)
  return calls
}

t.test('a refusal after the end of a deletion that VirtualBox had begun', async t => {
  const { files, made } = await make({ saved: 'own' })
  await dieWhileDeleting(files, made, 'two')
  const before = await files.readFile(made.settingsFile, 2 ** 20)
  const failure = await failureOf(merge(files, made))
  t.match(failure, { code: 'engine_failed', changed: true, stepsDone: 1 })
  t.match(
    failure.message,
    /^Cannot change "web": it is saved.*; before that, what VirtualBox had begun .* stays$/,
  )
  t.match(failureData(failure), { code: 'engine_failed', changed: true, steps_done: 1 })
  t.notSame(await files.readFile(made.settingsFile, 2 ** 20), before)
  t.equal(await files.stat(notePath(made.settingsFile)), undefined)
  // The next one finds nothing unfinished, and is a refusal.
  t.match(await failureOf(merge(files, made)), { code: 'machine_not_off', changed: false })
})

t.test('an image that is gone when the disks of a finished run are to be digested', async t => {
  const opening = { operation: 'open', path: /disk0\.vdi$/ } as const
  const { files, made } = await make()
  const at = await callsOf(
    files.fork(),
    opening,
    async counted => await merge(counted, made, { digest: true }),
  )
  const faulty = faultyFiles(files, [{ ...opening, at, error: 'ENOENT' }])
  const failure = await failureOf(merge(faulty.files, made, { digest: true }))
  t.match(failure, { code: 'engine_failed', changed: true, stepsDone: 1 })
  t.match(failure.message, /; the work on the machine was done before that; run the same command again/)
  t.strictSame(await machineProblems(files, made), [])
  t.notOk((await merge(files, made)).changed)
})

t.test('an image that is gone when the disks of a clone that was made are to be digested', async t => {
  const opening = { operation: 'open', path: /web Clone-disk1\.vdi$/ } as const
  const { files, made } = await make()
  const clone = async (files: Files) => await cloneOn(files, made, {}, { digest: true })
  const at = await callsOf(files.fork(), opening, clone)
  const failure = await failureOf(clone(faultyFiles(files, [{ ...opening, at, error: 'ENOENT' }]).files))
  t.match(failure, { code: 'engine_failed', changed: true, stepsDone: 1 })
  t.match(
    failure.message,
    /; the clone "\/vms\/web Clone\/web Clone\.vbox" was made before that; run the same command again/,
  )
  t.notOk((await clone(files)).changed)
})

t.test('a machine that is changed while it is cloned, once an older run was cleared away', async t => {
  const { files, made } = await make()
  const clone = '/vms/web Clone/web Clone.vbox'
  const dying = faultyFiles(files, [
    { operation: 'rename', path: clone, at: 1, sticky: true },
    { operation: 'unlink', path: /\.vdi$|vboxmerge-clone$/, at: 1, sticky: true },
  ])
  await t.rejects(cloneOn(dying.files, made))
  const left = `${clone.slice(0, -'.vbox'.length)}-disk1.vdi`
  t.ok(await files.stat(left), 'a run died while it made the clone')
  const changing = interceptedFiles(files, async (call, go) => {
    if (call.operation === 'create' && call.path.endsWith('.vboxmerge-part')) {
      await overwrite(files, made.imageOf('current', 0)?.path ?? '', 0x198, uuidBytes(made.id))
    }
    return await go()
  })
  t.match(await failureOf(cloneOn(changing, made)), {
    code: 'engine_failed',
    changed: true,
    message: /changed while it was read.*; before that, what an interrupted run had left was removed$/,
  })
  t.equal(await files.stat(left), undefined)
})

t.test(
  'a machine that is locked when the outcome of VirtualBox’s work is to be noted',
  { skip: skipWithoutScripts },
  async t => {
    const folder = await quickFolder(t)
    const home = join(folder, 'home')
    for (const name of ['home', 'web']) await realFiles.makeFolder(join(folder, name))
    const disk = { capacity: 3 * BLOCK, blockSize: BLOCK, content: { base: { 0: 0, 1: 1 } } }
    const made = await makeMachine(realFiles, join(folder, 'web'), { layout: 'small', disks: [disk] })
    const registry =
      '<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global>' +
      `<MachineRegistry><MachineEntry uuid="{${made.id}}" src="${made.settingsFile}"/></MachineRegistry></Global></VirtualBox>\n`
    await writeFile(join(home, 'VirtualBox.xml'), registry)
    const locked = { code: 'VBOX_E_INVALID_OBJECT_STATE', number: '80bb0007' }
    const { file: vboxmanage, calls } = await fakeVBoxManage(folder, [
      { when: '--version', stdout: '7.2.22r175245\n' },
      { when: 'list vms', stdout: `"web" {${made.id}}\n` },
      {
        when: 'showvminfo',
        stdout: `name="web"\nCfgFile="${made.settingsFile}"\nVMState="poweroff"\n`,
      },
      { when: 'showmediuminfo', stdout: 'State:          created\n' },
      { when: 'modifymedium', stdout: '' },
      { when: 'setextradata', exitCode: 1, stderr: apiError('The machine is locked by a session', locked) },
    ])
    const run = ensureCompacted(made.settingsFile, {
      engine: 'virtualbox',
      freeSpace: 'keep',
      lockTimeout: 0,
      vboxUserHome: home,
      vboxmanage,
    })
    t.match(await failureOf(run), {
      code: 'engine_failed',
      changed: true,
      stepsDone: 1,
      message: /the work on the machine was done before that; the same command notes its outcome$/,
    })
    t.match((await calls()).at(-1), { args: ['setextradata'] })
  },
)

t.test('a disk that is full once an older run was finished', async t => {
  const { files, made } = await make()
  const dying = faultyFiles(files, [{ operation: 'unlink', path: /\{.*\}\.vdi$/, at: 1, sticky: true }])
  await t.rejects(merge(dying.files, made), { code: 'engine_failed', changed: true })
  const left = made.images.map(({ path }) => path).filter(path => path.includes('{'))
  for (const path of left) t.ok(await files.stat(path), 'the run died before it deleted what it had merged')
  const full = faultyFiles(files, [{ operation: 'create', path: /-journal/, at: 1, error: 'ENOSPC' }])
  const again = recover(made.settingsFile, { vboxUserHome: HOME, lockTimeout: 0 }, plainHost(full.files))
  t.match(await failureOf(again), {
    code: 'engine_failed',
    changed: true,
    message: /make room there and run/,
  })
  for (const path of left) t.equal(await files.stat(path), undefined)
  t.strictSame(await machineProblems(files, made), [])
  await recover(made.settingsFile, { vboxUserHome: HOME, lockTimeout: 0 }, plainHost(files))
  t.notOk((await merge(files, made)).changed)
})
