import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { realHostFacts, startFromStat } from '../../lib/machine/host_facts.ts'

const linux = process.platform === 'linux'

t.test('a process finds itself', async t => {
  const self = await realHostFacts.self()
  t.equal(self.pid, process.pid)
  t.ok(self.host.length > 0 && self.user.length > 0)
  t.same(await realHostFacts.process(process.pid), { start: self.processStart })
  t.same(await realHostFacts.self(), self)
  if (linux) t.match(self, { boot: /^[0-9a-f-]{36}$/, pidSpace: /^pid:\[\d+\]$/, processStart: /^\d+$/ })
})

t.test('another process is seen while it lives, and has another start', async t => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'])
  await once(child, 'spawn')
  const state = await realHostFacts.process(child.pid ?? 0)
  t.not(state, 'gone')
  if (linux) t.not(state !== 'gone' && state.start, (await realHostFacts.self()).processStart)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await realHostFacts.process(child.pid ?? 0), 'gone')
})

t.test('a process that ended but was not waited for is gone', { skip: !linux && 'needs /proc' }, async t => {
  // sleep takes the place of the shell, and never waits for the child that the shell had started.
  const shell = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'])
  const [output] = await once(shell.stdout, 'data')
  const pid = Number(String(output).trim())
  t.not(await realHostFacts.process(pid), 'gone')
  await delay(400)
  t.doesNotThrow(() => process.kill(pid, 0), 'its number is still taken')
  t.equal(await realHostFacts.process(pid), 'gone')
  shell.kill('SIGKILL')
  await once(shell, 'exit')
})

t.test('the start time is read behind whatever the process is called', async t => {
  const fields = Array.from({ length: 49 }, (_, at) => String(at + 4))
  t.equal(startFromStat(`12 (node) S ${fields.join(' ')}`), '22')
  t.equal(startFromStat(`12 (a) Z (b) S ${fields.join(' ')}`), '22')
  t.equal(startFromStat(`12 (node) Z ${fields.join(' ')}`), 'gone')
})
