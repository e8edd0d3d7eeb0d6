import { Readable } from 'node:stream'
import t from 'tap'
import { VboxmergeError } from '../../../lib/errors.ts'
import type { ModuleOptions, ModuleTask } from '../../../lib/face/module/module_task.ts'
import { sampleInfo, sampleResult } from '../cli/fixtures/samples.ts'
import { runFakeModule } from './fixtures/fake_module.ts'

type Perform = (machine: string, options: ModuleOptions) => Promise<ReturnType<typeof sampleResult>>

const merge = (perform: Perform): ModuleTask => ({ kind: 'ensure', operation: 'merge', perform })
const info: ModuleTask = {
  kind: 'info',
  operation: 'info',
  one: async machine => sampleInfo({ machine: { ...sampleInfo().machine, name: machine } }),
  all: async () => [sampleInfo(), sampleInfo()],
}

t.test('an operation is handed what was given, and nothing else', async t => {
  const calls: unknown[] = []
  const task = merge(async (machine, { signal, ...options }) => {
    calls.push([machine, options, signal instanceof AbortSignal])
    return sampleResult()
  })
  await runFakeModule(task, {
    machine: 'web',
    skip: '2',
    count: null,
    _ansible_version: '2.14',
    _ansible_new: [],
  })
  await runFakeModule(task, { machine: 7, vboxmanage: '~/bin/VBoxManage', _ansible_check_mode: 'yes' })
  t.strictSame(calls, [
    ['web', { skip: 2, check: false }, true],
    ['7', { vboxmanage: '/home/me/bin/VBoxManage', check: true }, true],
  ])
})

t.test('in doubt it is check mode', async t => {
  const checks: unknown[] = []
  const task = merge(async (_machine, { check }) => {
    checks.push(check)
    return sampleResult()
  })
  for (const flag of [true, 'True', 1, 'maybe', [], {}, 2]) {
    await runFakeModule(task, { machine: 'web', _ansible_check_mode: flag })
  }
  t.strictSame(checks.splice(0), Array(7).fill(true))
  for (const flag of [false, 'False', 'no', 0, null]) {
    await runFakeModule(task, { machine: 'web', _ansible_check_mode: flag })
  }
  await runFakeModule(task, { machine: 'web' })
  t.strictSame(checks, Array(6).fill(false))
})

t.test('check and names in another style are unknown options', async t => {
  const task = merge(async () => sampleResult())
  const { document } = await runFakeModule(task, {
    machine: 'web',
    check: true,
    whenBusy: 'skip',
    onProgress: 1,
    zz: 1,
  })
  t.strictSame(String(document.msg).split('\n'), [
    'Unknown option "check"; use Ansible\'s check mode, {"_ansible_check_mode": true}',
    'Unknown option "whenBusy"; did you mean "when_busy"?',
    'Unknown option "onProgress"; there are: machine, skip, count, discard_current_state, branches, from, base_snapshot, engine, registration, vboxmanage, vbox_user_home, lock_timeout, when_busy, discard_saved_state, verify, backup, digest, report',
    'Unknown option "zz"; there are: machine, skip, count, discard_current_state, branches, from, base_snapshot, engine, registration, vboxmanage, vbox_user_home, lock_timeout, when_busy, discard_saved_state, verify, backup, digest, report',
  ])
  const bare = await runFakeModule(task, { machine: '' })
  t.match(bare.document.msg, /^Option "machine" is empty; give a registered name, a UUID, or the path/)
  t.match((await runFakeModule(task, {})).document.msg, /^Option "machine" is missing; give /)
})

t.test('a failure is one document too, and its status is 1', async t => {
  const refused = await runFakeModule(
    merge(async () => {
      throw new VboxmergeError(
        'machine_not_off',
        'Cannot change "discardSavedState": give discardSavedState\u001b[31m',
      )
    }),
    { machine: 'web' },
  )
  t.strictSame(refused, {
    status: 1,
    document: {
      failed: true,
      code: 'machine_not_off',
      msg: 'Cannot change "discardSavedState": give discard_saved_state\\x1b[31m',
      changed: false,
      steps_done: 0,
      steps_left: null,
    },
  })
  const broken = await runFakeModule(
    merge(async () => {
      throw new TypeError('x is undefined')
    }),
    { machine: 'web' },
  )
  t.match(broken.document, { code: 'engine_failed', msg: 'Cannot go on: x is undefined', failed: true })
  const halfway = await runFakeModule(
    merge(async () => {
      throw new VboxmergeError('engine_failed', 'Cannot go on', { stepsDone: 1, stepsLeft: 2 })
    }),
    { machine: 'web' },
  )
  t.match(halfway.document, { changed: true, steps_done: 1, steps_left: 2 })
})

t.test('a signal stops the work, and the answer says so', async t => {
  let stop: (name: string) => void = () => {}
  let listeners = 0
  const task = merge(
    (_machine, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
        stop('SIGTERM')
      }),
  )
  const { status, document } = await runFakeModule(
    task,
    { machine: 'web' },
    {
      onStopSignal: listener => {
        stop = listener
        listeners++
        return () => listeners--
      },
    },
  )
  t.equal(status, 1)
  const msg = 'Cannot finish: interrupted by SIGTERM; nothing was changed'
  t.match(document, { failed: true, code: 'interrupted', msg, changed: false })
  t.equal(listeners, 0, 'nobody listens any more')
})

t.test('one or all machines are read', async t => {
  const one = await runFakeModule(info, { machine: 'web' })
  t.match(one, { status: 0, document: { machines: [{ machine: { name: 'web' } }], changed: false } })
  const all = await runFakeModule(info, {})
  t.match(all.document, { machines: { length: 2 }, msg: '2 machines' })
  const blank = await runFakeModule(info, { machine: '' })
  t.match(blank.document.msg, /^Option "machine" is empty/, 'an empty name is not all machines')
})

t.test('nobody is kept waiting at a terminal', async t => {
  const stdin = (): Readable & { isTTY: boolean } =>
    Object.assign(new Readable({ read: () => t.fail('it waits for the keyboard') }), { isTTY: true })
  const { status, document } = await runFakeModule(info, {}, { stdin })
  t.equal(status, 1)
  t.match(document.msg, 'standard input is a terminal; name a JSON file, or pipe the JSON in')
})

t.test('an old Node.js is told before anything is done', async t => {
  const task = merge(async () => {
    t.fail('it went to work')
    return sampleResult()
  })
  const { document } = await runFakeModule(task, { machine: 'web' }, { nodeVersion: '18.20.0' })
  t.match(document, {
    code: 'unsupported',
    msg: /^Cannot run with Node.js 18.20.0: 20 or newer .*ansible_node_interpreter/,
  })
})
