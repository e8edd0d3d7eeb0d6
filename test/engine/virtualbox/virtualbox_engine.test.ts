import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { notePath, readNote } from '../../../lib/engine/virtualbox/chain_note.ts'
import { applyWithVirtualBox } from '../../../lib/engine/virtualbox/virtualbox_engine.ts'
import { checkMachine, type VirtualBoxRun } from '../../../lib/engine/virtualbox/virtualbox_run.ts'
import type { Step } from '../../../lib/ensure/result.ts'
import { interruptionReason } from '../../../lib/face/cli/interruption.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import { execRunner } from '../../../lib/virtualbox/exec_runner.ts'
import { guardSettings } from '../../../lib/virtualbox/guard_settings.ts'
import { createManage } from '../../../lib/virtualbox/manage.ts'
import { makeChain } from '../../fixtures/disks.ts'
import { settingsOf, snapshotsOf, step } from '../../fixtures/engine_run.ts'
import {
  apiError,
  type FakeRule,
  type FakeVBoxManage,
  fakeVBoxManage,
  skipWithoutScripts,
} from '../../fixtures/fake_vboxmanage.ts'
import { hasCode } from '../../fixtures/has_code.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'

const MACHINE = '99999999-9999-9999-9999-999999999999'
const ONE = { id: '11111111-1111-1111-1111-111111111111', name: 'one' }
const TWO = { id: '22222222-2222-2222-2222-222222222222', name: 'two' }
const MIB = 2 ** 20
const PROGRESS = '0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n'
const WARNING = 'WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install it.\n'

interface Machine {
  readonly folder: string
  readonly file: string
  /** UUIDs of the images, lowest first. */
  readonly ids: readonly string[]
  /** The settings with these snapshots, and the images in a row. */
  readonly text: (
    snapshots: readonly { readonly id: string; readonly name: string }[],
    images: readonly number[],
  ) => string
  /** What VBoxManage says of the machine in a state. */
  readonly info: (state: string) => FakeRule
}

/** A machine with the images 0 ← 1 ← 2, the snapshots "one" of 0 and "two" of 1, and the current state of 2. */
async function machine(t: { teardown(remove: () => Promise<unknown>): unknown }): Promise<Machine> {
  const folder = await temporaryFolder(t)
  const images = await makeChain(realFiles, folder, [{ capacity: MIB }, { capacity: MIB }, { capacity: MIB }])
  const ids = images.map(({ id }) => id)
  const file = join(folder, 'web.vbox')
  const hardware = (image: number | undefined): string =>
    `<Hardware><StorageControllers><StorageController name="SATA"><AttachedDevice type="HardDisk" port="0" ` +
    `device="0"><Image uuid="{${ids[image ?? 0]}}"/></AttachedDevice></StorageController></StorageControllers></Hardware>`
  const text: Machine['text'] = (snapshots, chain) => {
    const media = chain.reduceRight(
      (children, image, at) =>
        `<HardDisk uuid="{${ids[image]}}" location="${image}.vdi" format="VDI"${at === 0 ? ' type="Normal"' : ''}>${children}</HardDisk>`,
      '',
    )
    const tree = snapshots.reduceRight(
      (children, { id, name }, at) =>
        `<Snapshot uuid="{${id}}" name="${name}" timeStamp="2026-01-31T12:00:00Z">${hardware(chain[at])}` +
        `${children && `<Snapshots>${children}</Snapshots>`}</Snapshot>`,
      '',
    )
    const current = snapshots.length === 0 ? '' : ` currentSnapshot="{${snapshots.at(-1)?.id}}"`
    return (
      `<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">` +
      `<Machine uuid="{${MACHINE}}" name="web"${current} snapshotFolder="Snapshots"><MediaRegistry><HardDisks>` +
      `${media}</HardDisks></MediaRegistry>${tree}${hardware(chain.at(-1))}</Machine>\n</VirtualBox>\n`
    )
  }
  await writeFile(file, text([ONE, TWO], [0, 1, 2]))
  const info = (state: string): FakeRule => {
    return { when: 'showvminfo', stdout: `name="web"\nCfgFile="${file}"\nVMState="${state}"\n` }
  }
  return { folder, file, ids, text, info }
}

