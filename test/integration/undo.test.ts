import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { ensureBaseSnapshot } from '../../lib/ensure/base_snapshot.ts'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { realEnsureHost } from '../../lib/ensure/host.ts'
import { ensureMerged } from '../../lib/ensure/merged.ts'
import { recoverMachine } from '../../lib/ensure/recover_machine.ts'
import type { EnsureResult } from '../../lib/ensure/result.ts'
import { undo } from '../../lib/ensure/undo.ts'
import { undoRun } from '../../lib/ensure/undo_run.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { awayNotePath, encodeAwayNote } from '../../lib/machine/away_note.ts'
import { digestsOf, fork, settingsOf } from '../fixtures/engine_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'

const seconds = Number(process.env.UNDO_CRASH_SECONDS ?? 1)

t.setTimeout(600_000)

/** Two disks, a fork, three snapshots with data each, EFI variables. */
async function makeMachine(virtualBox: RealVirtualBox, name: string): Promise<string> {
  const { settingsFile: file } = await virtualBox.createMachine(name, [8, 16])
  const { id } = await settingsOf(file)
  await virtualBox.run('modifyvm', id, '--firmware', 'efi')
  await virtualBox.run('modifynvram', id, 'inituefivarstore')
  await fork(virtualBox, file)
  return file
}

/** SHA-256 of every file of a machine but the previous settings. */
async function filesOf(settingsFile: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const folder = dirname(settingsFile)
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    if (name.endsWith('.vbox-prev') || name.startsWith('Logs')) continue
    const path = join(folder, name)
    if (!(await stat(path)).isFile()) continue
    found[name] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }
  return found
}

t.test('undo brings back a registered machine byte for byte', { skip: skipWithoutVirtualBox }, async t => {
  const virtualBox = await startVirtualBox(t)
  process.env.VBOX_IPC_SOCKETID = virtualBox.env.VBOX_IPC_SOCKETID
  const backup = join(virtualBox.folder, 'backups')
  const place = { vboxmanage: virtualBox.installed.vboxmanage, vboxUserHome: virtualBox.userHome }
  const options = { ...place, backup, verify: 'full' } as const
  const file = await makeMachine(virtualBox, 'wëb "1"')
  const before = await filesOf(file)
  const content = await digestsOf(virtualBox, file)
  const golden = { ...options, branches: 'discard' } as const
  const all: readonly (readonly [string, () => Promise<EnsureResult>])[] = [
    ['a golden image', () => ensureGoldenImage(file, golden)],
    ['merging down to the fork', () => ensureMerged(file, { ...options, branches: 'stop' })],
    ['another branch', () => ensureMerged(file, { ...golden, from: 'two' })],
    ['the virtualbox engine', () => ensureMerged(file, { ...golden, engine: 'virtualbox' })],
    ['the current state given up', () => ensureMerged(file, { ...golden, discardCurrentState: true })],
  ]
  const runs = all.slice(0, seconds > 10 ? all.length : 1)
  for (const [name, run] of runs) {
    await virtualBox.settle()
    const result = await run()
    t.ok(result.changed, name)
    await virtualBox.settle()
    t.strictNotSame(await filesOf(file), before, 'the machine is another one')
    const undone = await undoRun(result.backup ?? '', place)
    t.ok(undone.changed && undone.machine.registered, `${name}: undone`)
    t.strictSame(await filesOf(file), before, `${name}: every byte is back`)
    t.notOk((await undoRun(result.backup ?? '', place)).changed, `${name}: once is enough`)
    await virtualBox.settle()
    t.strictSame(await filesOf(file), before, `${name}: VirtualBox leaves it so`)
    t.strictSame(await digestsOf(virtualBox, file), content, `${name}: VirtualBox reads the same`)
    await rm(result.backup ?? '', { recursive: true })
  }

  if (seconds > 10) {
    await virtualBox.settle()
    const { backup: half = '' } = await ensureGoldenImage(file, golden)
    const faults = [{ operation: 'rename', path: /disk0\.vdi$/, at: 1 }] as const
    const host = { ...realEnsureHost, files: faultyFiles(realFiles, faults).files }
    await t.rejects(undo(half, place, host), hasCode('engine_failed', /run the same command again to finish/))
    t.match(await virtualBox.run('list', 'vms'), (await settingsOf(file)).id, 'it is registered all the same')
    t.strictSame(await digestsOf(virtualBox, file), content, 'and reads right in between')
    await virtualBox.settle()
    t.ok((await undoRun(half, place)).changed, 'the same command finishes')
    t.strictSame(await filesOf(file), before)
    await rm(half, { recursive: true })
  }

  const { backup: last = '' } = await ensureGoldenImage(file, { ...options, branches: 'discard' })
  await virtualBox.run('snapshot', (await settingsOf(file)).id, 'take', 'since')
  await virtualBox.settle()
  await t.rejects(undoRun(last, place), hasCode('unsupported', /since the run.*discardChanges/))
  const { warnings } = await undoRun(last, { ...place, discardChanges: true })
  await virtualBox.settle()
  const left = Object.keys(await filesOf(file)).filter(name => !(name in before))
  const images = left.filter(name => name.endsWith('.vdi'))
  t.equal(images.length, 2, 'the images of the snapshot that was taken since are left')
  t.strictSame(
    warnings.map(({ code }) => code),
    ['leftover_image', 'leftover_image'],
  )
  await virtualBox.run('snapshot', (await settingsOf(file)).id, 'take', 'works on')
  await virtualBox.settle()
  t.strictSame(await digestsOf(virtualBox, file), content)
})

t.test(
  'recover registers a machine that a dead run left outside',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    process.env.VBOX_IPC_SOCKETID = virtualBox.env.VBOX_IPC_SOCKETID
    const place = { vboxmanage: virtualBox.installed.vboxmanage, vboxUserHome: virtualBox.userHome }
    const { settingsFile: file } = await virtualBox.createMachine('web', [8])
    t.notOk((await recoverMachine('web', place)).changed)
    const { id } = await settingsOf(file)
    const note = awayNotePath(virtualBox.userHome, id)
    await virtualBox.run('unregistervm', id)
    await virtualBox.settle()
    const { writeFile } = await import('node:fs/promises')
    await writeFile(note, encodeAwayNote(id, file))
    const planned = await recoverMachine('web', { ...place, check: true })
    t.ok(planned.changed)
    t.notMatch(await virtualBox.run('list', 'vms'), '"web"', 'check mode does nothing')
    const { changed, machine } = await recoverMachine('web', place)
    t.ok(changed && machine.registered)
    t.match(await virtualBox.run('list', 'vms'), '"web"')
    await t.rejects(stat(note), { code: 'ENOENT' })
    t.notOk((await recoverMachine('web', place)).changed)
    t.ok((await ensureBaseSnapshot('web', place)).changed)
  },
)
