import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import type { Clock } from '../../lib/virtualbox/clock.ts'
import { execRunner } from '../../lib/virtualbox/exec_runner.ts'
import { createManage, type Manage } from '../../lib/virtualbox/manage.ts'
import type { ManageSetup } from '../../lib/virtualbox/manage_call.ts'
import type { CommandResult } from '../../lib/virtualbox/runner.ts'
import { apiError, fakeVBoxManage, skipWithoutScripts } from '../fixtures/fake_vboxmanage.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const ID = '875815e1-8a0b-4faf-af31-1baa4990dd01'
const SNAPSHOT = { id: '4df518f4-ed59-45cd-903e-14402e72ca56', name: 'before\nupgrade' }
const LOCKED = apiError('The machine is already locked', {
  code: 'VBOX_E_INVALID_OBJECT_STATE',
  number: '80bb0007',
})
const WRONG_STATE = apiError('Cannot delete a snapshot', {
  code: 'VBOX_E_INVALID_VM_STATE',
  number: '80bb0002',
  context: 'DeleteSnapshot(…)',
})
const OK: CommandResult = { exitCode: 0, stdout: '', stderr: '' }

/** A clock on which waiting takes no time. */
function fastClock(): Clock & { readonly pauses: number[] } {
  const pauses: number[] = []
  let now = 0
  return {
    pauses,
    now: () => now,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted()
      pauses.push(milliseconds)
      now += milliseconds
    },
  }
}

interface Scripted {
  readonly manage: Manage
  readonly calls: (readonly string[])[]
  readonly clock: ReturnType<typeof fastClock>
}

/** Calls that get these answers, one after the other, the last one again and again. */
function scripted(answers: readonly Partial<CommandResult>[], setup: Partial<ManageSetup> = {}): Scripted {
  const calls: (readonly string[])[] = []
  const clock = fastClock()
  const manage = createManage({
    file: '/x/VBoxManage',
    platform: 'linux',
    clock,
    runner: async (_file, args, options) => {
      const answer = { ...OK, ...(answers[calls.length] ?? answers.at(-1)) }
      calls.push(args)
      options?.onStderr?.(answer.stderr)
      return answer
    },
    ...setup,
  })
  return { manage, calls, clock }
}

t.test('calls name things by UUID and cannot be made to take a name for an option', async t => {
  const { manage, calls } = scripted([OK])
  await manage.unregister(ID)
  await manage.register('/m/web.vbox')
  await manage.takeSnapshot(ID, '--live', '--help\nx')
  await manage.takeSnapshot(ID, 'Base', '')
  await manage.deleteSnapshot(ID.toUpperCase(), SNAPSHOT)
  await manage.restoreSnapshot(ID, SNAPSHOT)
  await manage.discardState(ID)
  await manage.compactImage(ID)
  await manage.mediumInfo(ID)
  await manage.setExtraData(ID, 'vboxmerge/x', '-y')
  t.strictSame(calls, [
    ['unregistervm', ID],
    ['registervm', '/m/web.vbox'],
    ['snapshot', ID, 'take', '--live', '--description=--help\nx'],
    ['snapshot', ID, 'take', 'Base'],
    ['snapshot', ID, 'delete', SNAPSHOT.id],
    ['snapshot', ID, 'restore', SNAPSHOT.id],
    ['discardstate', ID],
    ['modifymedium', 'disk', ID, '--compact'],
    ['showmediuminfo', 'disk', ID],
    ['setextradata', ID, 'vboxmerge/x', '-y'],
  ])
})

t.test('nothing is called with what is no UUID', async t => {
  const { manage, calls } = scripted([OK])
  const zero = '00000000-0000-0000-0000-000000000000'
  await t.rejects(manage.deleteSnapshot(ID, { id: zero, name: 'x' }), TypeError)
  await t.rejects(manage.deleteSnapshot('web', SNAPSHOT), TypeError)
  await t.rejects(manage.unregister(''), TypeError)
  await t.rejects(manage.compactImage(zero), TypeError)
  await t.rejects(manage.register('web.vbox'), TypeError)
  await t.rejects(manage.setExtraData(ID, '--x', ''), TypeError)
  t.strictSame(calls, [])
})

