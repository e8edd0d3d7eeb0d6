import t from 'tap'
import type { Files } from '../../lib/io/files.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import type { SeededRandom } from '../../lib/io/seeded_random.ts'
import type { HostFacts } from '../../lib/machine/host_facts.ts'
import { acquireLock } from '../../lib/machine/lock.ts'
import { encodeHolder } from '../../lib/machine/lock_holder.ts'
import { budgetMs, testRandom } from '../fixtures/test_run.ts'

const VBOX = '/m/web.vbox'

/** A computer on which processes run and die. */
class World {
  readonly files = new RecordedFiles()
  readonly alive = new Set<number>()
  readonly inside = new Set<number>()
  readonly broken: string[] = []
  entered = 0

  hostOf(pid: number): HostFacts {
    const facts = { host: 'pc', hostId: undefined, boot: 'boot', pidSpace: 'space', user: 'ann' }
    return {
      self: async () => ({ ...facts, pid, processStart: '1' }),
      process: async other => (this.alive.has(other) ? { start: '1' } : 'gone'),
    }
  }

  die(pid: number): void {
    this.alive.delete(pid)
    this.inside.delete(pid)
  }
}

class Killed extends Error {}

/** Files of one process: every call takes its time, and after `calls` calls the process is dead. */
function filesOf(world: World, pid: number, calls: number, random: SeededRandom): Files {
  let left = calls
  return interceptedFiles(world.files, async (_, run) => {
    const turns = random.below(20) === 0 ? random.below(200) : random.below(3)
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    if (left-- <= 0) {
      world.die(pid)
      throw new Killed()
    }
    return run()
  })
}

async function contender(world: World, pid: number, calls: number, random: SeededRandom): Promise<void> {
  world.alive.add(pid)
  const files = filesOf(world, pid, calls, random)
  try {
    const lock = await acquireLock(files, VBOX, { timeout: 20, host: world.hostOf(pid) })
    // Clearing away takes no failure for one, not even the end of the process.
    if (!world.alive.has(pid)) throw new Killed()
    if (world.inside.size > 0) world.broken.push(`${pid} came in while ${[...world.inside]} were there`)
    world.inside.add(pid)
    world.entered++
    for (let work = random.below(40); work > 0; work--) await files.stat(VBOX)
    world.inside.delete(pid)
    await lock.release()
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  world.die(pid)
}

t.test('never two at once, whoever dies in whatever moment, and the next one cleans up', async t => {
  const random = testRandom(t)
  const end = Date.now() + budgetMs(5)
  const count = { worlds: 0, entered: 0, killed: 0 }
  while (Date.now() < end) {
    const world = new World()
    await world.files.makeFolder('/m')
    await (await world.files.open(VBOX, 'create')).close()
    // One that dies with the lock, so that all the others find it stale at the same time.
    await contender(world, 99, 8, random)
    const processes = Array.from({ length: 3 + random.below(5) }, (_, at) => {
      const calls = random.below(3) === 0 ? 10_000 : random.below(40)
      return contender(world, at + 1, calls, random)
    })
    await Promise.all(processes)
    await contender(world, 100, 10_000, random)
    count.worlds++
    count.entered += world.entered
    count.killed += processes.length + 2 - world.entered
    if (world.broken.length > 0) return t.fail(world.broken.join())
    const left = await world.files.list('/m')
    if (left.length !== 1) return t.same(left, ['web.vbox'])
  }
  t.comment(JSON.stringify(count))
  t.ok(count.worlds > 10 && count.killed > 10)
})

t.test('eight that died in taking over from each other are cleared away', async t => {
  const world = new World()
  await world.files.makeFolder('/m')
  let path = `${VBOX}.vboxmerge-lock`
  for (let pid = 1; pid <= 8; pid++) {
    const token = String(pid).padStart(16, '0')
    const facts = await world.hostOf(pid).self()
    const file = await world.files.open(path, 'create')
    await file.write(encodeHolder({ ...facts, token, since: '2026-01-31T12:00:00.000Z' }), 0)
    await file.close()
    path += `.${token}`
  }
  world.alive.add(9)
  const lock = await acquireLock(world.files, VBOX, { timeout: 0, host: world.hostOf(9) })
  await lock.release()
  t.same(await world.files.list('/m'), [])
})

t.test('who judged a lock stale long ago does not break the one that took its place', async t => {
  const world = new World()
  await world.files.makeFolder('/m')
  world.alive.add(1).add(2).add(3)
  await acquireLock(world.files, VBOX, { timeout: 0, host: world.hostOf(1) })
  world.die(1)
  let open = (): void => undefined
  let arrived = (): void => undefined
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  const atGate = new Promise<void>(resolve => {
    arrived = resolve
  })
  const slowFiles = interceptedFiles(world.files, async ({ operation, to }, run) => {
    if (operation === 'link' && /lock\.[0-9a-f]{16}$/.test(to ?? '')) {
      arrived()
      await gate
    }
    return run()
  })
  const slow = acquireLock(slowFiles, VBOX, { timeout: 0, host: world.hostOf(2) })
  await atGate
  const lock = await acquireLock(world.files, VBOX, { timeout: 0, host: world.hostOf(3) })
  open()
  await t.rejects(slow, { code: 'machine_locked', message: /process 3 / })
  t.same(await world.files.list('/m'), ['web.vbox.vboxmerge-lock'])
  await lock.release()
  t.same(await world.files.list('/m'), [])
})
