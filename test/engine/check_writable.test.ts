// Files and folders that may not be written to: found out before anything is changed.
import { chmod } from 'node:fs/promises'
import t from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { PLAIN_OPTIONS, plainHost, WANTED } from '../fixtures/plain_host.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

const spec: MachineSpec = { disks: [{}], snapshots: ['a', 'b'], layout: 'small' }

async function filesWith(mode: number, path: string, files: RecordedFiles): Promise<void> {
  const file = await files.open(path, 'read')
  await file.copyOwner({ ...(await file.stat()), mode })
  await file.close()
}

t.test('an image that may not be written to keeps its snapshots', async t => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/web', spec)
  await filesWith(0o444, '/web/disk0.vdi', files)
  const before = await files.readFile(made.settingsFile, 1e6)
  for (const check of [true, false]) {
    await t.rejects(
      ensureWanted(made.settingsFile, WANTED.merged, { ...PLAIN_OPTIONS, check }, plainHost(files)),
      hasCode('unsupported', /^Cannot change "web": .* not write to the image "\/web\/disk0\.vdi"; .*chmod/),
    )
    t.same(await files.readFile(made.settingsFile, 1e6), before)
  }
  await filesWith(0o600, '/web/disk0.vdi', files)
  const done = await ensureWanted(made.settingsFile, WANTED.merged, PLAIN_OPTIONS, plainHost(files))
  t.equal(done.changed, true)
})

t.test('so does one whose header is to name another parent', async t => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/web', { ...spec, snapshots: ['a', 'b', 'c'] })
  const leaf = made.imageOf('current', 0)?.path ?? ''
  await filesWith(0o444, leaf, files)
  await t.rejects(
    ensureWanted(made.settingsFile, WANTED.mergedBut(1), PLAIN_OPTIONS, plainHost(files)),
    hasCode('unsupported', /not write to the image "\/web\/Snapshots\//),
  )
})

t.test('an image that is closed to everyone is found before the first commit, too', async t => {
  const files = new RecordedFiles()
  const made = await makeMachine(files, '/web', spec)
  const before = await files.readFile(made.settingsFile, 1e6)
  const host = plainHost(
    interceptedFiles(files, async (call, run) => {
      const isOpened = call.operation === 'open' && call.path === '/web/disk0.vdi'
      if (isOpened && /-second/.test(String(await files.list('/web')))) {
        throw Object.assign(new Error('EPERM: open'), { code: 'EPERM' })
      }
      return await run()
    }),
  )
  await t.rejects(
    ensureWanted(made.settingsFile, WANTED.merged, PLAIN_OPTIONS, host),
    /EPERM.*the machine is as it was/,
  )
  t.same(await files.readFile(made.settingsFile, 1e6), before)
  t.same(
    (await files.list('/web')).filter(name => /vboxmerge/.test(name)),
    [],
  )
})

t.test('a name to which nothing can be added is refused where a new file is needed', async t => {
  const files = new RecordedFiles()
  const name = `${'x'.repeat(240)}.vdi`
  const made = await makeMachine(files, '/web', { ...spec, disks: [{ location: name }] })
  await files.link(`/web/${name}`, '/other.vdi')
  await t.rejects(
    ensureWanted(made.settingsFile, WANTED.merged, PLAIN_OPTIONS, plainHost(files)),
    hasCode(
      'unsupported',
      /a new file is to take the place of .* that name is too long; give the image a shorter/,
    ),
  )
})

t.test('what this user may write to is told by the system', async t => {
  const folder = await quickFolder(t)
  t.equal(await realFiles.mayWrite(folder), true)
  await t.rejects(realFiles.mayWrite(`${folder}/missing`), { code: 'ENOENT' })
  if (process.getuid?.() === 0) return
  await chmod(folder, 0o500)
  t.equal(await realFiles.mayWrite(folder), false)
  await chmod(folder, 0o700)
})
