import t from 'tap'
import { VboxmergeError } from '../lib/errors.ts'
import { failureAfterChange, isStop, stopped } from '../lib/failure_state.ts'

const STATE = 'a part is done; run the same command again'

t.test('a run that was stopped says what it leaves', async t => {
  const reason = new VboxmergeError('interrupted', 'Cannot finish: interrupted by SIGINT')
  t.match(stopped(reason, STATE, { changed: true }), {
    code: 'interrupted',
    message: `Cannot finish: interrupted by SIGINT; ${STATE}`,
    changed: true,
    cause: reason,
  })
  const own = new DOMException('Enough', 'AbortError')
  t.equal(stopped(own, STATE), own, 'the reason of a caller is handed on')
  t.ok(isStop(own, AbortSignal.abort(own)))
  t.notOk(isStop(own, new AbortController().signal))
  t.equal(failureAfterChange(own, STATE, AbortSignal.abort(own)), own)
  t.match(failureAfterChange(reason, STATE, AbortSignal.abort(reason)), {
    code: 'interrupted',
    changed: true,
  })
})

t.test('a failure after a change says so, and is no refusal', async t => {
  const refused = failureAfterChange(new VboxmergeError('machine_locked', 'Cannot go on'), STATE, undefined)
  t.match(refused, { code: 'engine_failed', message: `Cannot go on; ${STATE}`, changed: true })
  const counted = new VboxmergeError('verify_failed', 'Cannot go on', { stepsLeft: 2 })
  t.match(failureAfterChange(counted, STATE, undefined), {
    code: 'verify_failed',
    changed: true,
    stepsLeft: 2,
  })
  const known = new VboxmergeError('verify_failed', 'Do not start it', { changed: true })
  t.equal(failureAfterChange(known, STATE, undefined), known, 'what says so itself stays as it is')
  t.match(failureAfterChange(known, STATE, undefined, 2), {
    code: 'verify_failed',
    message: 'Do not start it',
    changed: true,
    stepsDone: 2,
  })
  t.match(failureAfterChange(new Error('EIO: no'), STATE, undefined), {
    code: 'engine_failed',
    message: `Cannot go on: EIO: no; ${STATE}`,
    changed: true,
  })
})
