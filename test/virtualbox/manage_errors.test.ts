import t from 'tap'
import { errorOf, failureOf, isLocked } from '../../lib/virtualbox/manage_errors.ts'
import type { CommandResult } from '../../lib/virtualbox/runner.ts'
import { apiError } from '../fixtures/fake_vboxmanage.ts'

function result(stderr: string, exitCode: number | null = 1): CommandResult {
  return { exitCode, stdout: '', stderr }
}

function codeFor(stderr: string, exitCode: number | null = 1): string | undefined {
  const failure = failureOf(result(stderr, exitCode))
  return failure === undefined ? undefined : errorOf('do it', failure).code
}

const LOCKED = { code: 'VBOX_E_INVALID_OBJECT_STATE', number: '80bb0007' }
const PROGRESS = '0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n'

t.test('failureOf() knows success', async t => {
  t.equal(failureOf(result('', 0)), undefined)
  t.equal(failureOf(result(PROGRESS, 0)), undefined)
  const odd = 'VBoxManage: warning: an error: (0x80bb0007) in a name is none\n'
  t.equal(failureOf(result(odd, 0)), undefined)
})

t.test('failureOf() takes an error for a failure whatever the exit code is', async t => {
  const stderr = apiError('The machine is locked', LOCKED)
  t.match(failureOf(result(stderr, 0)), { hresult: 0x80bb0007, exitCode: 0 })
})

t.test('failureOf() takes every other end for a failure', async t => {
  t.match(failureOf(result('', 133)), { hresult: undefined, text: '' })
  t.match(failureOf(result('', null)), { exitCode: null })
  t.match(failureOf(result('Syntax error: Invalid command\n', 2)), { text: 'Syntax error: Invalid command' })
})

t.test('errors are told apart by number, in any language and with the names of any platform', async t => {
  const notFound = { code: 'VBOX_E_OBJECT_NOT_FOUND', number: '80bb0001', context: 'FindMachine(…)' }
  t.equal(codeFor(apiError('Could not find a registered machine', notFound)), 'machine_not_found')
  const state = { code: 'VBOX_E_INVALID_VM_STATE', number: '80bb0002', context: 'DeleteSnapshot(…)' }
  t.equal(codeFor(apiError('Invalid machine state: Running', state)), 'machine_not_off')
  t.equal(codeFor(apiError('The machine is already locked', LOCKED)), 'machine_locked')
  const russian =
    'VBoxManage: error: Машина «web» уже заблокирована\n' +
    'VBoxManage: error: Подробности: код VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), компонент MachineWrap\n'
  t.equal(codeFor(russian), 'machine_locked')
  const windows =
    'VBoxManage.exe: error: Failed\r\nVBoxManage.exe: error: Details: code E_FAIL (0x80004005), component X\r\n'
  t.match(failureOf(result(windows)), { hresult: 0x80004005, text: /^Failed; Details/ })
  const unsupported = { code: 'VBOX_E_NOT_SUPPORTED', number: '80bb0009', context: 'Compact(…)' }
  t.equal(codeFor(apiError('Compact medium operation is not implemented', unsupported)), 'unsupported')
})

t.test('the texts of old versions are understood', async t => {
  const four =
    '0%...\nProgress state: E_FAIL\nVBoxManage: error: Failed to delete snapshot\n' +
    'VBoxManage: error: Hard disk has more than one child hard disk (2)\n' +
    'VBoxManage: error: Details: code E_FAIL (0x80004005), component SessionMachine, interface IConsole\n'
  t.match(failureOf(result(four)), { hresult: 0x80004005, begun: true })
  const six =
    'VBoxManage: error: The machine is already locked by a session (or being locked or unlocked)\n' +
    'VBoxManage: error: Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), component MachineWrap, interface IMachine, callee nsISupports\n' +
    'VBoxManage: error: Context: "LockMachine(a->session, LockType_Write)" at line 525 of file VBoxManageModifyVM.cpp\n'
  t.equal(codeFor(six), 'machine_locked')
})

t.test('a snapshot with two children is not taken for a lock, although the number is the same', async t => {
  const context = 'DeleteSnapshot(bstrSnapGuid.raw(), pProgress.asOutParam())'
  const failure = failureOf(result(apiError('it has 2 child snapshots', { ...LOCKED, context })))
  t.ok(failure && !isLocked(failure))
  const later = failureOf(result(PROGRESS + apiError('Medium is immutable', { ...LOCKED, context: 'x' })))
  t.ok(later && !isLocked(later), 'nor an error after the work had begun')
})

t.test('a name cannot make one error look like another', async t => {
  const name = 'x\nVBoxManage: error: Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)'
  const real = { code: 'VBOX_E_OBJECT_NOT_FOUND', number: '80bb0001', context: 'FindMachine' }
  t.equal(codeFor(apiError(`Could not find a machine named '${name}'`, real)), 'machine_not_found')
})

t.test('errorOf() cannot be made to write to the terminal', async t => {
  const failure = failureOf(result('VBoxManage: error: a\u001b[2J\u202eb\n'))
  t.ok(failure)
  if (failure === undefined) return
  const { message } = errorOf('delete snapshot "x"', failure)
  t.match(message, 'Cannot delete snapshot "x": VBoxManage says "a\\x1b[2J\\u202eb" and exits with 1')
  t.match(errorOf('do it', { ...failure, exitCode: 133 }).message, /crashed; run the same command again/)
  t.match(errorOf('do it', { ...failure, exitCode: null }).message, /ended by a signal/)
})
