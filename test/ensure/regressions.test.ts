// Machines that were lost, or all but lost, while this program was attacked with a real VirtualBox.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureCompacted } from '../../lib/ensure/compacted.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { checkUnused } from '../../lib/ensure/machine_use.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { awayNotePath, encodeAwayNote } from '../../lib/machine/away_note.ts'
import { removeSnapshots } from '../../lib/machine/edit_snapshots.ts'
import { inspect } from '../../lib/machine/inspect.ts'
import { parseSettings, serializeSettings } from '../../lib/machine/settings_document.ts'
import type { ProcessFiles } from '../../lib/virtualbox/process_files.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf, viewsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

/** A machine in `web/`, an empty settings folder of VirtualBox in `home/`, `original/` for another machine. */
async function setUp(
  t: Test,
  spec: Partial<MachineSpec>,
): Promise<{ readonly folder: string; readonly home: string; readonly made: MadeMachine }> {
  const folder = await quickFolder(t)
  const home = join(folder, 'home')
  for (const name of ['home', 'web', 'original']) await mkdir(join(folder, name))
  const made = await makeMachine(realFiles, join(folder, 'web'), {
    disks: [{ blockSize: 2 ** 17 }],
    layout: 'small',
    ...spec,
  })
  return { folder, home, made }
}

async function takeOut(made: MadeMachine, snapshot: string): Promise<void> {
  const file = made.settingsFile
  const doc = parseSettings(await readFile(file), file)
  const next = removeSnapshots(doc, new Set([made.snapshot(snapshot).id]), new Date())
  await writeFile(file, serializeSettings(next))
}

async function register(home: string, { id, settingsFile }: MadeMachine): Promise<void> {
  const entry = `<MachineEntry uuid="{${id}}" src="${settingsFile}"/>`
  const text =
    '<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global>' +
    `<MachineRegistry>${entry}</MachineRegistry></Global></VirtualBox>\n`
  await writeFile(join(home, 'VirtualBox.xml'), text)
}

t.test(
  'a linked clone is not merged into an original that VirtualBox does not list at the moment',
  async t => {
    const { folder, home, made } = await setUp(t, {
      disks: [{ blockSize: 2 ** 17, location: '../original/base.vdi', content: { base: { 0: 1, 1: 0 } } }],
      snapshots: ['of the original', 'of the clone'],
    })
    // What is left reads the original's base, as a linked clone does, and attaches it nowhere.
    await takeOut(made, 'of the original')
    const original = await fingerprintsOf(join(folder, 'original'))
    const before = (await viewsOf(made.settingsFile)).get('current 0')
    const { steps } = await ensureMerged(made.settingsFile, { vboxUserHome: home })
    t.same(
      steps.map(step => step.kind === 'merge' && step.disks.map(disk => disk.target)),
      [[made.imageOf('of the clone', 0)?.id]],
    )
    t.strictSame(await fingerprintsOf(join(folder, 'original')), original)
    t.equal((await viewsOf(made.settingsFile)).get('current 0'), before)
    const compact = ensureCompacted(made.settingsFile, { vboxUserHome: home, freeSpace: 'keep' })
    await t.rejects(compact, hasCode('unsupported', /linked clone/))
    t.strictSame(await fingerprintsOf(join(folder, 'original')), original)
  },
)

t.test('images in the own folder that no snapshot reads any more are still merged', async t => {
  const { home, made } = await setUp(t, { snapshots: ['a', 'b'] })
  await takeOut(made, 'a')
  const before = (await viewsOf(made.settingsFile)).get('current 0')
  await ensureMerged(made.settingsFile, { vboxUserHome: home })
  t.strictSame([...(await viewsOf(made.settingsFile))], [['current 0', before]])
  t.equal((await inspect(realFiles, made.settingsFile, home)).inspection.images.size, 1)
})

