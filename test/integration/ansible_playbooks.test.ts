// The playbooks as people run them from a checkout, on machines that lie in folders.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { acquireLock } from '../../lib/machine/lock.ts'
import {
  type AnsiblePlace,
  type Inventory,
  type PlaybookRun,
  runAnsible,
  runPlaybook,
  skipWithoutAnsible,
} from '../fixtures/ansible.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems, readMachine } from '../fixtures/machine_reader.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { thorough } from '../fixtures/test_run.ts'

t.setTimeout(300_000)

interface Scene extends AnsiblePlace {
  /** Makes a machine with two snapshots in a folder of its name. */
  make(name: string): Promise<MadeMachine>
  play(
    name: string,
    hosts: Inventory,
    variables?: Readonly<Record<string, unknown>>,
    flags?: readonly string[],
  ): Promise<PlaybookRun>
}

async function scene(t: Parameters<typeof quickFolder>[0]): Promise<Scene> {
  const home = await quickFolder(t)
  let seed = 1
  return {
    home,
    make: async name => {
      const folder = join(home, name)
      await mkdir(folder)
      const disks = [{ blockSize: 2 ** 17, capacity: 2 ** 20 }]
      return await makeMachine(realFiles, folder, { name, seed: seed++, disks, snapshots: ['one', 'two'] })
    },
    play: (name, hosts, variables, flags) =>
      runPlaybook(`playbooks/${name}.yml`, { home }, hosts, { golden_image_poll: 1, ...variables }, flags),
  }
}

async function snapshotsOf(made: MadeMachine): Promise<string[]> {
  const { states } = await readMachine(realFiles, made.settingsFile)
  return states.flatMap(({ id, name }) => (id === 'current' ? [] : [name]))
}

t.test(
  'golden_image.yml says what it would do, does it, and does nothing the second time',
  {
    skip: skipWithoutAnsible,
  },
  async t => {
    const { make, play } = await scene(t)
    const made = await make('web')
    const before = await fingerprintsOf(made.folder)
    const run = (...flags: string[]): Promise<PlaybookRun> =>
      play(
        'golden_image',
        { localhost: {} },
        { machine: made.folder, golden_image_free_space: 'keep' },
        flags,
      )

    const check = await run('--check', '--diff')
    t.equal(check.status, 0, check.stdout)
    t.match(check.recap, { localhost: { changed: 1, failed: 0 } })
    t.match(check.stdout, 'web: would merge 2 snapshots into disk0.vdi; would take the snapshot \\"Base\\"')
    t.match(
      check.stdout,
      /^-\s+"images": 3,\n(.*\n)*?\+\s+"images": 2,$/m,
      '--diff shows what would be different',
    )
    t.strictSame(await fingerprintsOf(made.folder), before, 'no byte and no time of a file has changed')

    const first = await run('--diff')
    t.equal(first.status, 0, first.stdout)
    t.match(first.recap, { localhost: { changed: 1, failed: 0 } })
    t.match(first.stdout, /^ASYNC OK on localhost/m, 'it does not depend on the connection')
    t.match(first.stdout, 'web: merged 2 snapshots into disk0.vdi')
    const shown = (text: string): string[] =>
      text.match(/^[-+] .*"(images|snapshots|allocated_bytes)".*$/gm) ?? []
    t.strictSame(shown(first.stdout), shown(check.stdout), 'what was predicted has come true')
    t.strictSame(await machineProblems(realFiles, made), [])
    t.strictSame(await snapshotsOf(made), ['snapshot "Base"'])

    const after = await fingerprintsOf(made.folder)
    const second = await run()
    t.equal(second.status, 0, second.stdout)
    t.match(second.recap, { localhost: { changed: 0, failed: 0 } })
    t.match(second.stdout, 'web: nothing to do')
    t.strictSame(await fingerprintsOf(made.folder), after)
  },
)

t.test(
  'golden_image.yml hands every option on, and asks for the machine',
  {
    skip: skipWithoutAnsible,
  },
  async t => {
    const { home, make, play } = await scene(t)
    const made = await make('web')
    await mkdir(join(home, 'reports'))
    const options = {
      machine: made.settingsFile,
      golden_image_report: join(home, 'reports'),
      golden_image_skip: '1',
      golden_image_snapshot_name: 'Clean',
      golden_image_time_limit: 0,
      golden_image_digest: 'yes',
    }
    const skipped = await play('golden_image', { localhost: {} }, options, ['-v'])
    t.equal(skipped.status, 0, skipped.stdout)
    t.strictSame(await snapshotsOf(made), ['snapshot "two"', 'snapshot "Clean"'])
    t.match(skipped.stdout, /"sha256": "[0-9a-f]{64}"/)
    t.match(await readFile(join(home, 'reports', 'web.html'), 'utf8'), '<h1><bdi>web</bdi></h1>')
    t.notMatch(skipped.stdout, /ASYNC/, 'a limit of 0 waits for it')

    const nameless = await play('golden_image', { localhost: {} })
    t.equal(nameless.status, 2)
    t.match(nameless.stdout, 'Name the machine: -e machine=NAME')
  },
)

