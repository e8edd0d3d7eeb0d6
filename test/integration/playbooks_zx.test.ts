import { type SpawnOptions, spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { $ } from 'zx/core'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { fakeVBoxManage, skipWithoutScripts } from '../fixtures/fake_vboxmanage.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { type Ended, findProgram, run } from '../fixtures/setup_programs.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const KIB = 1024
const skip = skipWithoutVirtualBox

function playbook(name: string, args: readonly string[], virtualBox?: RealVirtualBox): Promise<Ended> {
  const file = fileURLToPath(new URL(`../../playbooks/${name}.mjs`, import.meta.url))
  return run(process.execPath, [file, ...args], virtualBox && { env: virtualBox.env, cwd: virtualBox.folder })
}

/** Registers a machine with `count` snapshots, each of which wrote four blocks. */
async function register(virtualBox: RealVirtualBox, name: string, count: number): Promise<MadeMachine> {
  const snapshots = Array.from({ length: count }, (_, at) => `${at + 1}`)
  const states = ['base', ...snapshots, 'current']
  const spec: MachineSpec = {
    name,
    seed: count + 1,
    disks: [
      {
        blockSize: 128 * KIB,
        capacity: 2048 * KIB,
        content: Object.fromEntries(
          states.map((state, at) => [state, { 0: at + 1, 1: at + 2, 2: at + 3, 3: at + 4 }]),
        ),
      },
    ],
    snapshots,
    layout: 'small',
  }
  const made = await makeMachine(realFiles, join(virtualBox.machineFolder, name), spec)
  await virtualBox.run('registervm', made.settingsFile)
  return made
}

async function bytesOf(made: MadeMachine): Promise<number> {
  let bytes = 0
  for (const { path } of made.images) bytes += (await realFiles.stat(path))?.size ?? 0
  return bytes
}

t.setTimeout(600_000)

t.test('golden_image.mjs makes a golden image and exports it', { skip }, async t => {
  const virtualBox = await startVirtualBox(t)
  const made = await register(virtualBox, 'my web', 3)
  await virtualBox.settle()

  const check = await playbook('golden_image', ['my web', '--check'], virtualBox)
  t.match(check, { status: 0, stdout: /^my web: merge, snapshot; \d+\.\d -> \d+\.\d MiB$/m })
  t.match(await virtualBox.run('snapshot', 'my web', 'list'), /Name: 3 /, 'a check changes nothing')
  await virtualBox.settle()

  const file = join(virtualBox.folder, 'my image.ova')
  const done = await playbook('golden_image', ['my web', '--export', file], virtualBox)
  t.equal(done.status, 0, done.stderr)
  t.match(done.stdout, `exported to ${file}`)
  t.ok((await readFile(file)).includes('.ovf'))
  t.same(await machineProblems(realFiles, made), [])

  const again = await playbook('golden_image', ['my web'], virtualBox)
  t.match(again, { status: 0, stdout: /^my web: nothing to do;/m })
  const missing = await playbook('golden_image', ['nobody'], virtualBox)
  t.match(missing, { status: 3, stderr: /^error: Cannot find machine "nobody"/ })
})

t.test('keep_flat.mjs flattens the largest gain first, until the budget is kept', { skip }, async t => {
  const virtualBox = await startVirtualBox(t)
  const small = await register(virtualBox, 'small', 1)
  const large = await register(virtualBox, 'large', 4)
  const busy = await register(virtualBox, 'busy', 2)
  const broken = await register(virtualBox, 'broken', 0)
  await virtualBox.settle()
  await rm(broken.images[0]?.path ?? '')
  // The lock of another host is never broken: that machine is worked on.
  const lock = {
    format: 'vboxmerge-lock',
    version: 1,
    token: '0123456789abcdef',
    host: 'elsewhere',
    pid: 1,
    user: 'ann',
  }
  await writeFile(
    `${busy.settingsFile}.vboxmerge-lock`,
    JSON.stringify({ ...lock, since: new Date().toISOString() }),
  )

  const [one, four, two] = [await bytesOf(small), await bytesOf(large), await bytesOf(busy)]
  const roomy = await playbook('keep_flat', ['--budget', '1T'], virtualBox)
  t.equal(roomy.status, 0, roomy.stderr)
  t.match(roomy.stdout, /^4 machines: /)
  t.same([await bytesOf(small), await bytesOf(large)], [one, four], 'nothing to do under the budget')

  // Flattening the large one alone is enough.
  const budget = String(one + four + two - 1)
  const check = await playbook('keep_flat', ['--budget', budget, '--check'], virtualBox)
  t.match(check.stdout, /^would flatten large: /m)
  t.same(await bytesOf(large), four, 'a check changes nothing')

  const night = await playbook('keep_flat', ['--budget', budget], virtualBox)
  t.match(night.stdout, /^flattened large: /m)
  t.notMatch(night.stdout, 'flattened small')
  t.match(night.stdout, /^busy: busy$/m)
  t.match(night.stdout, /^failed: broken: Cannot /m)
  t.equal(night.status, 1, 'a machine that cannot be worked on is told by the status')
  t.equal(await bytesOf(small), one)
  t.ok((await bytesOf(large)) < four)
  t.same(await machineProblems(realFiles, large), [])
  t.same(await machineProblems(realFiles, busy), [])

  const tight = await playbook('keep_flat', ['--budget', '1K'], virtualBox)
  t.match(tight, { status: 1, stdout: /^flattened small: /m })
  t.same(await machineProblems(realFiles, small), [])
  t.match(await playbook('keep_flat', ['--budget', 'a lot'], virtualBox), { status: 2, stderr: /^Usage: / })
})

t.test('keep_flat.mjs lets a lone Base stay', { skip }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { name } = await virtualBox.createMachine('shielded', [8])
  await virtualBox.run('snapshot', name, 'take', 'Base')
  await virtualBox.settle()
  const { status, stdout } = await playbook('keep_flat', ['--budget', '1K'], virtualBox)
  t.equal(status, 1, 'it is over the budget still')
  t.notMatch(stdout, 'flattened')
  t.match(await virtualBox.run('snapshot', name, 'list', '--machinereadable'), 'SnapshotName="Base"')
})

