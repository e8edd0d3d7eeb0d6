import { copyFile, readFile, stat, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { noteFor, notePath, readNote, writeNote } from '../../lib/engine/virtualbox/chain_note.ts'
import { readLinks } from '../../lib/engine/virtualbox/read_links.ts'
import { recoverSettings } from '../../lib/engine/virtualbox/recover_settings.ts'
import { applyWithVirtualBox } from '../../lib/engine/virtualbox/virtualbox_engine.ts'
import { findSnapshot } from '../../lib/engine/virtualbox/virtualbox_run.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { eachMedium } from '../../lib/machine/media_graph.ts'
import { realProcessFiles } from '../../lib/virtualbox/process_files.ts'
import {
  digestsOf,
  engineRun,
  fillBlock,
  settingsOf,
  shapeOf,
  snapshotsOf,
  step,
  takeWithData,
  writeToCurrent,
} from '../fixtures/engine_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'
import {
  type RealVirtualBox,
  skipWithoutPython,
  skipWithoutVirtualBox,
  startVirtualBox,
} from '../fixtures/real_virtualbox.ts'
import { some, thorough } from '../fixtures/test_run.ts'

const MISSING = { code: 'ENOENT' }

/** Two disks for what is to be seen with several; else CI tries two. */
const TWO = [8, 8]
const ONE_OR_TWO = thorough ? TWO : [8]

async function machineWith(
  virtualBox: RealVirtualBox,
  name: string,
  snapshots: readonly string[],
  disks: readonly number[] = TWO,
): Promise<string> {
  const { settingsFile } = await virtualBox.createMachine(name, disks)
  await writeToCurrent(settingsFile, 0, 1)
  for (const [index, snapshot] of snapshots.entries()) {
    await takeWithData(virtualBox, settingsFile, snapshot, index + 1, index + 2)
  }
  await virtualBox.settle()
  return settingsFile
}

/** Makes the images of a snapshot bigger than all others, so that VirtualBox merges into them. */
async function enlarge(file: string, name: string): Promise<void> {
  const settings = await settingsOf(file)
  const ref = (await snapshotsOf(file)).get(name)
  const images = new Set((ref && findSnapshot(settings, ref.id))?.attachments.map(({ image }) => image))
  for (const { id, path } of eachMedium(settings.media)) {
    if (images.has(id)) for (const block of [4, 5, 6]) await fillBlock(path, block, 9)
  }
}

/** What VirtualBox leaves when it dies after it merged a snapshot's images and before it saves its settings. */
async function dieAfterMerging(
  virtualBox: RealVirtualBox,
  file: string,
  name: string,
): Promise<{ readonly saved: unknown; readonly paths: ReadonlyMap<string, string> }> {
  const before = await settingsOf(file)
  const bytes = await readFile(file)
  const ref = (await snapshotsOf(file)).get(name)
  const snapshot = ref && findSnapshot(before, ref.id)
  if (snapshot === undefined) throw new Error(`no snapshot ${name}`)
  const media = [...eachMedium(before.media)]
  const links = await readLinks(
    realFiles,
    media.map(({ path }) => path),
  )
  await writeNote(realFiles, file, noteFor(before, snapshot, links))
  await virtualBox.run('snapshot', before.id, 'delete', snapshot.id)
  await virtualBox.settle()
  const saved = shapeOf(await settingsOf(file))
  await writeFile(file, bytes)
  return { saved, paths: new Map(media.map(({ id, path }) => [id, path])) }
}

t.setTimeout(600_000)

t.test('settings that VirtualBox did not come to save', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)

  const cases = [
    { name: 'middle', into: 'its child' },
    { name: 'middle', into: 'itself, as its file is the bigger one', bigger: true },
    { name: 'first', into: 'the base' },
    { name: 'last', into: 'the image of the current state' },
  ]
  for (const [number, { name, into, bigger = false }] of some([...cases.entries()], 2)) {
    t.test(`are rebuilt after the ${name} snapshot was merged into ${into}`, async t => {
      const disks = number === 0 ? TWO : ONE_OR_TWO
      const file = await machineWith(virtualBox, `rebuilt ${number}`, ['first', 'middle', 'last'], disks)
      if (bigger) await enlarge(file, name)
      const content = await digestsOf(virtualBox, file)
      await virtualBox.settle()
      const { saved } = await dieAfterMerging(virtualBox, file, name)
      t.notSame(shapeOf(await settingsOf(file)), saved, 'the settings are wrong')
      const note = await readNote(realFiles, file, (await settingsOf(file)).id)
      const isInto = (image: { readonly path: string } | null | undefined): Promise<boolean> =>
        stat(image?.path ?? '').then(
          () => true,
          () => false,
        )
      t.equal(await isInto(note?.disks[0]?.image), bigger || name === 'first', 'merged into the snapshot')

      await applyWithVirtualBox(await engineRun(virtualBox, file, [step.recover]))
      t.strictSame(shapeOf(await settingsOf(file)), saved, 'as VirtualBox would have saved them')
      await t.rejects(stat(notePath(file)), MISSING)
      t.strictSame(await digestsOf(virtualBox, file), content)

      const rest = [...(await snapshotsOf(file)).values()].reverse()
      await applyWithVirtualBox(
        await engineRun(virtualBox, file, [step.merge(...rest), step.snapshot('Base')]),
      )
      t.equal((await snapshotsOf(file)).size, 1, 'VirtualBox works on with it')
      t.strictSame(await digestsOf(virtualBox, file), content)
    })
  }

  t.test('are rebuilt after the only snapshot was merged', async t => {
    const file = await machineWith(virtualBox, 'rebuilt only', ['only'], ONE_OR_TWO)
    const content = await digestsOf(virtualBox, file)
    await virtualBox.settle()
    const { saved } = await dieAfterMerging(virtualBox, file, 'only')
    t.match(await recoverWithout(virtualBox, file), { rebuilt: true, leftovers: [] })
    t.strictSame(shapeOf(await settingsOf(file)), saved)
    t.strictSame(await digestsOf(virtualBox, file), content)
  })

  t.test('keep the snapshot for the disks that were not merged', async t => {
    const file = await machineWith(virtualBox, 'half', ['first', 'middle', 'last'])
    const content = await digestsOf(virtualBox, file)
    await virtualBox.settle()
    const second = [...eachMedium((await settingsOf(file)).media.slice(1))].map(({ path }) => path)
    for (const path of second) await copyFile(path, `${path}.kept`)
    await dieAfterMerging(virtualBox, file, 'middle')
    for (const path of second) await copyFile(`${path}.kept`, path)

    await applyWithVirtualBox(await engineRun(virtualBox, file, [step.recover]))
    const middle = (await snapshotsOf(file)).get('middle')
    t.ok(middle)
    if (middle === undefined) return
    t.equal(findSnapshot(await settingsOf(file), middle.id)?.attachments.length, 1, 'with one disk')
    t.strictSame(await digestsOf(virtualBox, file), content)
    await applyWithVirtualBox(await engineRun(virtualBox, file, [step.merge(middle)]))
    t.strictSame([...(await snapshotsOf(file)).keys()], ['first', 'last'])
    t.strictSame(await digestsOf(virtualBox, file), content)
  })

  t.test('are left alone when a file is gone for another reason', async t => {
    const file = await machineWith(virtualBox, 'lost', ['first', 'middle', 'last'], ONE_OR_TWO)
    const { paths } = await dieAfterMerging(virtualBox, file, 'middle')
    const before = await readFile(file)
    for (const path of paths.values()) await copyFile(path, `${path}.gone`).catch(() => undefined)
    const leaf = (await settingsOf(file)).currentState.attachments[0]?.image ?? ''
    const note = await readNote(realFiles, file, (await settingsOf(file)).id)
    const child = note?.disks[0]?.child?.path ?? ''
    const image = note?.disks[0]?.image.path ?? ''
    t.ok(paths.get(leaf))
    for (const path of [child, image]) await realFiles.unlink(path).catch(() => undefined)
    await t.rejects(recoverSettings(realFiles, file), hasCode('image_missing', /both missing/))
    t.strictSame(await readFile(file), before)
    t.ok(await realFiles.stat(notePath(file)), 'the note stays')
  })

  t.test('are right again after VirtualBox was killed at any moment', async t => {
    const seed = seedOfRun()
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const random = randomFrom(seed)
    const rounds = Number(process.env.VBOXMERGE_KILL_ROUNDS ?? 1)
    for (let round = 0; round < rounds; round += 1) {
      const file = await machineWith(virtualBox, `killed ${round}`, ['one', 'two'], [32])
      const content = await digestsOf(virtualBox, file)
      await virtualBox.run('list', 'vms')
      const refs = [...(await snapshotsOf(file)).values()].reverse()
      const run = await engineRun(virtualBox, file, [step.merge(...refs)])
      const applied = applyWithVirtualBox(run).then(
        () => 'done',
        (error: unknown) => error,
      )
      await delay(random.between(0, 900))
      await endAll(virtualBox, 'VBoxSVC')
      // Its client may wait for it for ever.
      const patience = setTimeout(() => void endAll(virtualBox, 'VBoxManage'), 10_000)
      await applied
      clearTimeout(patience)
      await virtualBox.settle()
      await applyWithVirtualBox(await engineRun(virtualBox, file, [step.recover]))
      const left = [...(await snapshotsOf(file)).values()].reverse()
      await applyWithVirtualBox(await engineRun(virtualBox, file, [step.merge(...left)]))
      t.equal((await snapshotsOf(file)).size, 0)
      t.strictSame(await digestsOf(virtualBox, file), content, `round ${round}`)
    }
  })
})

