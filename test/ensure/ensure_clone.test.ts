// What happens to a clone when something goes wrong on the way.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Fault, faultyFiles } from '../../lib/io/faulty_files.ts'
import type { Files } from '../../lib/io/files.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { cloneJournalPath } from '../../lib/machine/clone_journal.ts'
import { lockPathOf } from '../../lib/machine/lock.ts'
import { cloneOn, cloneProblems, strangersOf } from '../fixtures/clone_run.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { sample } from '../fixtures/test_run.ts'

const KIB = 1024
const disk = { capacity: 3 * 128 * KIB, blockSize: 128 * KIB } as const
const spec = { layout: 'small', efi: true, disks: [disk, disk], snapshots: ['one', 'two'] } as const
const MACHINE = '/vms/web'
const CLONE = '/vms/web Clone/web Clone.vbox'

async function setUp(): Promise<{ readonly files: RecordedFiles; readonly made: MadeMachine }> {
  const files = new RecordedFiles()
  return { files, made: await makeMachine(files, MACHINE, spec) }
}

t.test(
  'whatever call fails, the clone is whole or nothing is left of it, and the next run makes it',
  async t => {
    for (const error of sample(['EIO', 'ENOSPC'], 2)) {
      for (let at = 1; ; at++) {
        const { files, made } = await setUp()
        const faulty = faultyFiles(files, [{ operation: 'changing', at, error } satisfies Fault])
        const failed = await cloneOn(faulty.files, made).then(
          () => undefined,
          (cause: unknown) => cause,
        )
        if (faulty.hits() === 0) {
          t.ok(at > 20, `${error}: ${at - 1} calls failed in turn`)
          break
        }
        const isThere = (await files.stat(CLONE)) !== undefined
        if (!isThere) {
          const left = (await files.list('/vms/web Clone')).filter(name => !name.includes('.vboxmerge-'))
          if (failed === undefined || left.length > 0) t.fail(`${error} at ${at} left ${left.join(', ')}`)
        } else {
          const problems = await cloneProblems(files, made, CLONE)
          if (problems.length > 0) t.fail(`${error} at ${at}: ${problems.join(', ')}`)
        }
        await removeLocks(files)
        await cloneOn(files, made)
        const problems = [...(await cloneProblems(files, made, CLONE)), ...(await strangersOf(files, CLONE))]
        if (problems.length > 0) t.fail(`${error} at ${at}, after the next run: ${problems.join(', ')}`)
      }
    }
  },
)

async function put(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = await files.open(path, 'create')
  await file.write(bytes, 0)
  await file.close()
}

/** A lock that could not be removed is one of this process, which lives. */
async function removeLocks(files: Files): Promise<void> {
  for (const folder of [MACHINE, '/vms/web Clone']) {
    for (const name of await files.list(folder)) {
      if (name.includes('.vboxmerge-lock')) await files.unlink(join(folder, name))
    }
  }
}

t.test('the source is locked while it is read, and no longer', async t => {
  const { files, made } = await setUp()
  const seen: string[] = []
  const watching = interceptedFiles(files, async (call, go) => {
    if (call.operation === 'rename' && !call.path.includes('-lock')) {
      seen.push(`${call.to} ${(await files.stat(lockPathOf(made.settingsFile))) !== undefined}`)
    }
    if (
      call.operation === 'read' &&
      call.path.startsWith(`${MACHINE}/`) &&
      call.path.endsWith('.vdi') &&
      seen.some(one => one.includes('.vdi'))
    ) {
      t.fail('the source is read after its lock is given back')
    }
    return await go()
  })
  await cloneOn(watching, made)
  t.match(seen.at(-1), `${CLONE} false`)
  t.match(seen[0], / true$/)
})

t.test('nothing is done where the disk has too little room', async t => {
  const { files, made } = await setUp()
  const full = interceptedFiles(files, async (call, go) => {
    return call.operation === 'freeSpace' ? (1000 as never) : await go()
  })
  for (const check of [true, false]) {
    await t.rejects(
      cloneOn(full, made, {}, { check }),
      hasCode('no_space', /^Cannot clone "web": .*1000 bytes free/),
    )
  }
  t.equal(await files.stat('/vms/web Clone'), undefined)
})

t.test('a clone that has room only without its blocks of zeros is made', async t => {
  const files = new RecordedFiles()
  const content = { base: { 0: 5, 1: 0, 2: 0 }, one: {}, current: {} }
  const made = await makeMachine(files, MACHINE, {
    ...spec,
    disks: [{ ...disk, content }],
    snapshots: ['one'],
  })
  const planned = await cloneOn(files, made, {}, { check: true })
  const step = planned.steps[0]
  const bytes = step?.kind === 'clone' ? step.disks.reduce((sum, one) => sum + one.bytes, 0) : 0
  const withRoom = (room: number): Files =>
    interceptedFiles(files, async (call, go) =>
      call.operation === 'freeSpace' ? (room as never) : await go(),
    )
  // Settings, journals and locks get 256 KiB, the two blocks of zeros would take as much again.
  const settingsRoom = 256 * KIB
  await t.rejects(cloneOn(withRoom(bytes + settingsRoom - 1), made), hasCode('no_space'))
  const result = await cloneOn(withRoom(bytes + settingsRoom + 100 * KIB), made)
  t.strictSame(result.steps, planned.steps)
  t.strictSame(await cloneProblems(files, made, CLONE), [])
})