t.test(
  "a caller's own $ runs every VBoxManage, in its environment",
  { skip: skipWithoutScripts || (findProgram('bash') === undefined && 'zx needs bash') },
  async t => {
    const folder = await temporaryFolder(t)
    const made = await makeMachine(realFiles, join(folder, 'web'), {
      disks: [{ blockSize: 128 * KIB, capacity: 2048 * KIB }],
      snapshots: ['one'],
      layout: 'small',
    })
    const registry = `<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux">
  <Global><MachineRegistry><MachineEntry uuid="{${made.id}}" src="${made.settingsFile}"/></MachineRegistry></Global>
</VirtualBox>\n`
    await writeFile(join(folder, 'VirtualBox.xml'), registry)
    const fake = await fakeVBoxManage(folder, [
      { when: '--version', stdout: '7.2.22r1\n' },
      { when: 'showvminfo', stdout: 'VMState="running"\n' },
    ])
    let spawned = 0
    const counted = ((command: string, args: readonly string[], options: SpawnOptions) => {
      spawned++
      return spawn(command, args, options)
    }) as typeof spawn
    const mine = $({ verbose: true, spawn: counted })
    const options = { vboxUserHome: folder, vboxmanage: fake.file, $: mine }
    await t.rejects(ensureMerged('web', options), { code: 'machine_not_off' })
    const calls = await fake.calls()
    t.ok(calls.length > 0)
    t.equal(spawned, calls.length, 'each call went through it')
    t.match(calls.at(-1)?.env, { VBOX_USER_HOME: folder })
  },
)
