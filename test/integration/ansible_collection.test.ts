// The collection as others get it: built, installed elsewhere, documented, and free of what a linter finds.
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import {
  checkout,
  runAnsible,
  runPlaybook,
  skipWithoutAnsible,
  skipWithoutLint,
} from '../fixtures/ansible.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems, readMachine } from '../fixtures/machine_reader.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { sample } from '../fixtures/test_run.ts'

t.setTimeout(300_000)

const MODULES = [
  'vbox_base_snapshot',
  'vbox_clone',
  'vbox_compacted',
  'vbox_golden_image',
  'vbox_machine_info',
  'vbox_merged',
]

t.test(
  'the collection is built, installed elsewhere and used from there',
  {
    skip: skipWithoutAnsible,
  },
  async t => {
    const home = await quickFolder(t)
    const place = {
      home,
      cwd: home,
      env: { ANSIBLE_COLLECTIONS_PATH: join(home, 'collections') },
    }
    const built = await runAnsible(
      'ansible-galaxy',
      ['collection', 'build', checkout, '--output-path', home],
      place,
    )
    t.equal(built.status, 0, built.stderr)
    const archive = join(home, 'vboxmerge-virtualbox-1.0.0.tar.gz')
    const installed = await runAnsible(
      'ansible-galaxy',
      ['collection', 'install', archive, '--offline'],
      place,
    )
    t.equal(installed.status, 0, installed.stderr)
    const folder = join(home, 'collections/ansible_collections/vboxmerge/virtualbox')
    t.strictSame(
      (await readdir(folder)).sort(),
      [
        'CHANGELOG.md',
        'FILES.json',
        'LICENSE',
        'MANIFEST.json',
        'README.md',
        'docs',
        'meta',
        'playbooks',
        'plugins',
        'roles',
      ],
      'only what belongs is packed',
    )
    const modules = MODULES.flatMap(name => [`${name}.mjs`, `${name}.yml`])
    t.strictSame((await readdir(join(folder, 'plugins/modules'))).sort(), modules)

    const machine = join(home, 'web')
    await mkdir(machine)
    const snapshots = ['one', 'two', 'three', 'four']
    const disks = [{ blockSize: 2 ** 17, capacity: 2 ** 20 }]
    const made = await makeMachine(realFiles, machine, { name: 'web', disks, snapshots })
    const playbook = join(home, 'nightly.yml')
    await writeFile(
      playbook,
      JSON.stringify([
        {
          name: 'Keep machines flat',
          hosts: 'all',
          gather_facts: false,
          module_defaults: { 'group/vboxmerge.virtualbox.all': { vbox_user_home: join(home, 'registry') } },
          roles: ['vboxmerge.virtualbox.keep_flat'],
          vars: {
            keep_flat_machines: [join(home, 'nowhere'), machine],
            keep_flat_poll: 1,
            keep_flat_time_limit: 0,
          },
        },
      ]),
    )
    const first = await runPlaybook(playbook, place, { here: {} })
    t.match(first.recap, { here: { changed: 1, failed: 1 } }, first.stdout)
    t.match(first.stdout, /FAILED! => .*"msg": "Cannot find machine [^}]*nowhere/)
    t.strictSame(await machineProblems(realFiles, made), [])
    const { states } = await readMachine(realFiles, made.settingsFile)
    t.strictSame(
      states.map(({ name }) => name),
      ['snapshot "three"', 'snapshot "four"', 'the current state'],
    )
    const second = await runPlaybook(playbook, place, { here: {} })
    t.match(second.recap, { here: { changed: 0, failed: 1 } }, second.stdout)
  },
)

t.test('ansible-doc shows every module and role', { skip: skipWithoutAnsible }, async t => {
  const home = await quickFolder(t)
  const names = MODULES.map(name => `vboxmerge.virtualbox.${name}`)
  const { status, stdout, stderr } = await runAnsible('ansible-doc', ['-t', 'module', '--json', ...names], {
    home,
  })
  t.equal(status, 0, stderr)
  const docs = JSON.parse(stdout)
  t.strictSame(Object.keys(docs).sort(), names)
  for (const name of names) {
    const { doc, examples, return: returns } = docs[name]
    t.match(doc, {
      short_description: /\w/,
      version_added: '1.0.0',
      attributes: { check_mode: { support: 'full' } },
    })
    t.match(doc.options.machine, { type: 'str' }, name)
    t.match(examples, `${name}:`)
    t.match(returns, { msg: { type: 'str' }, failed: { type: 'bool' } })
  }
  // The text is laid out only without --json.
  const shown = await runAnsible('ansible-doc', ['-t', 'module', ...names], { home })
  t.equal(shown.status, 0, shown.stderr)
  const roles = await runAnsible(
    'ansible-doc',
    ['-t', 'role', '--json', 'vboxmerge.virtualbox.golden_image', 'vboxmerge.virtualbox.keep_flat'],
    { home },
  )
  t.equal(roles.status, 0, roles.stderr)
  const options = JSON.parse(roles.stdout)['vboxmerge.virtualbox.golden_image'].entry_points.main.options
  const known = Object.keys(docs['vboxmerge.virtualbox.vbox_golden_image'].doc.options).filter(
    name => name !== 'machine',
  )
  const own = known.map(name => `golden_image_${name}`)
  t.strictSame(
    own.filter(name => !(name in options)),
    [],
    'the role has every option of the module',
  )
})

t.test('ansible-lint finds nothing, in its strictest profile', { skip: skipWithoutLint }, async t => {
  const home = await quickFolder(t)
  // Linted where nothing else is: it would walk through everything that lies in a checkout.
  const cwd = join(home, 'collection')
  for (const part of ['CHANGELOG.md', 'README.md', 'galaxy.yml', 'meta', 'playbooks', 'plugins', 'roles']) {
    await cp(join(checkout, part), join(cwd, part), { recursive: true })
  }
  // It starts Ansible for each playbook, which takes a second.
  const playbooks = (await readdir(join(cwd, 'playbooks'))).filter(name => name.endsWith('.yml'))
  const linted = sample(playbooks, 3)
  t.ok(linted.length > 0)
  for (const name of playbooks) if (!linted.includes(name)) await rm(join(cwd, 'playbooks', name))
  const { status, stdout, stderr } = await runAnsible(
    'ansible-lint',
    ['--profile', 'production', '--offline', '--nocolor'],
    { home, cwd, env: { ANSIBLE_COLLECTIONS_PATH: join(checkout, 'collections') } },
  )
  t.equal(status, 0, stdout + stderr)
  t.match(stdout + stderr, /Passed with production profile: 0 failure\(s\), 0 warning\(s\) on \d+ files/)
})