/** Ends the programs of one name that belong to a test's VirtualBox, by force. */
async function endAll(virtualBox: RealVirtualBox, name: string): Promise<void> {
  const mark = `VBOX_USER_HOME=${virtualBox.userHome}`
  const text = async (path: string): Promise<string> =>
    new TextDecoder().decode(await realProcessFiles.read(path, 2 ** 20))
  for (const pid of (await realProcessFiles.list('')) ?? []) {
    if (!/^\d+$/.test(pid) || (await text(`${pid}/comm`)) !== `${name}\n`) continue
    if ((await text(`${pid}/environ`)).split('\0').includes(mark)) process.kill(Number(pid), 'SIGKILL')
  }
}

/** Recovers a machine that VirtualBox does not know for the moment. */
async function recoverWithout(
  virtualBox: RealVirtualBox,
  file: string,
): Promise<{ readonly rebuilt: boolean; readonly leftovers: readonly string[] }> {
  await virtualBox.run('unregistervm', (await settingsOf(file)).id)
  const report = await recoverSettings(realFiles, file)
  await virtualBox.run('registervm', file)
  return report
}

const HOLD = `
import sys, time, vboxapi
manager = vboxapi.VirtualBoxManager(None, None)
machine = manager.getVirtualBox().findMachine(sys.argv[1])
session = manager.getSessionObject()
machine.lockMachine(session, manager.constants.LockType_Write)
open(sys.argv[2], 'w').close()
time.sleep(float(sys.argv[3]))
session.unlockMachine()
`

