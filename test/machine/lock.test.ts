import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { VboxmergeError } from '../../lib/errors.ts'
import { allCrashStates } from '../../lib/io/crash_states.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { type HostFacts, realHostFacts } from '../../lib/machine/host_facts.ts'
import { acquireLock, clearStaleLock, withLock } from '../../lib/machine/lock.ts'
import { decodeHolder, encodeHolder, type LockHolder } from '../../lib/machine/lock_holder.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { seed } from '../fixtures/test_run.ts'

const VBOX = '/m/web.vbox'
const LOCK = `${VBOX}.vboxmerge-lock`

async function machine(): Promise<RecordedFiles> {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  await (await files.open(VBOX, 'create')).close()
  files.settle()
  return files
}

/** This process, with some facts changed. */
function hostWith(
  changes: Partial<LockHolder>,
  process: HostFacts['process'] = realHostFacts.process,
): HostFacts {
  return { self: async () => ({ ...(await realHostFacts.self()), ...changes }), process }
}

async function putLock(files: RecordedFiles, content: string | Uint8Array): Promise<void> {
  const file = await files.open(LOCK, 'create')
  await file.write(Buffer.from(content), 0)
  await file.close()
}

async function holderOnThisHost(changes: Partial<LockHolder>): Promise<Uint8Array> {
  const since = '2026-01-31T12:00:00.000Z'
  return encodeHolder({ ...(await realHostFacts.self()), token: '0123456789abcdef', since, ...changes })
}

t.test('a lock names its holder and leaves nothing behind', async t => {
  const files = await machine()
  const lock = await acquireLock(files, VBOX, { timeout: 0, now: () => 1_800_000_000_000 })
  t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
  const holder = decodeHolder(await files.readFile(LOCK, 4096))
  const { pid, processStart, boot, host, user } = await realHostFacts.self()
  t.match(holder, { pid, host, user, since: '2027-01-15T08:00:00.000Z' })
  t.same([holder?.processStart, holder?.boot], [processStart, boot])
  await lock.release()
  await lock.release()
  t.same(await files.list('/m'), ['web.vbox'])
})

t.test('the lock file gets mode and owner of the .vbox, so that others can read who holds it', async t => {
  if (process.platform === 'win32') return t.pass('no modes here')
  const settingsFile = join(await temporaryFolder(t), 'web.vbox')
  await writeFile(settingsFile, '')
  await chmod(settingsFile, 0o644)
  const lock = await acquireLock(realFiles, settingsFile, { timeout: 0 })
  t.equal((await realFiles.stat(lock.path))?.mode, 0o644)
  await lock.release()
})

t.test('a second run waits, then says who holds it, how long, and what helps', async t => {
  const files = await machine()
  let now = Date.parse('2026-01-31T12:00:00Z')
  const lock = await acquireLock(files, VBOX, { timeout: 0, now: () => now })
  now += 300_000
  const start = performance.now()
  await t.rejects(acquireLock(files, VBOX, { timeout: 0.3, now: () => now }), {
    code: 'machine_locked',
    message: new RegExp(
      `^Cannot lock "/m/web.vbox": process ${process.pid} of user ".+" on host ".+" has held it for 5 minutes; ` +
        'wait for it or raise lockTimeout; when no vboxmerge runs there any more, delete ".+-lock"$',
    ),
  })
  t.ok(performance.now() - start >= 290)
  await lock.release()
  await (await acquireLock(files, VBOX, { timeout: 0 })).release()
})

t.test('who waits gets the lock when it is given back', async t => {
  const files = await machine()
  const first = await acquireLock(files, VBOX, { timeout: 0 })
  const second = acquireLock(files, VBOX, { timeout: 30 })
  setTimeout(() => first.release(), 100)
  await (await second).release()
  t.same(await files.list('/m'), ['web.vbox'])
})

t.test('waiting ends with the reason of the signal', async t => {
  const files = await machine()
  await acquireLock(files, VBOX, { timeout: 0 })
  const reason = new Error('enough')
  const stop = new AbortController()
  const waiting = acquireLock(files, VBOX, { timeout: 30, signal: stop.signal })
  setTimeout(() => stop.abort(reason), 50)
  await t.rejects(waiting, reason)
  await t.rejects(acquireLock(files, VBOX, { timeout: 30, signal: stop.signal }), reason)
  t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
})

t.test('the lock of a process that is gone is taken over', async t => {
  const stale: [string, Partial<LockHolder>][] = [
    ['no such process', { pid: 2 ** 30 }],
    ['a process of another start', { processStart: '1' }],
  ]
  if ((await realHostFacts.self()).boot !== undefined) stale.push(['an earlier boot', { boot: 'earlier' }])
  for (const [name, changes] of stale) {
    const files = await machine()
    await putLock(files, await holderOnThisHost(changes))
    const lock = await acquireLock(files, VBOX, { timeout: 0 })
    t.equal(decodeHolder(await files.readFile(LOCK, 4096))?.pid, process.pid, name)
    await lock.release()
    t.same(await files.list('/m'), ['web.vbox'], name)
  }
})

