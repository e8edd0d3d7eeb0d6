import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import t from 'tap'
import { notePath } from '../../lib/engine/virtualbox/chain_note.ts'
import { readLinks } from '../../lib/engine/virtualbox/read_links.ts'
import { applyWithVirtualBox } from '../../lib/engine/virtualbox/virtualbox_engine.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import {
  digestsOf,
  engineRun,
  manageOf,
  settingsOf,
  snapshotsOf,
  step,
  takeWithData,
  writeToCurrent,
} from '../fixtures/engine_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { some, thorough } from '../fixtures/test_run.ts'

const MIB = 2 ** 20
const MISSING = { code: 'ENOENT' }

async function ref(settingsFile: string, name: string): Promise<{ id: string; name: string }> {
  const found = (await snapshotsOf(settingsFile)).get(name)
  if (found === undefined) throw new Error(`no snapshot ${name}`)
  return found
}

/** A machine with a disk or two and some snapshots in a row, each with data of its own. */
async function machineWith(
  virtualBox: RealVirtualBox,
  name: string,
  ...snapshots: string[]
): Promise<string> {
  const { settingsFile } = await virtualBox.createMachine(name, thorough || name === 'golden' ? [8, 16] : [8])
  await writeToCurrent(settingsFile, 0, 1)
  for (const [index, snapshot] of snapshots.entries()) {
    await takeWithData(virtualBox, settingsFile, snapshot, index % 3, index + 2)
  }
  await virtualBox.settle()
  return settingsFile
}

t.setTimeout(600_000)