t.test('answers are read behind the warning of the start script', async t => {
  const warning = 'WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install it.\n'
  const answer = (stdout: string): Manage => scripted([{ stdout: warning + stdout }]).manage
  t.match(await answer('7.2.22r1\n').version(), { major: 7, minor: 2, patch: 22 })
  await t.rejects(answer('what?\n').version(), hasCode('engine_failed', /it says "what\?"/))
  t.strictSame(await answer(`"web" {${ID}}\n`).listMachines(), [{ id: ID, name: 'web' }])
  t.strictSame([...(await answer(`"a" {${ID}}\n" {no}\n`).runningMachines())], [ID])
  t.strictSame((await answer('VMState="saved"\n').machineState(ID)).states, ['saved'])
  t.equal(await answer(`Snapshot taken. UUID: ${ID}\n`).takeSnapshot(ID, 'a', ''), ID)
  t.equal(await answer('').takeSnapshot(ID, 'a', ''), undefined, 'old versions do not tell')
})

t.test('a lock that goes is waited for, with growing pauses', async t => {
  const locked = { exitCode: 1, stderr: LOCKED }
  const { manage, calls, clock } = scripted([...Array<typeof locked>(7).fill(locked), OK])
  await manage.discardState(ID, { lockTimeout: 60 })
  t.equal(calls.length, 8)
  t.strictSame(clock.pauses, [100, 200, 400, 800, 1600, 2000, 2000])
})

t.test('a lock that stays is an error after lockTimeout, and at once without one', async t => {
  const { manage, clock } = scripted([{ exitCode: 1, stderr: LOCKED }])
  await t.rejects(
    manage.deleteSnapshot(ID, SNAPSHOT, { lockTimeout: 3 }),
    hasCode('machine_locked', /already locked/),
  )
  t.equal(
    clock.pauses.reduce((sum, pause) => sum + pause, 0),
    3000,
  )
  const impatient = scripted([{ exitCode: 1, stderr: LOCKED }])
  await t.rejects(impatient.manage.unregister(ID), hasCode('machine_locked'))
  t.strictSame(impatient.clock.pauses, [])
})

t.test('a machine whose snapshot someone else deletes is waited for; a running one is not', async t => {
  const wrong = { exitCode: 1, stderr: WRONG_STATE }
  const busy = { stdout: 'VMState="deletingsnapshot"\n' }
  const two = scripted([wrong, busy, wrong, busy, OK])
  await two.manage.deleteSnapshot(ID, SNAPSHOT, { lockTimeout: 60 })
  t.equal(two.calls.length, 5)
  const long = scripted([wrong, busy, wrong, busy])
  await t.rejects(long.manage.deleteSnapshot(ID, SNAPSHOT, { lockTimeout: 0 }), hasCode('machine_locked'))
  const running = scripted([wrong, { stdout: 'VMState="running"\n' }])
  await t.rejects(
    running.manage.deleteSnapshot(ID, SNAPSHOT, { lockTimeout: 60 }),
    hasCode('machine_not_off'),
  )
  t.equal(running.calls.length, 2)
})

t.test('a VBoxSVC that does not answer is asked again, three times at most', async t => {
  const unreached = {
    exitCode: 1,
    stderr:
      'VBoxManage: error: Failed to create the VirtualBox object!\n' +
      'VBoxManage: error: Code NS_ERROR_FAILURE (0x80004005) - Operation failed (extended info not available)\n',
  }
  const slow = scripted([unreached, unreached, OK])
  await slow.manage.deleteSnapshot(ID, SNAPSHOT)
  t.equal(slow.calls.length, 3)
  t.strictSame(slow.clock.pauses, [1000, 1000])
  const dead = scripted([unreached])
  await t.rejects(dead.manage.deleteSnapshot(ID, SNAPSHOT), hasCode('engine_failed', /Failed to create/))
  t.equal(dead.calls.length, 4)
})

t.test('waiting for a lock ends with the reason of the signal', async t => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const { manage } = scripted([{ exitCode: 1, stderr: LOCKED }], {
    clock: {
      now: () => 0,
      sleep: async (_, signal) => {
        controller.abort(reason)
        signal?.throwIfAborted()
      },
    },
  })
  await t.rejects(manage.unregister(ID, { lockTimeout: 60, signal: controller.signal }), reason)
})