const MEDIA: FakeRule = { when: 'showmediuminfo', stdout: 'State:          created\n' }

interface FakeRun {
  readonly fake: FakeVBoxManage
  readonly apply: (...steps: readonly Step[]) => Promise<void>
  readonly run: (steps: readonly Step[]) => VirtualBoxRun
}

async function fakeRun({ folder, file }: Machine, rules: readonly FakeRule[]): Promise<FakeRun> {
  const fake = await fakeVBoxManage(folder, rules)
  const manage = createManage({
    file: fake.file,
    runner: execRunner,
    platform: 'linux',
    afterChange: () => guardSettings(realFiles, [file]),
  })
  const run = (steps: readonly Step[]): VirtualBoxRun => {
    return { steps, settingsFile: file, machineId: MACHINE, manage, files: realFiles, lockTimeout: 1 }
  }
  return { fake, apply: (...steps) => applyWithVirtualBox(run(steps)), run }
}

async function verbs(fake: FakeVBoxManage): Promise<string[]> {
  return (await fake.calls()).map(({ args }) =>
    args[0] === 'snapshot' ? `snapshot ${args[2]}` : `${args[0]}`,
  )
}

t.setTimeout(240_000)

t.test('the virtualbox engine with a VBoxManage that misbehaves', { skip: skipWithoutScripts }, async t => {
  t.test('leaves a machine alone that is not switched off', async t => {
    for (const state of ['running', 'paused', 'saved']) {
      const web = await machine(t)
      const { fake, apply } = await fakeRun(web, [web.info(state)])
      await t.rejects(apply(step.merge(TWO)), hasCode('machine_not_off', new RegExp(`"${state}"`)))
      await t.rejects(apply(step.snapshot('Base')), hasCode('machine_not_off'))
      await t.rejects(apply(step.compact(web.ids[0] ?? '', '/0.vdi')), hasCode('machine_not_off'))
      t.strictSame(new Set(await verbs(fake)), new Set(['showvminfo']), state)
      t.notOk((await readdir(web.folder)).some(name => name.includes('vboxmerge')))
    }
  })

  t.test('merges in the order of the plan and has the chain noted before each call', async t => {
    const web = await machine(t)
    const { fake, run } = await fakeRun(web, [
      { ...web.info('poweroff'), stdout: WARNING + web.info('poweroff').stdout },
      MEDIA,
      { when: TWO.id, stderr: PROGRESS, write: { [web.file]: web.text([ONE], [0, 2]) } },
      { when: ONE.id, stderr: PROGRESS, write: { [web.file]: web.text([], [0]) } },
    ])
    const { manage, ...rest } = run([step.merge(TWO, ONE)])
    const noted: unknown[] = []
    const watching = {
      ...manage,
      deleteSnapshot: async (...args: Parameters<typeof manage.deleteSnapshot>) => {
        const note = await readNote(realFiles, web.file, MACHINE)
        noted.push(
          note?.snapshot.name,
          note?.disks.map(({ image, child }) => [image.id, child?.id]),
        )
        await manage.deleteSnapshot(...args)
      },
    }
    await applyWithVirtualBox({ ...rest, manage: watching })
    const [zero, one, two] = web.ids
    t.strictSame(noted, ['two', [[one, two]], 'one', [[zero, two]]])
    const each = ['showvminfo', 'showmediuminfo', 'showmediuminfo', 'snapshot delete']
    t.strictSame(await verbs(fake), [...each, ...each])
    t.notOk(await realFiles.stat(notePath(web.file)))
  })

  t.test('names the snapshot that VirtualBox skipped without a word', async t => {
    const web = await machine(t)
    const { apply } = await fakeRun(web, [web.info('poweroff'), MEDIA, { when: 'delete', stderr: PROGRESS }])
    const skipped = hasCode('engine_failed', /snapshot "two": VirtualBox reports success, but .* still there/)
    await t.rejects(apply(step.merge(TWO, ONE)), skipped)
    t.notOk(await realFiles.stat(notePath(web.file)), 'nothing was merged, so there is nothing to note')
    const restored = apply(step.restore(ONE))
    await t.rejects(restored, { code: 'engine_failed', stepsDone: 0, stepsLeft: 1 })
  })

  t.test('calls it no refusal when the machine is started after the first snapshot was merged', async t => {
    const web = await machine(t)
    const { apply } = await fakeRun(web, [
      { ...web.info('poweroff'), times: 1 },
      MEDIA,
      { when: TWO.id, stderr: PROGRESS, write: { [web.file]: web.text([ONE], [0, 2]) } },
      web.info('running'),
    ])
    await t.rejects(apply(step.merge(TWO, ONE)), {
      code: 'engine_failed',
      message: /"running".*; what was done before that stays/,
      changed: true,
      stepsDone: 0,
    })
    const untouched = await machine(t)
    const { apply: refused } = await fakeRun(untouched, [untouched.info('running')])
    await t.rejects(refused(step.merge(TWO, ONE)), { code: 'machine_not_off', changed: false })
  })

  t.test('stops between two calls, and says what is done', async t => {
    const web = await machine(t)
    const { fake, run } = await fakeRun(web, [
      web.info('poweroff'),
      MEDIA,
      { when: TWO.id, stderr: PROGRESS, write: { [web.file]: web.text([ONE], [0, 2]) } },
    ])
    const stop = new AbortController()
    const stoppable = (reason: unknown): VirtualBoxRun => ({
      ...run([step.merge(TWO), step.merge(ONE)]),
      signal: stop.signal,
      onStepDone: () => stop.abort(reason),
    })
    await t.rejects(applyWithVirtualBox(stoppable(interruptionReason('SIGTERM'))), {
      code: 'interrupted',
      message:
        /^Cannot finish: interrupted by SIGTERM; a part of the work is done \(1 of 2 steps\), .* run the same command again/,
      changed: true,
      stepsDone: 1,
      stepsLeft: 1,
    })
    t.equal((await verbs(fake)).filter(verb => verb === 'snapshot delete').length, 1)
    await t.rejects(applyWithVirtualBox(stoppable(undefined)), {
      message: /the machine is as it was/,
      changed: false,
    })
    const own = new Error('enough')
    const signal = AbortSignal.abort(own)
    await t.rejects(applyWithVirtualBox({ ...run([step.merge(ONE)]), signal }), own, "a caller's own reason")
  })

  t.test('names what VirtualBox did not do when it reports success', async t => {
    const web = await machine(t)
    const { apply } = await fakeRun(web, [
      web.info('poweroff'),
      MEDIA,
      { when: 'snapshot' },
      { when: 'discardstate' },
    ])
    await t.rejects(
      apply(step.restore(ONE)),
      hasCode('engine_failed', /restore snapshot "one".*not the current/),
    )
    await t.rejects(apply(step.snapshot('two')), hasCode('engine_failed', /take snapshot "two"/))
    const saved = web.text([ONE, TWO], [0, 1, 2]).replace(' name="web"', ' name="web" stateFile="x.sav"')
    await writeFile(web.file, saved)
    await t.rejects(apply(step.discardSavedState), hasCode('engine_failed', /x\.sav" is still named/))
  })

  t.test('goes on when VBoxManage dies but VirtualBox finishes', async t => {
    const web = await machine(t)
    const { fake, apply } = await fakeRun(web, [
      { ...web.info('poweroff'), times: 1 },
      { ...web.info('deletingsnapshot'), times: 2 },
      web.info('aborted'),
      MEDIA,
      {
        when: TWO.id,
        stderr: '0%...10%...',
        signal: 'SIGKILL',
        write: { [web.file]: web.text([ONE], [0, 2]) },
      },
      {
        when: 'take',
        stdout: 'x',
        write: { [web.file]: web.text([ONE, { ...TWO, name: 'Base' }], [0, 2, 1]) },
      },
    ])
    await apply(step.merge(TWO), step.snapshot('Base'))
    t.equal((await verbs(fake)).filter(verb => verb === 'snapshot take').length, 1)
    t.notOk(await realFiles.stat(notePath(web.file)))
  })

  t.test('says that the settings file was left empty, and how to put it right', async t => {
    const web = await machine(t)
    const good = await readFile(web.file, 'utf8')
    await writeFile(`${web.file}-prev`, good)
    const rules = [
      web.info('poweroff'),
      MEDIA,
      { when: 'delete', stderr: PROGRESS, write: { [web.file]: '' } },
    ]
    const { apply } = await fakeRun(web, rules)
    await t.rejects(apply(step.merge(TWO)), hasCode('engine_failed', /it is empty.*copy ".*web\.vbox-prev"/))
    t.ok(await realFiles.stat(notePath(web.file)), 'the note stays')
    await writeFile(web.file, good)
    const { apply: again } = await fakeRun(web, [{ when: 'list vms' }])
    await again(step.recover)
    t.equal(await readFile(web.file, 'utf8'), good)
    t.notOk(await realFiles.stat(notePath(web.file)))
  })

  t.test('takes an error for a failure although VBoxManage ends with 0', async t => {
    const web = await machine(t)
    const failure = { code: 'E_FAIL', number: '80004005', context: 'x' }
    const rules = [
      web.info('poweroff'),
      MEDIA,
      { when: 'delete', stderr: apiError('Es ging nicht', failure) },
    ]
    const { apply } = await fakeRun(web, rules)
    await t.rejects(
      apply(step.merge(TWO)),
      hasCode('engine_failed', /snapshot "two": VBoxManage says "Es ging nicht/),
    )
    t.notOk(await realFiles.stat(notePath(web.file)))
  })

  t.test('says who is in the way when the machine stays locked', async t => {
    const web = await machine(t)
    const text = 'Die Maschine ist schon gesperrt'
    const stderr = apiError(text, { code: 'VBOX_E_INVALID_OBJECT_STATE', number: '80bb0007' })
    const { apply } = await fakeRun(web, [
      web.info('poweroff'),
      MEDIA,
      { when: 'delete', exitCode: 1, stderr },
    ])
    await t.rejects(apply(step.merge(TWO)), hasCode('machine_locked', /gesperrt.*; close what uses it/))
  })

  t.test('does not begin when VirtualBox cannot read an image', async t => {
    const web = await machine(t)
    const stdout = 'State:          inaccessible\nAccess Error:   VERR_FILE_NOT_FOUND\n'
    const { fake, apply } = await fakeRun(web, [web.info('poweroff'), { when: 'showmediuminfo', stdout }])
    await t.rejects(apply(step.merge(TWO)), hasCode('engine_failed', /1\.vdi": VERR_FILE_NOT_FOUND/))
    await realFiles.unlink(join(web.folder, '1.vdi'))
    await t.rejects(apply(step.merge(TWO)), hasCode('image_missing', /1\.vdi"/))
    t.notOk((await verbs(fake)).includes('snapshot delete'))
  })

  t.test('puts the settings right after VirtualBox died, also with the machine registered', async t => {
    const web = await machine(t)
    const merged = join(web.folder, '1.vdi')
    const { apply } = await fakeRun(web, [
      web.info('poweroff'),
      MEDIA,
      { when: 'delete', stderr: '0%...', exitCode: 133, remove: [merged] },
    ])
    const base = web.ids[0]
    await t.rejects(apply(step.merge(TWO)), hasCode('engine_failed', /crashed/))
    t.ok(await realFiles.stat(notePath(web.file)), 'the note stays')
    await t.rejects(apply(step.merge(ONE)), hasCode('engine_failed', /"two": .*interrupted.*put right first/))
    const lost = await fakeRun(web, [
      web.info('poweroff'),
      { when: 'list vms', stdout: `"web" {${MACHINE}}\n` },
      { when: 'unregistervm' },
      { when: 'registervm' },
    ])
    await t.rejects(lost.apply(step.recover), hasCode('image_missing', /still names it as its parent/))
    t.equal((await verbs(lost.fake)).at(-1), 'registervm', 'also after a failure')

    await realFiles.unlink(join(web.folder, '2.vdi'))
    const spec = { capacity: MIB, id: web.ids[2] ?? '', parent: base ?? '' }
    await makeChain(
      { ...realFiles, open: (path, access) => realFiles.open(path.replace('0.vdi', '2.vdi'), access) },
      web.folder,
      [spec],
    )
    await lost.apply(step.recover)
    t.strictSame([...(await snapshotsOf(web.file)).keys()], ['one'])
    const { media, currentState } = await settingsOf(web.file)
    t.equal(media[0]?.id, base)
    t.strictSame(
      media[0]?.children.map(({ id }) => id),
      [web.ids[2]],
    )
    t.equal(currentState.attachments[0]?.image, web.ids[2])
    t.ok(await realFiles.stat(`${web.file}-prev`))
    t.strictSame((await verbs(lost.fake)).slice(-4), ['list', 'showvminfo', 'unregistervm', 'registervm'])
  })

  t.test('a machine whose images stand in other settings is not unregistered', async t => {
    const web = await machine(t)
    const rules = [
      web.info('poweroff'),
      MEDIA,
      { when: 'delete', exitCode: 133, remove: [join(web.folder, '1.vdi')] },
    ]
    await t.rejects((await fakeRun(web, rules)).apply(step.merge(TWO)), hasCode('engine_failed'))
    const text = await readFile(web.file, 'utf8')
    const stranger = '33333333-3333-3333-3333-333333333333'
    const current = text.lastIndexOf(`{${web.ids[2]}}`)
    await writeFile(web.file, `${text.slice(0, current)}{${stranger}}${text.slice(current + 38)}`)
    const list = { when: 'list vms', stdout: `"web" {${MACHINE}}\n` }
    const { fake, apply } = await fakeRun(web, [web.info('poweroff'), list])
    await t.rejects(apply(step.recover), hasCode('unsupported', new RegExp(stranger)))
    t.notOk((await verbs(fake)).includes('unregistervm'))
  })
})

t.test('checkMachine() knows the path that a Windows VBoxManage prints', async t => {
  const settingsFile = 'C:\\VMs\\web.vbox'
  const manageFor = (written: string): VirtualBoxRun['manage'] => {
    const runner = async (): Promise<{ exitCode: number; stdout: string; stderr: string }> => {
      return { exitCode: 0, stdout: `CfgFile="${written}"\r\nVMState="poweroff"\r\n`, stderr: '' }
    }
    return createManage({ file: 'VBoxManage.exe', runner, platform: 'win32' })
  }
  const run = (written: string): VirtualBoxRun => {
    return { steps: [], settingsFile, machineId: MACHINE, manage: manageFor(written), files: realFiles }
  }
  await t.resolves(checkMachine(run('C:\\\\VMs\\\\web.vbox'), false), 'since 7.0')
  await t.resolves(checkMachine(run('C:\\VMs\\web.vbox'), false), 'before')
  await t.rejects(checkMachine(run('C:\\\\VMs\\\\other.vbox'), false), hasCode('machine_ambiguous'))
})