t.test('the virtualbox engine', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)

  t.test(
    'merges newest first, compacts and takes the base snapshot, and the guest sees no difference',
    async t => {
      const file = await machineWith(virtualBox, 'golden', 'one', 'two', 'three')
      const [base] = (await settingsOf(file)).media
      t.ok(base)
      const before = await digestsOf(virtualBox, file)
      const done: number[] = []
      const progress: number[] = []
      const refs = [await ref(file, 'three'), await ref(file, 'two'), await ref(file, 'one')]
      const steps = [
        step.merge(...refs),
        step.compact(base?.id ?? '', base?.path ?? ''),
        step.snapshot('Base', 'Created by vboxmerge'),
      ]
      const run = await engineRun(virtualBox, file, steps)
      await applyWithVirtualBox({
        ...run,
        onStepDone: index => done.push(index),
        onProgress: ({ phase, done }) => phase === 'merge' && progress.push(done),
      })
      const { rootSnapshot, currentSnapshot, media } = await settingsOf(file)
      t.match(rootSnapshot, {
        name: 'Base',
        description: 'Created by vboxmerge',
        children: [],
        id: currentSnapshot,
      })
      t.strictSame(
        media.map(({ children }) => children.length),
        [1, 1],
        'one differencing image each',
      )
      t.equal(media[0]?.id, base?.id, 'the base is the same')
      t.strictSame(await digestsOf(virtualBox, file), before)
      t.strictSame(done, [0, 1, 2])
      t.equal(progress.at(-1), 100)
      t.strictSame(
        [...progress].sort((a, b) => a - b),
        progress,
      )
      await t.rejects(stat(notePath(file)), MISSING)
    },
  )

  t.test('keeps the rest of the chain when only some snapshots are merged', async t => {
    const file = await machineWith(virtualBox, 'some', 'one', 'two', 'three')
    const before = await digestsOf(virtualBox, file)
    await applyWithVirtualBox(await engineRun(virtualBox, file, [step.merge(await ref(file, 'two'))]))
    t.strictSame([...(await snapshotsOf(file)).keys()], ['one', 'three'])
    t.strictSame(await digestsOf(virtualBox, file), before)
  })

  t.test('goes by UUID, whatever machines and snapshots are called', async t => {
    const name = 'a" {875815e1-8a0b-4faf-af31-1baa4990dd01}\n"b\nVMState="poweroff"'
    const { settingsFile: file } = await virtualBox.createMachine('plain', [8])
    const { id } = await settingsOf(file)
    await virtualBox.run('modifyvm', id, '--name', name)
    const [written = ''] = (await manageOf(virtualBox, file).machineState(id)).settingsFiles
    const renamed = written.replace(/\\(["\\])/g, '$1')
    t.match(renamed, /\n"b\n/, 'VirtualBox renames the file as well')
    const manage = manageOf(virtualBox, renamed)
    t.ok((await manage.listMachines()).some(machine => machine.id === id))
    t.strictSame((await manage.machineState(id)).states, ['poweroff'])
    const all = [
      '--help',
      '',
      'same',
      'same',
      id,
      'ä\n"q"',
      '-x',
      '00000000-0000-0000-0000-000000000000',
      '{}',
      '--live',
    ]
    const names = some(all, 6)
    const description = '--live\nVMState="running"\nSnapshotUUID="x"'
    for (const snapshot of names) {
      await applyWithVirtualBox(await engineRun(virtualBox, renamed, [step.snapshot(snapshot)]))
    }
    const { rootSnapshot } = await settingsOf(renamed)
    const found = []
    for (let next = rootSnapshot; next !== undefined; next = next.children[0]) found.push(next)
    t.strictSame(
      found.map(snapshot => snapshot.name),
      names,
    )
    const refs = found.map(snapshot => ({ id: snapshot.id, name: snapshot.name })).reverse()
    await applyWithVirtualBox(await engineRun(virtualBox, renamed, [step.merge(...refs)]))
    t.equal((await settingsOf(renamed)).rootSnapshot, undefined)
    await applyWithVirtualBox(await engineRun(virtualBox, renamed, [step.snapshot('last', description)]))
    t.equal((await settingsOf(renamed)).rootSnapshot?.description, description)
    await t.rejects(
      applyWithVirtualBox(await engineRun(virtualBox, renamed, [step.merge(await ref(renamed, 'last'))])),
      hasCode('machine_not_off', /"poweroff" and "running"/),
      'a description that looks like a state is refused, not believed',
    )
  })

  t.test('discards other branches, children before parents', async t => {
    const file = await machineWith(virtualBox, 'branches', 'root', 'a', 'b')
    const { id } = await settingsOf(file)
    await virtualBox.run('snapshot', id, 'restore', (await ref(file, 'root')).id)
    await takeWithData(virtualBox, file, 'main', 2, 99)
    await virtualBox.settle()
    const before = await digestsOf(virtualBox, file)
    const fork = applyWithVirtualBox(await engineRun(virtualBox, file, [step.merge(await ref(file, 'root'))]))
    await t.rejects(fork, hasCode('branch_blocked', /snapshot "root": it has 2 children: "a", ?"main"/))
    t.equal((await snapshotsOf(file)).size, 4, 'nothing was changed')
    await t.rejects(stat(notePath(file)), MISSING)
    const steps = [
      step.discard(await ref(file, 'b'), await ref(file, 'a')),
      step.merge(await ref(file, 'main'), await ref(file, 'root')),
    ]
    await applyWithVirtualBox(await engineRun(virtualBox, file, steps))
    t.equal((await settingsOf(file)).rootSnapshot, undefined)
    t.strictSame(await digestsOf(virtualBox, file), before)
  })

  t.test('names the image that has a child which belongs to no snapshot', async t => {
    const file = await machineWith(virtualBox, 'orphan', 'one')
    const [{ id: base = '', path = '' } = {}] = (await settingsOf(file)).media
    const orphan = path.replace('disk0', 'orphan')
    await virtualBox.run(
      'createmedium',
      'disk',
      '--filename',
      orphan,
      '--diffparent',
      base,
      '--format',
      'VDI',
    )
    const run = await engineRun(virtualBox, file, [step.merge(await ref(file, 'one'))])
    await t.rejects(applyWithVirtualBox(run), hasCode('branch_blocked', /orphan\.vdi/))
    t.equal((await snapshotsOf(file)).size, 1)
  })

  t.test('restores a snapshot with a saved state and gives the state up', async t => {
    const { settingsFile: file } = await virtualBox.createMachine('saved', [8])
    const { id } = await settingsOf(file)
    const state = `${file}.sav`
    await writeFile(state, 'no real state')
    await virtualBox.run('adoptstate', id, state)
    await virtualBox.run('snapshot', id, 'take', 'with state')
    const merge = step.merge(await ref(file, 'with state'))
    await t.rejects(
      applyWithVirtualBox(await engineRun(virtualBox, file, [merge])),
      hasCode('machine_not_off', /"saved"/),
    )
    await applyWithVirtualBox(await engineRun(virtualBox, file, [step.discardSavedState]))
    t.equal((await settingsOf(file)).currentState.stateFile, undefined)
    await virtualBox.run('snapshot', id, 'take', 'later')
    const restore = step.restore(await ref(file, 'with state'))
    await applyWithVirtualBox(await engineRun(virtualBox, file, [restore]))
    const { currentState, currentSnapshot } = await settingsOf(file)
    t.equal(currentState.stateFile, undefined)
    t.equal(currentSnapshot, (await ref(file, 'with state')).id)
    const rest = step.discard(await ref(file, 'later'))
    await applyWithVirtualBox(await engineRun(virtualBox, file, [rest, merge]))
    await t.rejects(stat(state), MISSING)
  })

  t.test('does not lose what lies behind the old end after a resize', async t => {
    const { settingsFile: file } = await virtualBox.createMachine('resized', [8])
    const { id } = await settingsOf(file)
    await virtualBox.run('snapshot', id, 'take', 'small')
    const [{ image = '' } = {}] = (await settingsOf(file)).currentState.attachments
    await virtualBox.run('modifymedium', 'disk', image, '--resize', '16')
    await writeToCurrent(file, 12, 77)
    const steps = [step.merge(await ref(file, 'small')), step.snapshot('Base')]
    await applyWithVirtualBox(await engineRun(virtualBox, file, steps))
    const [{ children: [leaf] = [] } = {}] = (await settingsOf(file)).media
    const links = await readLinks(realFiles, [leaf?.path ?? ''])
    t.equal(links.get(leaf?.path ?? '')?.header?.capacity, 16 * MIB, 'and the new image has the new size')
    const content = Buffer.alloc(16 * MIB)
    content.fill(77, 12 * MIB, 13 * MIB)
    const expected = createHash('sha256').update(content).digest('hex')
    // VirtualBox goes on to read the base as if it were short until it looks at it again.
    await virtualBox.settle()
    t.strictSame(await digestsOf(virtualBox, file), [expected])
  })

  t.test('stops between two calls when it is told to, and says why', async t => {
    const file = await machineWith(virtualBox, 'stopped', 'one', 'two', 'three')
    const controller = new AbortController()
    const reason = new Error('the user said so')
    const run = await engineRun(virtualBox, file, [
      step.merge(await ref(file, 'three'), await ref(file, 'two'), await ref(file, 'one')),
    ])
    const stopped = applyWithVirtualBox({
      ...run,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await t.rejects(stopped, reason)
    t.strictSame([...(await snapshotsOf(file)).keys()], ['one', 'two'], 'the call that ran was finished')
    await t.rejects(stat(notePath(file)), MISSING)
  })

  t.test('counts the steps that were done before a failure', async t => {
    const file = await machineWith(virtualBox, 'counted', 'one')
    const gone = { id: '875815e1-8a0b-4faf-af31-1baa4990dd01', name: 'gone' }
    const steps = [step.merge(await ref(file, 'one')), step.merge(gone), step.snapshot('never')]
    const run = await engineRun(virtualBox, file, steps)
    await t.rejects(applyWithVirtualBox(run), { code: 'engine_failed', stepsDone: 1, stepsLeft: 2 })
  })

  t.test('refuses a copy of a machine that VirtualBox has elsewhere', async t => {
    const file = await machineWith(virtualBox, 'original', 'one')
    const copy = `${file}-copy.vbox`
    await writeFile(copy, await readFile(file))
    const run = await engineRun(virtualBox, copy, [step.merge(await ref(file, 'one'))])
    await t.rejects(applyWithVirtualBox(run), hasCode('machine_ambiguous', /original\.vbox"/))
    t.equal((await snapshotsOf(file)).size, 1)
  })
})