t.test(
  'in a fleet a machine that fails fails alone, and a busy one is skipped',
  {
    skip: skipWithoutAnsible,
  },
  async t => {
    const { make, play } = await scene(t)
    const names = ['broken', 'busy', 'web', 'db'] as const
    const [broken, busy, web, db] = (await Promise.all(names.map(make))) as [
      MadeMachine,
      MadeMachine,
      MadeMachine,
      MadeMachine,
    ]
    await rm(broken.imageOf('one', 0)?.path ?? '')
    const lock = await acquireLock(realFiles, busy.settingsFile, { timeout: 0 })
    t.teardown(lock.release)
    const before = { broken: await fingerprintsOf(broken.folder), busy: await fingerprintsOf(busy.folder) }
    const paths = (...machines: MadeMachine[]): object => ({
      golden_image_machines: machines.map(({ settingsFile }) => settingsFile),
    })
    const hosts = {
      alpha: paths(broken, busy, web) as Record<string, unknown>,
      beta: paths(db) as Record<string, unknown>,
      gone: { ansible_connection: 'ssh', ansible_host: '127.0.0.1', ansible_port: 1 },
    }
    // Jobs of their own, which each are asked about once a second, are tried with one machine above.
    const limit = thorough ? {} : { golden_image_time_limit: 0 }
    const options = {
      golden_image_lock_timeout: 0,
      golden_image_free_space: 'keep',
      fleet_serial: 1,
      ...limit,
    }

    const first = await play('fleet', hosts, options)
    t.equal(first.status, 2, first.stdout)
    t.match(first.recap, {
      alpha: { changed: 1, failed: 1 },
      beta: { changed: 1, failed: 0 },
      gone: { failed: 1 },
    })
    t.match(
      first.stdout,
      /fatal: \[alpha\]: FAILED! => \{"changed": false, "msg": "Cannot work on \\"broken\\": .*is missing/,
    )
    t.match(first.stdout, /"msg": "busy: skipped: Cannot lock .*process \d+ of user/)
    t.match(first.stdout, 'web: merged 2 snapshots')
    t.match(first.stdout, 'db: merged 2 snapshots')
    t.match(
      first.stdout,
      /"changed": "2",\n.*"failed": "2",\n.*"hosts": "3",\n.*"machines": "4",\n.*"skipped": "1"/,
    )
    t.strictSame(await fingerprintsOf(broken.folder), before.broken)
    t.strictSame(await fingerprintsOf(busy.folder), before.busy)
    for (const made of [web, db]) t.strictSame(await machineProblems(realFiles, made), [])

    await lock.release()
    // What a second run does is tried with other playbooks, too.
    if (!thorough) return
    const rest = { alpha: hosts.alpha, beta: hosts.beta }
    const second = await play('fleet', rest, { ...options, golden_image_time_limit: 0 })
    t.match(second.recap, { alpha: { changed: 1, failed: 1 }, beta: { changed: 0, failed: 0 } })
    t.match(second.stdout, 'busy: merged 2 snapshots', 'its turn has come')
    t.strictSame(await machineProblems(realFiles, busy), [])
  },
)

t.test('a module takes key=value from the command line', { skip: skipWithoutAnsible }, async t => {
  const { make, home } = await scene(t)
  const made = await make('web')
  const ask = (module: string, options: string): ReturnType<typeof runAnsible> =>
    runAnsible('ansible', ['localhost', '-m', `vboxmerge.virtualbox.${module}`, '-a', options], { home })
  const merged = await ask(
    'vbox_merged',
    `machine=${made.folder} skip=1 digest=yes when_busy=skip base_snapshot=no`,
  )
  t.equal(merged.status, 0, merged.stdout)
  t.match(merged.stdout, /^localhost \| CHANGED => /)
  t.strictSame(await snapshotsOf(made), ['snapshot "two"'])
  const elsewhere = await runAnsible(
    'ansible',
    [
      'localhost',
      '-m',
      'vboxmerge.virtualbox.vbox_machine_info',
      '-e',
      'ansible_node_interpreter=/no/such/node',
    ],
    { home },
  )
  t.match(elsewhere.stdout, '/no/such/node: not found', 'the variable for the interpreter is heeded')
  // Each module's refusals are tested without Ansible.
  if (!thorough) return
  const wrong = await ask('vbox_merged', `machine=${made.folder} skp=1 count=few when_busy=never`)
  t.equal(wrong.status, 2)
  t.match(wrong.stdout, 'Unknown option \\"skp\\"; did you mean \\"skip\\"?')
  t.match(wrong.stdout, 'Option \\"count\\" is \\"few\\"; give a whole number from 0 on')
  t.match(wrong.stdout, 'Option \\"when_busy\\" is \\"never\\"; give fail or skip')
})
