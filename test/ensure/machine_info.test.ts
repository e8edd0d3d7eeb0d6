import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { describeMachine } from '../../lib/ensure/describe_machine.ts'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { realEnsureHost } from '../../lib/ensure/host.ts'
import { inspectMachine, inspectMachines } from '../../lib/ensure/machine_info.ts'
import { sessionOf } from '../../lib/ensure/session.ts'
import { wantedMerge } from '../../lib/ensure/wanted_parts.ts'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { errnoError } from '../../lib/io/errno.ts'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { awayNotePath, encodeAwayNote } from '../../lib/machine/away_note.ts'
import { cloneJournalPath } from '../../lib/machine/clone_journal.ts'
import { findMachines } from '../../lib/machine/find_machines.ts'
import { acquireLock } from '../../lib/machine/lock.ts'
import { writeStatus } from '../../lib/machine/run_status.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { makeMachine } from '../fixtures/machine_maker.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const BLOCK = 128 * 1024
const DISK = { blockSize: BLOCK, capacity: 24 * BLOCK }

async function scene(t: Parameters<typeof temporaryFolder>[0]) {
  const folder = await temporaryFolder(t)
  const made = await makeMachine(realFiles, join(folder, 'vms', 'web'), {
    layout: 'small',
    disks: [DISK],
    snapshots: ['one', 'two'],
  })
  return { folder, made, vboxUserHome: join(folder, 'home') }
}

t.test('plans say what they give back, how long they take and what room they need', async t => {
  const { made, vboxUserHome } = await scene(t)
  const info = await inspectMachine(made.settingsFile, { vboxUserHome })
  const { merged, base_snapshot } = info.plans
  t.equal(merged.changed, true)
  t.ok((merged.savedBytes ?? 0) > 0)
  t.match(merged.estimate, { seconds: Number, measured: false, space: [{ missingBytes: 0 }] })
  t.ok((base_snapshot.savedBytes ?? 0) < 0, 'a snapshot takes some room')
  t.match(info, { running: null, unfinished: null })
  const [disk] = info.disks
  t.equal(disk?.map?.capacity, DISK.capacity)
  const own = new Map(info.images.map(({ id, ownBytes }) => [id, ownBytes]))
  for (const { id, ownBytes } of disk?.images ?? []) t.equal(own.get(id), ownBytes)
})

t.test('a look with a scan finds out once what the guest uses, for volumes, maps and plans', async t => {
  const { made, vboxUserHome } = await scene(t)
  const opens = async (scan: boolean): Promise<number> => {
    const counted = countingFiles(realFiles)
    const host = { ...realEnsureHost, files: counted.files }
    await describeMachine(host, sessionOf(host, made.settingsFile, vboxUserHome, {}), { scan, vboxUserHome })
    t.strictSame(counted.changes(), [], 'and writes nothing')
    const { path } = made.imageOf('current', 0) ?? { path: '' }
    return counted.calls.filter(call => call.operation === 'open' && call.path === path).length
  }
  t.equal(await opens(false), 4)
  t.equal(await opens(true), 5, 'one more, to look for blocks of zeros')
})

t.test('a machine that a run works on is told with that run, and is not looked at closer', async t => {
  const { made, vboxUserHome } = await scene(t)
  const lock = await acquireLock(realFiles, made.settingsFile, { timeout: 0 })
  const status = { operation: 'golden_image', step: 'merge web.vdi', percent: 12, secondsLeft: 34 }
  await writeStatus(realFiles, made.settingsFile, { ...status, token: lock.token })
  const info = await inspectMachine(made.settingsFile, { vboxUserHome, scan: true, digest: true })
  t.match(info.running, { ...status, pid: process.pid, started: String })
  t.match(info.plans.merged.refusal, { code: 'machine_locked' })
  t.match(info, { machine: { name: 'web' }, disks: [], volumes: [], unfinished: null })
  await writeFile(made.settingsFile, 'half written')
  t.match(
    await inspectMachine(made.settingsFile, { vboxUserHome }).catch(error => error.code),
    'settings_corrupt',
  )
  t.match(await inspectMachines({ vboxUserHome, folders: [made.folder] }), [
    { state: 'inaccessible', running: status },
  ])
  await lock.release()
})