t.test('a call that only reads does not wait for ever; one that changes something does', async t => {
  const limits: (number | undefined)[] = []
  const { manage } = scripted([], {
    readTimeLimit: 7,
    runner: async (_file, args, options) => {
      limits.push(options?.timeLimit)
      return { ...OK, exitCode: args[0] === 'snapshot' ? 0 : null }
    },
  })
  await t.rejects(manage.mediumInfo(ID), hasCode('engine_failed', /look at image .* before it answered/))
  await manage.deleteSnapshot(ID, SNAPSHOT)
  t.strictSame(limits, [7, undefined])
})

t.test('progress is reported', async t => {
  const { manage } = scripted([{ stderr: '0%...10%...100%\n' }])
  const seen: number[] = []
  await manage.compactImage(ID, { onPercent: percent => seen.push(percent) })
  t.strictSame(seen, [100])
})

t.test('the settings are checked after each call that changes something, also a failed one', async t => {
  let checks = 0
  const afterChange = async (): Promise<void> => {
    checks += 1
  }
  const { manage } = scripted([{ stdout: 'VMState="poweroff"\n' }, OK, { exitCode: 1 }], { afterChange })
  await manage.machineState(ID)
  t.equal(checks, 0)
  await manage.deleteSnapshot(ID, SNAPSHOT)
  t.equal(checks, 1)
  await t.rejects(
    manage.deleteSnapshot(ID, SNAPSHOT),
    hasCode('engine_failed', /snapshot "before\\nupgrade"/),
  )
  t.equal(checks, 2)
})

t.test('with a real program', { skip: skipWithoutScripts }, async t => {
  t.test('the environment asks for English in UTF-8 and names the home', async t => {
    const fake = await fakeVBoxManage(await temporaryFolder(t), [
      { when: 'list vms', stdout: `"ü" {${ID}}\n` },
    ])
    const setup = { file: fake.file, runner: execRunner, platform: 'linux', vboxUserHome: '/home/x' } as const
    t.strictSame(await createManage(setup).listMachines(), [{ id: ID, name: 'ü' }])
    const env = { LC_ALL: 'C.UTF-8', LANGUAGE: 'C', VBOX_USER_HOME: '/home/x' }
    t.strictSame(await fake.calls(), [{ args: ['list', 'vms'], env }])
  })

  t.test('a lock that goes after three tries is no error', async t => {
    const fake = await fakeVBoxManage(await temporaryFolder(t), [
      { when: 'discardstate', times: 3, exitCode: 1, stderr: LOCKED },
      { when: 'discardstate' },
    ])
    const manage = createManage({ file: fake.file, runner: execRunner, platform: 'linux' })
    await manage.discardState(ID, { lockTimeout: 20 })
    t.equal((await fake.calls()).length, 4)
  })

  t.test('the end by a signal is a failure', async t => {
    const fake = await fakeVBoxManage(await temporaryFolder(t), [
      { when: 'delete', stderr: '0%...10%...', signal: 'SIGKILL' },
    ])
    const manage = createManage({ file: fake.file, runner: execRunner, platform: 'linux' })
    await t.rejects(manage.deleteSnapshot(ID, SNAPSHOT), hasCode('engine_failed', /ended by a signal/))
  })

  t.test('a ^C of the terminal does not end VBoxManage', async t => {
    const folder = await temporaryFolder(t)
    const fake = await fakeVBoxManage(folder, [{ when: '--version', delay: 1000, stdout: '7.2.22\n' }])
    const module = (name: string): string =>
      JSON.stringify(new URL(`../../lib/virtualbox/${name}`, import.meta.url).href)
    const script = `
      import { existsSync } from 'node:fs'
      import { createManage } from ${module('manage.ts')}
      import { chooseRunner } from ${module('choose_runner.ts')}
      import { realHost } from ${module('real_host.ts')}
      process.on('SIGINT', () => console.log('^C'))
      const manage = createManage({ file: ${JSON.stringify(fake.file)}, runner: chooseRunner(realHost), platform: 'linux' })
      const look = setInterval(() => {
        if (!existsSync(${JSON.stringify(join(folder, 'calls'))})) return
        clearInterval(look)
        console.log('started')
      }, 20)
      console.log((await manage.version()).text)`
    const args = ['--import', './scripts/typescript.mjs', '--input-type=module', '-e', script]
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      // What a terminal does: the signal goes to the whole process group.
      if (text.includes('started') && child.pid !== undefined) process.kill(-child.pid, 'SIGINT')
    })
    await once(child, 'close')
    t.match(stdout, /started\n\^C\n7\.2\.22\n/)
  })
})