t.test('a machine that another run has taken out of VirtualBox is a neighbour all the same', async t => {
  const { folder, home, made } = await setUp(t, { snapshots: ['a'] })
  const twin = join(folder, 'original', 'twin.vbox')
  const other = 'aaaaaaaa-0000-4000-8000-000000000001'
  const text = await readFile(made.settingsFile, 'utf8')
  await writeFile(twin, text.replace(made.id, other).replaceAll('location="', `location="${made.folder}/`))
  await writeFile(awayNotePath(home, other), encodeAwayNote(other, twin))
  await writeFile(awayNotePath(home, made.id), encodeAwayNote(made.id, made.settingsFile))
  const { inspection } = await inspect(realFiles, made.settingsFile, home)
  t.same(new Set(inspection.sharedWith.keys()), new Set(made.images.map(({ id }) => id)))
  t.equal(inspection.registration.registered, false, 'nor does its own note make it registered')
  const merge = ensureMerged(made.settingsFile, { vboxUserHome: home })
  await t.rejects(merge, hasCode('linked_clone', /used by the machine/))
})

t.test('golden is at rest after one run whatever counts as merged otherwise', async t => {
  for (const baseSnapshot of [false, 'Other'] as const) {
    const { home, made } = await setUp(t, { snapshots: ['a', 'b'] })
    const options = { vboxUserHome: home, freeSpace: 'keep', baseSnapshot } as const
    t.equal((await ensureGoldenImage(made.settingsFile, options)).changed, true)
    t.equal((await ensureGoldenImage(made.settingsFile, options)).changed, false)
  }
})

/** A /proc with one VBoxSVC of this environment. */
function service(environment: Readonly<Record<string, string>>): ProcessFiles {
  const environ = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`)
  const texts: Readonly<Record<string, string>> = { '7/comm': 'VBoxSVC\n', '7/environ': environ.join('') }
  return {
    list: async path => (path === '' ? ['7'] : []),
    read: async path => {
      const text = texts[path]
      return text === undefined ? undefined : new TextEncoder().encode(text)
    },
    target: async () => undefined,
    identity: async () => undefined,
  }
}

t.test('a machine that another VirtualBox holds in memory is refused, registered here or not', async t => {
  const { folder, home, made } = await setUp(t, { snapshots: ['a'] })
  const away = join(folder, 'user')
  const other = join(away, '.config', 'VirtualBox')
  await mkdir(other, { recursive: true })
  await register(other, made)
  const look = async (processes: ProcessFiles): Promise<void> => {
    const { inspection } = await inspect(realFiles, made.settingsFile, home)
    const manage = async (): Promise<undefined> => undefined
    const context = { files: realFiles, manage, vboxUserHome: home, lockTimeout: 0, signal: undefined }
    await checkUnused(inspection, { ...context, processes })
  }
  for (const registered of [false, true]) {
    if (registered) await register(home, made)
    const refused = hasCode('machine_locked', /VBoxSVC, process 7/)
    await t.rejects(look(service({ VBOX_USER_HOME: other })), refused, 'told where its settings are')
    await t.rejects(look(service({ HOME: away })), refused, 'with its settings in the usual place')
    await t.resolves(look(service({ VBOX_USER_HOME: `${home}/` })), 'its own VirtualBox')
    await t.resolves(look(service({ HOME: folder })), 'one that does not know it')
    await t.resolves(look(service({})), 'one of which nothing is known')
  }
})

t.test('a disk on an iSCSI target is no missing file, and in no way', async t => {
  const { home, made } = await setUp(t, { disks: [{}, { type: 'Writethrough' }], snapshots: ['one', 'two'] })
  const path = made.images.find(({ path }) => path.endsWith('disk1.vdi'))?.path ?? ''
  await rm(path)
  const text = await readFile(made.settingsFile, 'utf8')
  const location = 'location="10.0.0.5|iqn.2008-04.com.sun:02:aabbcc" format="iSCSI"'
  await writeFile(made.settingsFile, text.replace('location="disk1.vdi" format="VDI"', location))
  const options = { vboxUserHome: home, freeSpace: 'keep' } as const
  const done = await ensureGoldenImage(made.settingsFile, options)
  t.equal(done.changed, true)
  t.equal((await ensureGoldenImage(made.settingsFile, options)).changed, false)
  t.match(await readFile(made.settingsFile, 'utf8'), location)
})