t.test('what was begun and is not finished is told', async t => {
  const { made, vboxUserHome } = await scene(t)
  await writeFile(cloneJournalPath(made.settingsFile), '{}')
  t.match((await inspectMachine(made.settingsFile, { vboxUserHome })).unfinished, {
    reason: /made this clone was interrupted/,
    help: /vboxmerge recover/,
  })
  const broken = await scene(t)
  const fault = { operation: 'rename', path: /\.vboxmerge-second$/, at: 1, sticky: true } as const
  const host = { ...realEnsureHost, files: faultyFiles(realFiles, [fault]).files }
  const merge = { skip: 0, discardCurrentState: false, branches: 'refuse', baseSnapshot: 'Base' } as const
  const wanted = { compacted: undefined, baseSnapshot: undefined, discardSavedState: false }
  const place = { engine: 'auto', registration: 'auto', lockTimeout: 1, vboxUserHome } as const
  await t.rejects(
    ensureWanted(broken.made.settingsFile, { ...wanted, merged: wantedMerge(merge) }, place, host),
    hasCode('engine_failed'),
  )
  const seen = await inspectMachine(broken.made.settingsFile, { vboxUserHome })
  t.match(seen.unfinished, { reason: /^An earlier run was interrupted/, help: /vboxmerge recover/ })
  t.equal(seen.running, null)
  await writeFile(`${made.settingsFile}.vboxmerge-note`, '{}')
  t.match((await inspectMachine(made.settingsFile, { vboxUserHome })).unfinished, {
    reason: /VirtualBox died while it deleted a snapshot/,
  })
})

t.test('machines are found in folders, each once, and what is broken fails nothing', async t => {
  const { folder, made, vboxUserHome } = await scene(t)
  const vms = join(folder, 'vms')
  await makeMachine(realFiles, join(vms, 'group', 'db'), {
    name: 'db',
    seed: 2,
    disks: [DISK],
    layout: 'small',
  })
  await mkdir(join(vms, 'bad'))
  await writeFile(join(vms, 'bad', 'bad.vbox'), '<x/>')
  await mkdir(join(vms, '.hidden'))
  await writeFile(join(vms, '.hidden', 'old.vbox'), '<x/>')
  await mkdir(vboxUserHome)
  await writeFile(
    join(vboxUserHome, 'VirtualBox.xml'),
    `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global><MachineRegistry>` +
      `<MachineEntry uuid="{${made.id}}" src="${made.settingsFile}"/></MachineRegistry></Global></VirtualBox>`,
  )
  await symlink(vms, join(folder, 'link'))
  const infos = await inspectMachines({
    vboxUserHome,
    folders: [vms, join(folder, 'link'), made.settingsFile],
  })
  t.strictSame(
    infos.map(({ machine, state }) => [machine.name, machine.registered, state]),
    [
      ['web', true, 'poweroff'],
      ['', false, 'inaccessible'],
      ['db', false, 'poweroff'],
    ],
  )
  t.match(infos[1]?.warnings, [{ code: 'settings_corrupt' }])
  t.equal((await inspectMachines({ vboxUserHome })).length, 1, 'without folders those of the registry alone')
  const away = await makeMachine(realFiles, join(folder, 'away'), { name: 'away', seed: 3, disks: [DISK] })
  await writeFile(awayNotePath(vboxUserHome, away.id), encodeAwayNote(away.id, away.settingsFile))
  await writeFile(awayNotePath(vboxUserHome, made.id), encodeAwayNote(made.id, made.settingsFile))
  t.strictSame(
    (await inspectMachines({ vboxUserHome })).map(({ machine }) => machine.name),
    ['web', 'away'],
    'and those that a run has taken out of it meanwhile',
  )
  await t.rejects(
    inspectMachines({ vboxUserHome, folders: [join(folder, 'nowhere')] }),
    hasCode(
      'machine_not_found',
      /^Cannot list the machines in ".*nowhere": there is nothing of that name; name a folder/,
    ),
  )
  await t.rejects(inspectMachines({ vboxUserHome, folders: [join(vms, 'web', 'disk0.vdi')] }), {
    message: /it is no folder and no \.vbox file/,
  })
})

t.test('a folder that may not be read is told, and the others are looked through', async t => {
  const { folder, made } = await scene(t)
  const closed = join(folder, 'vms', 'closed')
  await mkdir(closed)
  const list = async (path: string): Promise<string[]> => {
    if (path === closed) throw errnoError('EACCES', 'scandir', path)
    return await realFiles.list(path)
  }
  t.strictSame(await findMachines({ ...realFiles, list }, folder), {
    settingsFiles: [made.settingsFile],
    unreadable: [{ folder: closed, code: 'EACCES' }],
  })
})
