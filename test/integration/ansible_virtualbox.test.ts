// The playbooks for many machines, on machines that a real VirtualBox has registered.
import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { type PlaybookRun, runPlaybook, skipWithoutAnsible } from '../fixtures/ansible.ts'
import { commandLine } from '../fixtures/differential/command_line.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { ImageContent } from '../fixtures/machine_spec.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { thorough } from '../fixtures/test_run.ts'

t.setTimeout(300_000)

const skip = skipWithoutAnsible || skipWithoutVirtualBox

interface Scene {
  readonly box: RealVirtualBox
  /** Makes and registers a machine with one disk of eight blocks. */
  register(name: string, snapshots: readonly string[], base?: ImageContent): Promise<MadeMachine>
  play(name: string, variables?: Readonly<Record<string, unknown>>, ...flags: string[]): Promise<PlaybookRun>
  /** The names of a machine's snapshots as VirtualBox tells them. */
  snapshots(machine: MadeMachine): Promise<string[]>
}

async function scene(t: Parameters<typeof startVirtualBox>[0]): Promise<Scene> {
  const box = await startVirtualBox(t)
  let seed = 1
  return {
    box,
    register: async (name, snapshots, base) => {
      const folder = join(box.folder, name)
      await mkdir(folder)
      const content = base === undefined ? {} : { content: { base } }
      const disks = [{ capacity: 8 * 2 ** 20, ...content }]
      const made = await makeMachine(realFiles, folder, { name, seed: seed++, disks, snapshots })
      await box.run('registervm', made.settingsFile)
      return made
    },
    play: (name, variables, ...flags) =>
      runPlaybook(
        `playbooks/${name}.yml`,
        { home: box.folder, env: { ...box.env } },
        { here: {} },
        { golden_image_poll: 1, reclaim_poll: 1, keep_flat_poll: 1, ...variables },
        flags,
      ),
    snapshots: async machine => {
      const { stdout } = await box.manage('snapshot', machine.id, 'list', '--machinereadable')
      return [...stdout.matchAll(/^SnapshotName[-\d]*="(.*)"$/gm)].map(([, name = '']) => name)
    },
  }
}

t.test(
  'fleet.yml does what the machines of VirtualBox need, and the rest of them nothing',
  { skip },
  async t => {
    const { box, register, play, snapshots } = await scene(t)
    const web = await register('web', ['one', 'two'])
    const done = await register('done', [])
    await promisify(execFile)(process.execPath, [commandLine, 'golden', done.settingsFile], { env: box.env })
    const lost = await register('lost', ['one'])
    await rm(lost.folder, { recursive: true })
    await box.settle()
    const before = [await fingerprintsOf(web.folder), await fingerprintsOf(done.folder)]
    const options = { golden_image_time_limit: 0 }

    // With one machine the same role is asked what it would do in every run of the tests.
    if (thorough) {
      const check = await play('fleet', options, '--check', '--diff')
      t.match(check.recap, { here: { changed: 1, failed: 1 } }, check.stdout)
      t.match(check.stdout, 'web: would merge 2 snapshots')
      t.strictSame([await fingerprintsOf(web.folder), await fingerprintsOf(done.folder)], before)
    }

    const first = await play('fleet', options)
    t.match(first.recap, { here: { changed: 1, failed: 1 } }, first.stdout)
    t.match(first.stdout, /fatal: \[here\]: FAILED! => .*"msg": "Cannot find machine \\".*lost\.vbox\\"/)
    t.notMatch(first.stdout, /item=.*done\.vbox/, 'what needs nothing is not even begun with')
    t.strictSame(await fingerprintsOf(done.folder), before[1])
    t.strictSame(await machineProblems(realFiles, web), [])
    t.strictSame(await snapshots(web), ['Base'])
    await box.run('unregistervm', lost.id)
    await box.settle()

    const after = await fingerprintsOf(web.folder)
    const second = await play('fleet', options)
    t.equal(second.status, 0, second.stdout)
    t.match(second.recap, { here: { changed: 0, failed: 0 } })
    t.match(second.stdout, /"failed": "0",\n.*"hosts": "1",\n.*"machines": "0"/)
    t.strictSame(await fingerprintsOf(web.folder), after)

    const renamed = await play('fleet', { ...options, golden_image_snapshot_name: 'Clean' }, '--check')
    t.match(
      renamed.stdout,
      /"changed": "2",\n(.*\n)*?.*"machines": "2"/,
      'with options of its own, each is asked',
    )
  },
)

t.test('reclaim.yml compacts the machines that give back enough', { skip }, async t => {
  const { box, register, play } = await scene(t)
  // Pattern 0 is a block of zeros that takes its place.
  const much = await register('much', [], { 0: 1, 1: 0, 2: 0, 3: 0, 4: 0, 5: 2 })
  const none = await register('none', [], { 0: 1, 1: 2 })
  await box.settle()
  const before = [await fingerprintsOf(much.folder), await fingerprintsOf(none.folder)]
  const options = { reclaim_at_least: 2 ** 20, ...(thorough ? {} : { reclaim_time_limit: 0 }) }
  if (thorough) {
    const check = await play('reclaim', options, '--check')
    t.match(check.recap, { here: { changed: 1, failed: 0 } }, check.stdout)
    t.strictSame([await fingerprintsOf(much.folder), await fingerprintsOf(none.folder)], before)
  }
  const first = await play('reclaim', options)
  t.match(first.recap, { here: { changed: 1, failed: 0 } }, first.stdout)
  t.match(first.stdout, /item=much\b/)
  t.notMatch(first.stdout, /changed: \[here\] => \(item=none/)
  t.strictSame(await machineProblems(realFiles, much), [])
  t.strictSame(await fingerprintsOf(none.folder), before[1])
  const second = await play('reclaim', options)
  t.match(second.recap, { here: { changed: 0, failed: 0 } }, second.stdout)
})