t.test('a machine that another session holds', { skip: skipWithoutPython }, async t => {
  const virtualBox = await startVirtualBox(t)
  const { settingsFile: file } = await virtualBox.createMachine('held', [8])
  const { id } = await settingsOf(file)
  await writeFile(`${file}.sav`, 'no real state')
  await virtualBox.run('adoptstate', id, `${file}.sav`)

  const hold = async (seconds: number): Promise<Promise<string>[]> => {
    const mark = `${file}.held-${seconds}`
    const held = virtualBox.python(HOLD, id, mark, String(seconds))
    while ((await realFiles.stat(mark)) === undefined) await delay(50)
    return [held]
  }

  t.test('is an error after lockTimeout', async t => {
    const [held] = await hold(3)
    const run = await engineRun(virtualBox, file, [step.discardSavedState])
    await t.rejects(applyWithVirtualBox({ ...run, lockTimeout: 1 }), hasCode('machine_locked', /held/))
    await held
  })

  t.test('is waited for', async t => {
    const [held] = await hold(2)
    const run = await engineRun(virtualBox, file, [step.discardSavedState])
    await applyWithVirtualBox({ ...run, lockTimeout: 60 })
    t.equal((await settingsOf(file)).currentState.stateFile, undefined)
    await held
  })
})