t.test('clearStaleLock() removes what the dead left, and nothing else', async t => {
  const files = await machine()
  await clearStaleLock(files, VBOX)
  await putLock(files, await holderOnThisHost({ pid: 2 ** 30 }))
  await clearStaleLock(files, VBOX)
  t.same(await files.list('/m'), ['web.vbox'])
  for (const content of [
    await holderOnThisHost({}),
    await holderOnThisHost({ host: 'far', boot: 'x' }),
    '',
  ]) {
    const held = await machine()
    await putLock(held, content)
    await clearStaleLock(held, VBOX)
    t.same(await held.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
  }
  const { files: forbidden } = faultyFiles(files, [
    { operation: 'changing', at: 1, sticky: true, error: 'EACCES' },
  ])
  await putLock(files, await holderOnThisHost({ pid: 2 ** 30 }))
  await clearStaleLock(forbidden, VBOX)
  t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
})

t.test('what may be in use is never broken', async t => {
  const contents: [string, string | Uint8Array, RegExp][] = [
    ['another host', await holderOnThisHost({ host: 'far', boot: 'x', pid: 2 ** 30 }), /on host "far"/],
    [
      'another container',
      await holderOnThisHost({ pidSpace: 'pid:[1]', pid: 2 ** 30 }),
      /process 1073741824/,
    ],
    ['an empty file', '', /cannot be read/],
    ['a later version', '{"format":"vboxmerge-lock","version":2}', /cannot be read/],
    ['a long file', 'x'.repeat(100_000), /cannot be read/],
  ]
  for (const [name, content, text] of contents) {
    const files = await machine()
    await putLock(files, content)
    const before = await files.readFile(LOCK, 1 << 20)
    await t.rejects(
      acquireLock(files, VBOX, { timeout: 0.05 }),
      { code: 'machine_locked', message: text },
      name,
    )
    t.same(await files.readFile(LOCK, 1 << 20), before, name)
    t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'], name)
  }
})

t.test('a lock file that is a link is neither followed nor removed', async t => {
  const files = await machine()
  files.addLink(LOCK, '/m/nothing')
  await t.rejects(acquireLock(files, VBOX, { timeout: 0 }), { code: 'machine_locked' })
  t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
})

t.test('release() leaves a lock that is not its own', async t => {
  const files = await machine()
  const lock = await acquireLock(files, VBOX, { timeout: 0 })
  await files.unlink(LOCK)
  await putLock(files, await holderOnThisHost({}))
  await lock.release()
  t.same(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock'])
})

t.test('withLock() gives the lock back, also after a failure', async t => {
  const files = await machine()
  t.equal(await withLock(files, VBOX, { timeout: 0 }, async () => (await files.list('/m')).length), 2)
  t.same(await files.list('/m'), ['web.vbox'])
  const failing = withLock(files, VBOX, { timeout: 0 }, async () => Promise.reject(new Error('broken')))
  await t.rejects(failing, { message: 'broken' })
  t.same(await files.list('/m'), ['web.vbox'])
})

t.test('a file system without hard links works too', async t => {
  const below = await machine()
  const { files } = faultyFiles(below, [{ operation: 'link', at: 1, sticky: true, error: 'EPERM' }])
  await putLock(below, await holderOnThisHost({ pid: 2 ** 30 }))
  const lock = await acquireLock(files, VBOX, { timeout: 0 })
  await t.rejects(acquireLock(files, VBOX, { timeout: 0 }), { code: 'machine_locked' })
  await lock.release()
  await (await acquireLock(files, VBOX, { timeout: 0 })).release()
  t.same(await below.list('/m'), ['web.vbox'])
})

t.test('when a lock cannot be written, nothing is left and the reason is told', async t => {
  for (const operation of ['create', 'write', 'sync', 'link', 'close'] as const) {
    const below = await machine()
    const { files } = faultyFiles(below, [{ operation, path: /lock/, at: 1, error: 'ENOSPC' }])
    const error = await acquireLock(files, VBOX, { timeout: 0 }).then(
      () => undefined,
      (error: VboxmergeError) => error,
    )
    t.match(error, { code: 'no_space', message: /\(ENOSPC\)/ }, operation)
    t.same(await below.list('/m'), ['web.vbox'], operation)
  }
})

t.test('whenever the power fails, the next run gets the lock', async t => {
  if ((await realHostFacts.self()).boot === undefined) return t.pass('no boot identity here')
  const files = await machine()
  await putLock(files, await holderOnThisHost({ pid: 2 ** 30 }))
  files.settle()
  const lock = await acquireLock(files, VBOX, { timeout: 0 })
  await files.syncFolder('/m')
  await lock.release()
  let states = 0
  for (const state of allCrashStates(files.recording(), { seed })) {
    states++
    const after = hostWith({ boot: 'the next one' })
    const taken = await acquireLock(state.files, VBOX, { timeout: 0, host: after }).catch(() => undefined)
    if (taken === undefined) t.fail(state.describe())
    await taken?.release()
    const left = await state.files.list('/m')
    if (left.length !== 1) t.same(left, ['web.vbox'], state.describe())
  }
  t.ok(states > 20, `${states} states`)
})

t.test('of real processes never two have it, also when each dies with the lock', async t => {
  const folder = await temporaryFolder(t)
  const settingsFile = join(folder, 'web.vbox')
  await writeFile(settingsFile, '')
  await writeFile(`${settingsFile}.counter`, '0')
  const contend = async (rounds: number, end: 'die' | 'leave'): Promise<string> => {
    const script = new URL('../fixtures/lock_contender.ts', import.meta.url)
    const args = ['--import', './scripts/typescript.mjs', script.pathname, settingsFile, String(rounds), end]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', text => {
      errors += text
    })
    const [code, signal] = await once(child, 'close')
    return `${code ?? signal}${errors}`
  }
  const outcomes = await Promise.all([
    contend(15, 'leave'),
    contend(15, 'leave'),
    contend(4, 'die').then(() => contend(4, 'die')),
    contend(3, 'die').then(() => contend(3, 'die')),
  ])
  t.same(outcomes, ['0', '0', 'SIGKILL', 'SIGKILL'])
  await (await acquireLock(realFiles, settingsFile, { timeout: 0 })).release()
  t.equal(await readFile(`${settingsFile}.counter`, 'utf8'), '44')
  t.same((await readdir(folder)).sort(), ['web.vbox', 'web.vbox.counter'])
})
