import t from 'tap'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { acquireLock, lockPathOf } from '../../lib/machine/lock.ts'
import {
  type RunStatus,
  readRunning,
  removeStatus,
  statusPath,
  writeStatus,
} from '../../lib/machine/run_status.ts'

const VBOX = '/m/web.vbox'
const STATUS: Omit<RunStatus, 'token'> = {
  operation: 'merged',
  step: 'merge /m/web.vdi',
  percent: 41,
  secondsLeft: 90,
}

async function machine(): Promise<RecordedFiles> {
  const files = new RecordedFiles()
  await files.makeFolder('/m')
  await (await files.open(VBOX, 'create')).close()
  return files
}

async function put(files: RecordedFiles, path: string, content: string): Promise<void> {
  const file = await files.open(path, 'create')
  await file.write(Buffer.from(content), 0)
  await file.close()
}

t.test('nothing runs on a machine that nobody locked', async t => {
  const files = await machine()
  t.equal(await readRunning(files, VBOX), null)
  await writeStatus(files, VBOX, { ...STATUS, token: 'x' })
  t.equal(await readRunning(files, VBOX), null, 'whatever a dead run left')
})

t.test('a run is told with its process, and with its progress once it tells that', async t => {
  const files = await machine()
  const lock = await acquireLock(files, VBOX, { timeout: 0, now: () => Date.parse('2026-01-31T12:00:00Z') })
  const facts = { pid: process.pid, started: '2026-01-31T12:00:00.000Z' }
  const silent = { operation: null, step: null, percent: null, secondsLeft: null }
  t.match(await readRunning(files, VBOX), { ...facts, ...silent })
  await writeStatus(files, VBOX, { ...STATUS, token: lock.token })
  await writeStatus(files, VBOX, { ...STATUS, token: lock.token, percent: 42 })
  t.match(await readRunning(files, VBOX), { ...facts, ...STATUS, percent: 42 })
  t.strictSame(await files.list('/m'), ['web.vbox', 'web.vbox.vboxmerge-lock', 'web.vbox.vboxmerge-status'])
  await removeStatus(files, VBOX)
  await removeStatus(files, VBOX)
  await lock.release()
  t.equal(await readRunning(files, VBOX), null)
  t.strictSame(await files.list('/m'), ['web.vbox'])
})

t.test('a status of another run, and one that cannot be read, says nothing', async t => {
  const good = { format: 'vboxmerge-status', version: 1, ...STATUS }
  for (const content of ['', 'x', '{}', 'null', '[]', JSON.stringify({ ...good, token: 'another' })]) {
    const files = await machine()
    const { token } = await acquireLock(files, VBOX, { timeout: 0 })
    await put(files, statusPath(VBOX), content)
    t.match(await readRunning(files, VBOX), { operation: null, pid: process.pid }, content)
    const bad = { ...good, token, percent: 'many', step: 'x'.repeat(5000) }
    await files.unlink(statusPath(VBOX))
    await put(files, statusPath(VBOX), JSON.stringify(bad))
    t.match(await readRunning(files, VBOX), { operation: null, percent: null })
  }
})

t.test(
  'a lock that cannot be read tells of no run, and a folder in the place of a status of none either',
  async t => {
    const files = await machine()
    await put(files, lockPathOf(VBOX), 'x')
    t.equal(await readRunning(files, VBOX), null)
    await files.unlink(lockPathOf(VBOX))
    await acquireLock(files, VBOX, { timeout: 0 })
    await files.makeFolder(statusPath(VBOX))
    t.match(await readRunning(files, VBOX), { operation: null })
    await removeStatus(files, VBOX)
    t.ok(await files.stat(statusPath(VBOX)), 'what is no status is left alone')
  },
)

t.test('a status is put in place as a whole, and a long path keeps its end', async t => {
  const files = await machine()
  const { token } = await acquireLock(files, VBOX, { timeout: 0 })
  const step = `merge /${'x'.repeat(3000)}/end.vdi`
  await writeStatus(files, VBOX, { ...STATUS, token, step })
  t.match((await readRunning(files, VBOX))?.step, /^….+\/end\.vdi$/)
})