t.test('a run that died after its commit is finished, and what it meant to delete goes', async t => {
  const { files, made } = await setUp()
  await cloneOn(files, made, { from: 'one' })
  const dying = faultyFiles(files, [{ operation: 'unlink', path: /web Clone-disk/, at: 1, sticky: true }])
  await t.rejects(
    cloneOn(dying.files, made, { replace: true }),
    hasCode('engine_failed', /is whole; run the same command again/),
  )
  t.not((await strangersOf(files, CLONE)).length, 0)
  const { changed, steps } = await cloneOn(files, made, { replace: true })
  t.equal(changed, true)
  t.match(steps, [{ kind: 'clone', action: 'finish', disks: [] }])
  t.strictSame(await strangersOf(files, CLONE), [])
  t.strictSame(await cloneProblems(files, made, CLONE), [])
  t.equal((await cloneOn(files, made)).changed, false)
})

t.test('what a dead run left is removed only if it is provably its own', async t => {
  const folder = await quickFolder(t)
  const made = await makeMachine(realFiles, join(folder, 'web'), spec)
  const place = join(folder, 'web Clone')
  const settingsFile = join(place, 'web Clone.vbox')
  const name = { vboxUserHome: join(folder, 'home') }
  await mkdir(place)
  const id = '10000000-0000-4000-8000-00000000000a'
  const journal = {
    format: 'vboxmerge-clone',
    version: 1,
    clone: id,
    created: [
      { kind: 'image', id, name: 'web Clone-disk1.vdi' },
      { kind: 'image', id: '10000000-0000-4000-8000-00000000000b', name: 'web Clone-disk2.vdi' },
      {
        kind: 'nvram',
        id: '10000000-0000-4000-8000-00000000000c',
        name: 'web Clone.nvram',
        sha256: 'ab'.repeat(32),
      },
    ],
    deletes: [{ kind: 'nvram', folder: 'machine', name: 'mine.nvram' }],
  }
  await writeFile(cloneJournalPath(settingsFile), JSON.stringify(journal))
  await writeFile(join(place, `{${id}}.vboxmerge-part`), 'half')
  for (const one of ['web Clone-disk1.vdi', 'web Clone.nvram', 'mine.nvram'])
    await writeFile(join(place, one), 'mine')
  // A file that looks like one of the run's, but has come into its place since, is not overwritten.
  await t.rejects(cloneOn(realFiles, made, {}, name), hasCode('engine_failed', /someone else made a file/))
  for (const one of ['web Clone-disk1.vdi', 'web Clone.nvram', 'mine.nvram']) {
    t.equal(await readFile(join(place, one), 'utf8'), 'mine', one)
  }
  await t.rejects(access(join(place, `{${id}}.vboxmerge-part`)), { code: 'ENOENT' })
  await cloneOn(realFiles, made, {}, name)
  t.strictSame(await cloneProblems(realFiles, made, settingsFile), [])
  t.equal(await readFile(join(place, 'web Clone-disk1.vdi'), 'utf8'), 'mine')
})

t.test('what a journal calls EFI variables is not read unless it is named as those are', async t => {
  const { files, made } = await setUp()
  const folder = '/vms/web Clone'
  const content = Buffer.from('an image of the user')
  const journal = {
    format: 'vboxmerge-clone',
    version: 1,
    clone: '10000000-0000-4000-8000-00000000000a',
    created: ['mine.vdi', 'web Clone.nvram', 'none.nvram'].map((name, at) => ({
      kind: 'nvram',
      id: `10000000-0000-4000-8000-00000000001${at}`,
      name,
      ...(name === 'none.nvram' ? {} : { sha256: createHash('sha256').update(content).digest('hex') }),
    })),
    deletes: [],
  }
  await files.makeFolder(folder)
  for (const { name } of journal.created) await put(files, join(folder, name), content)
  await put(files, cloneJournalPath(CLONE), Buffer.from(JSON.stringify(journal)))
  const read: string[] = []
  const watching = interceptedFiles(files, async (call, go) => {
    if (call.operation === 'readFile' && call.path.startsWith(`${folder}/`)) read.push(call.path)
    return await go()
  })
  await cloneOn(watching, made)
  t.notOk(read.includes(join(folder, 'mine.vdi')), 'it could be of any length')
  t.notOk(read.includes(join(folder, 'none.nvram')), 'nothing tells what it would have to be')
  t.ok(await files.stat(join(folder, 'mine.vdi')))
  t.ok(await files.stat(join(folder, 'none.nvram')))
  t.ok(read.includes(join(folder, 'web Clone.nvram')), 'what the dead run left is known by its content')
  t.strictSame(await cloneProblems(files, made, CLONE), [])
})

t.test('an old clone is deleted without what was attached to it since', async (t: Test) => {
  const folder = await quickFolder(t)
  const made = await makeMachine(realFiles, join(folder, 'web'), spec)
  const name = { vboxUserHome: join(folder, 'home') }
  const { clone } = await cloneOn(realFiles, made, { from: 'one' }, name)
  const settingsFile = clone?.settingsFile ?? ''
  const [own, elsewhere] = [join(folder, 'web Clone', 'web Clone-disk1.vdi'), join(folder, 'precious.vdi')]
  await rename(own, elsewhere)
  const text = await readFile(settingsFile, 'utf8')
  await writeFile(settingsFile, text.replace('location="web Clone-disk1.vdi"', 'location="../precious.vdi"'))
  await cloneOn(realFiles, made, { replace: true }, name)
  t.strictSame(await cloneProblems(realFiles, made, settingsFile), [])
  t.strictSame(await strangersOf(realFiles, settingsFile), [])
  await t.resolves(access(elsewhere), 'an image outside of the clone stays')
})
