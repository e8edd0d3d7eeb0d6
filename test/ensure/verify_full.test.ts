import t from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { prepare } from '../../lib/ensure/prepare.ts'
import { sessionOf } from '../../lib/ensure/session.ts'
import { compareContent, expectContent } from '../../lib/ensure/verify_content.ts'
import type { Wanted } from '../../lib/ensure/wanted.ts'
import { VboxmergeError } from '../../lib/errors.ts'
import type { Files } from '../../lib/io/files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { cloneOn } from '../fixtures/clone_run.ts'
import { astrayFiles, corruptingFiles } from '../fixtures/corrupting_files.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { PLAIN_OPTIONS, plainHost, WANTED } from '../fixtures/plain_host.ts'

const KIB = 1024
const BLOCK = 128 * KIB
const disk = { capacity: 6 * BLOCK + 512, blockSize: BLOCK } as const
const zeros = { 0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 0 } as const

/** What is done to which machine, and in which file the bytes are written that matter. */
const cases: readonly {
  readonly name: string
  readonly spec: MachineSpec
  readonly wanted: Wanted
  readonly written: RegExp
}[] = [
  {
    name: 'merging in place',
    spec: { disks: [disk], snapshots: ['one', 'two'] },
    wanted: WANTED.merged,
    written: /disk0\.vdi$/,
  },
  {
    name: 'merging into a differencing image',
    spec: {
      disks: [disk],
      snapshots: ['one', 'two', { name: 'side', on: 'one' }, { name: 'three', on: 'two' }],
      current: 'three',
    },
    wanted: { ...WANTED.merged, merged: { ...WANTED.merged.merged, branches: 'stop' } },
    written: /Snapshots\/.*\.vdi$/,
  },
  {
    name: 'moving blocks in compaction',
    spec: { disks: [{ ...disk, content: { base: zeros } }] },
    wanted: WANTED.compacted,
    written: /disk0\.vdi$/,
  },
  {
    name: 'writing a fresh image',
    spec: { disks: [{ ...disk, location: 'linked.vdi' }], snapshots: ['one', 'two'] },
    wanted: WANTED.merged,
    written: /linked\.vdi\.vboxmerge-fresh$/,
  },
]

const run = async (files: Files, settingsFile: string, wanted: Wanted, verify: 'tables' | 'full') =>
  await ensureWanted(settingsFile, wanted, { ...PLAIN_OPTIONS, verify }, plainHost(files))

for (const { name, spec, wanted, written } of cases) {
  t.test(`a wrong byte in ${name} is found by verify=full, not by the tables`, async t => {
    const start = new RecordedFiles()
    const made = await makeMachine(start, '/machine', { layout: 'small', ...spec })
    // A second name makes the engine write a fresh file.
    if (written.source.includes('fresh')) await start.link('/machine/linked.vdi', '/other.vdi')
    const fresh = (): RecordedFiles => start.fork()

    const unnoticed = fresh()
    const quiet = corruptingFiles(unnoticed, written, BLOCK)
    await run(quiet.files, made.settingsFile, wanted, 'tables')
    t.equal(quiet.hits(), 1, 'a byte was wrong')
    t.ok((await machineProblems(unnoticed, made)).length > 0, 'the tables do not show it')

    const files = fresh()
    const images = await namesOf(files)
    const bad = corruptingFiles(files, written, BLOCK)
    await t.rejects(
      run(bad.files, made.settingsFile, wanted, 'full'),
      hasCode('verify_failed', /no image was deleted, and the machine reads from its old ones/),
    )
    t.equal(bad.hits(), 1)
    for (const image of images) t.ok((await files.stat(image))?.kind === 'file', `${image} is still there`)
    t.same(
      (await machineProblems(files, made)).filter(problem => !/ends at|its parent is/.test(problem)),
      [],
      'every state that the settings name reads right',
    )

    const { changed } = await run(files, made.settingsFile, wanted, 'full')
    t.ok(changed, 'the same command again finishes')
    t.same(await machineProblems(files, made), [])
    t.notOk((await run(files, made.settingsFile, wanted, 'full')).changed)
  })
}

