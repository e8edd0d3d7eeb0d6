// Machines and snapshots with names that look like options or commands, in a real VirtualBox.
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { applyWithVirtualBox } from '../../lib/engine/virtualbox/virtualbox_engine.ts'
import { ensureBaseSnapshot } from '../../lib/ensure/base_snapshot.ts'
import { ensureCloned } from '../../lib/ensure/cloned.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { execRunner } from '../../lib/virtualbox/exec_runner.ts'
import { createManage } from '../../lib/virtualbox/manage.ts'
import { zxRunner } from '../../lib/virtualbox/zx_runner.ts'
import { engineRun, settingsOf, snapshotsOf, step } from '../fixtures/engine_run.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { fingerprintsOf, viewsOf } from '../fixtures/observed_machine.ts'
import { skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'

t.setTimeout(600_000)

const SNAPSHOTS = ['--help', '-rf', '--description=x', '; touch injected', '$(touch injected)', `"'\\`]
const ALL_TAKEN = [
  '--help',
  '-',
  'a"b\'c;d',
  '$(touch injected)',
  '{11111111-1111-4111-8111-111111111111}',
  'a\nb',
]

const TAKEN = process.env.CI === 'true' ? ALL_TAKEN : ALL_TAKEN.slice(0, 2)

t.test('hostile names in a real VirtualBox', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { VBOX_USER_HOME, VBOX_IPC_SOCKETID, HOME = '' } = virtualBox.env
  Object.assign(process.env, { VBOX_USER_HOME, VBOX_IPC_SOCKETID, HOME })
  const { vboxmanage } = virtualBox.installed
  const common = { vboxmanage, vboxUserHome: virtualBox.userHome }

  async function register(name: string, seed: number): Promise<string> {
    const folder = join(virtualBox.machineFolder, name)
    await mkdir(folder, { recursive: true })
    const disks = [{ capacity: 2 ** 20, blockSize: 2 ** 17 }]
    const { settingsFile } = await makeMachine(realFiles, folder, { name, seed, disks, snapshots: SNAPSHOTS })
    await virtualBox.run('registervm', settingsFile)
    await virtualBox.settle()
    return settingsFile
  }

  t.test('the virtualbox engine deletes and takes snapshots by either runner', async t => {
    for (const [index, runner] of [execRunner, zxRunner()].entries()) {
      const file = await register(index === 0 ? '-rf' : '--help', 10 + index)
      const before = (await viewsOf(file)).get('current 0')
      const manage = createManage({ file: vboxmanage, platform: 'linux', runner })
      const refs = [...(await snapshotsOf(file)).values()].reverse()
      t.strictSame(
        refs.map(({ name }) => name),
        [...SNAPSHOTS].reverse(),
      )
      await applyWithVirtualBox({ ...(await engineRun(virtualBox, file, [step.merge(...refs)])), manage })
      t.equal((await settingsOf(file)).rootSnapshot, undefined, 'all are merged')
      for (const name of TAKEN) {
        const { id } = await settingsOf(file)
        const taken = await manage.takeSnapshot(id, name, '--help')
        const found = (await snapshotsOf(file)).get(name)
        t.equal(found?.id, taken, JSON.stringify(name))
        await manage.restoreSnapshot(id, { id: taken ?? '', name })
        await manage.deleteSnapshot(id, { id: taken ?? '', name })
        t.equal((await settingsOf(file)).rootSnapshot, undefined)
      }
      t.equal((await viewsOf(file)).get('current 0'), before, 'the guest sees no difference')
    }
  })

  t.test('the direct engine merges, shields and clones', async t => {
    const name = '-rf $(touch injected)'
    const file = await register(name, 30)
    const before = (await viewsOf(file)).get('current 0')
    t.match(await ensureMerged(name, { ...common, engine: 'direct' }), { changed: true, machine: { name } })
    const shielded = await ensureBaseSnapshot(file, {
      ...common,
      snapshotName: '--help',
      snapshotDescription: '-x',
    })
    t.match(shielded, { changed: true, machine: { registered: true } })
    t.ok((await snapshotsOf(file)).has('--help'))
    const source = await fingerprintsOf(join(file, '..'))
    const clone = await ensureCloned(name, {
      ...common,
      cloneName: '--name=`touch injected`\n-x',
      freeSpace: 'keep',
    })
    t.match(clone.clone, { name: '--name=`touch injected`\n-x', registered: true })
    t.strictSame(await fingerprintsOf(join(file, '..')), source, 'the machine was only read')
    t.equal((await viewsOf(clone.clone?.settingsFile ?? '')).get('current 0'), before)
    t.equal((await viewsOf(file)).get('current 0'), before)
    const listed = await virtualBox.run('list', 'vms')
    t.ok(listed.includes(`{${clone.clone?.id}}`))
  })

  t.test('no command in a name was carried out', async t => {
    for (const folder of ['.', virtualBox.folder, virtualBox.machineFolder, HOME].filter(Boolean)) {
      t.notOk((await readdir(folder)).includes('injected'), folder)
    }
    t.ok((await readFile('package.json', 'utf8')).length > 0)
  })
})