t.test('verify=full finds nothing in a run without faults, whatever is merged', async t => {
  for (const { spec, wanted } of cases) {
    const files = new RecordedFiles({ sharing: true })
    const made = await makeMachine(files, '/machine', { layout: 'small', ...spec })
    t.ok((await run(files, made.settingsFile, wanted, 'full')).changed)
    t.same(await machineProblems(files, made), [])
  }
})

t.test(
  'a write that goes astray, into a block that is to stay as it is, is found by verify=full',
  async t => {
    const start = new RecordedFiles()
    const spec: MachineSpec = {
      layout: 'small',
      disks: [{ ...disk, content: { base: { 0: 1, 1: 2 }, one: { 1: 3 }, current: { 2: 4 } } }],
      snapshots: ['one'],
    }
    const made = await makeMachine(start, '/machine', spec)
    for (const verify of ['tables', 'full'] as const) {
      const files = start.fork()
      const astray = astrayFiles(files, /disk0\.vdi$/, BLOCK)
      const work = run(astray.files, made.settingsFile, WANTED.merged, verify)
      if (verify === 'tables') await work
      else await t.rejects(work, hasCode('verify_failed'))
      t.equal(astray.hits(), 1, verify)
      t.ok((await machineProblems(files, made)).length > 0, 'a block is not what it was')
    }
  },
)

t.test('what VirtualBox does is compared by digests of the disks', async t => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/machine', {
    layout: 'small',
    disks: [disk],
    snapshots: ['one', 'two'],
  })
  const session = sessionOf(plainHost(files), made.settingsFile, '/no-virtualbox', {})
  const wish = { engine: 'auto', registration: 'auto' } as const
  const context = { files, session, wish, wanted: WANTED.merged, onProgress: () => {}, signal: undefined }
  const before = await prepare(context)
  const expected = await expectContent(context, before)
  t.strictSame([expected.digests.length, expected.warnings], [1, []])
  await run(files, made.settingsFile, WANTED.merged, 'tables')
  await compareContent(context, expected, await prepare(context))
  const image = await files.open('/machine/disk0.vdi', 'write')
  const { size } = await image.stat()
  await image.write(new Uint8Array([1, 2, 3, 4]), size - BLOCK)
  await image.close()
  await t.rejects(
    compareContent(context, expected, await prepare(context)),
    hasCode('verify_failed', /the disk at SATA 0:0 does not read as it did before/),
  )
})

t.test('a wrong byte in a clone is found by verify=full, and nothing is left of the clone', async t => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/vms/web', { disks: [disk], snapshots: ['one'], layout: 'small' })
  const written = /vboxmerge-part$/
  const bad = corruptingFiles(files, written, BLOCK)
  await t.rejects(
    cloneOn(bad.files, made, {}, { verify: 'full' }),
    hasCode('verify_failed', /nothing is left/),
  )
  t.equal(bad.hits(), 1)
  t.equal(await files.stat('/vms/web Clone'), undefined)
  const quiet = corruptingFiles(files, written, BLOCK)
  t.ok((await cloneOn(quiet.files, made, { name: 'bad' })).changed, 'the tables do not show it')
  t.equal(quiet.hits(), 1)
  t.ok((await cloneOn(files, made, { name: 'good' }, { verify: 'full' })).changed)
})

t.test('what is wrong with the options is said by name', async t => {
  const { ensureMerged } = await import('../../lib/ensure/merged.ts')
  const wrong = ensureMerged('/nowhere', { verify: 'half' as 'full' })
  await t.rejects(
    wrong,
    new VboxmergeError('invalid_options', 'Option "verify" is "half"; give tables or full'),
  )
})

async function namesOf(files: RecordedFiles): Promise<string[]> {
  const all: string[] = []
  for (const folder of ['/machine', '/machine/Snapshots']) {
    for (const name of await files.list(folder)) if (name.endsWith('.vdi')) all.push(`${folder}/${name}`)
  }
  return all
}
