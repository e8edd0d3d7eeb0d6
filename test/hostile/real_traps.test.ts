// Machines on a real file system whose settings lead to links, pipes, sockets, devices and other people's files: they
// are refused soon, and what they lead to keeps its bytes, its times and its inode.
import { execFileSync } from 'node:child_process'
import {
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { journalPath } from '../../lib/machine/journal.ts'
import { lockPathOf } from '../../lib/machine/lock.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { type JsonOutcome, runRealCli } from '../fixtures/real_cli.ts'

const skip = process.platform === 'linux' ? false : 'needs the files that Linux has'

t.setTimeout(240_000)

/** Milliseconds after which a run hangs. */
const PATIENCE = 30_000

interface Trap {
  readonly made: MadeMachine
  readonly other: MadeMachine
  readonly folder: string
  readonly home: string
  /** Holds canaries. */
  readonly outside: string
}

const disk = { capacity: 3 * 2 ** 17, blockSize: 2 ** 17 } as const

async function makeTrap(t: Parameters<typeof quickFolder>[0]): Promise<Trap> {
  const folder = await quickFolder(t)
  const [home, outside, at, near] = ['home', 'outside', 'vms/web', 'vms/other'].map(name =>
    join(folder, name),
  )
  for (const path of [home, outside, at, near]) await mkdir(path ?? '', { recursive: true })
  const spec = {
    layout: 'small',
    efi: true,
    disks: [disk],
    snapshots: ['one', { name: 'two', saved: true }],
  } as const
  const made = await makeMachine(realFiles, at ?? '', spec)
  const other = await makeMachine(realFiles, near ?? '', { ...spec, name: 'other', seed: 5 })
  for (const name of ['canary.txt', 'canary.sav', 'canary.nvram', 'canary.vdi']) {
    await writeFile(join(outside ?? '', name), `Nobody may touch ${name}.\n`.repeat(40))
  }
  await copyFile(other.images[0]?.path ?? '', join(outside ?? '', 'copy.vdi'))
  return { made, other, folder, home: home ?? '', outside: outside ?? '' }
}

/** What must not change of what does not belong to the machine: content, time, inode, length. */
async function canaries({ outside, other, made }: Trap): Promise<Record<string, string>> {
  const seen: Record<string, string> = {}
  const beside = (await readdir(dirname(made.settingsFile))).filter(name => /^(?:trap|stranger)/.test(name))
  const paths = [
    ...(await readdir(outside)).map(name => join(outside, name)),
    ...other.files,
    ...beside.map(name => join(dirname(made.settingsFile), name)),
  ]
  for (const path of paths) {
    const { ino, mtimeNs, mode, size } = await lstat(path, { bigint: true })
    const kind = await lstat(path)
    const content = kind.isFile() && kind.size < 2 ** 22 ? await readFile(path, 'latin1') : ''
    seen[path] = `${ino} ${mtimeNs} ${mode} ${kind.isDirectory() ? '' : size} ${content}`
  }
  return seen
}

async function edit(path: string, from: string | RegExp, to: string): Promise<void> {
  const before = await readFile(path, 'utf8')
  const after = before.replace(from, to)
  if (after === before) throw new Error(`nothing was changed in ${path}`)
  await writeFile(path, after)
}

async function run(trap: Trap, ...args: string[]): Promise<JsonOutcome> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`vboxmerge ${args.join(' ')} hangs`)), PATIENCE)
  })
  try {
    const words = [...args, '--vbox-user-home', trap.home, '--lock-timeout', '0']
    const isInfo = args[0] === 'info' || args[0] === 'list'
    return await Promise.race([runRealCli(...(isInfo ? words.slice(0, -2) : words)), late])
  } finally {
    clearTimeout(timer)
  }
}

const baseOf = ({ made }: Trap): string => made.images[0]?.path ?? ''

/** Puts something into the place of the machine's base. */
async function instead(trap: Trap, make: (path: string) => unknown): Promise<void> {
  const path = join(dirname(trap.made.settingsFile), 'trap')
  await make(path)
  await edit(trap.made.settingsFile, 'location="disk0.vdi"', 'location="trap"')
}

const location =
  (path: string) =>
  async (trap: Trap): Promise<void> => {
    await edit(
      trap.made.settingsFile,
      'location="disk0.vdi"',
      `location="${path.replace('OUTSIDE', trap.outside)}"`,
    )
  }

/** Traps by name, with the code by which each is refused. */
const REFUSED: Readonly<Record<string, [code: string, set: (trap: Trap) => Promise<unknown>]>> = {
  'a link in the place of an image': [
    'unsupported',
    trap => instead(trap, path => symlink(baseOf(trap), path)),
  ],
  'a link to nothing': ['unsupported', trap => instead(trap, path => symlink('/nowhere/at/all', path))],
  'a link to itself': ['unsupported', trap => instead(trap, path => symlink(path, path))],
  'a pipe': ['unsupported', trap => instead(trap, path => execFileSync('mkfifo', [path]))],
  'a folder': ['unsupported', trap => instead(trap, path => mkdir(path))],
  'a device without end': ['unsupported', location('/dev/zero')],
  'a terminal': ['unsupported', location('/dev/tty')],
  // Not every kernel has it.
  'all memory': ['image_corrupt or image_missing', location('/proc/kcore')],
  'the memory of this process': ['unsupported', location('/proc/self/mem')],
  'a file of the system': ['image_corrupt', location('/etc/passwd')],
  'an empty file of the system': ['image_corrupt', location('/proc/self/cmdline')],
  "someone else's image": ['chain_mismatch', location('OUTSIDE/copy.vdi')],
  "someone else's image by dots": ['chain_mismatch', location('../other/disk0.vdi')],
  'no image at all': ['image_corrupt', location('OUTSIDE/canary.txt')],
  'a path that is too long': ['image_missing', location(`${'a'.repeat(300)}/x.vdi`)],
  'a path through a file': ['image_missing', location('web.vbox/x.vdi')],
  'a path through links in a circle': [
    'image_missing',
    async trap => {
      const loop = join(dirname(trap.made.settingsFile), 'trap')
      await symlink(loop, loop)
      await location('trap/x.vdi')(trap)
    },
  ],
  'an image that claims to be endless': ['image_corrupt', async trap => await truncate(baseOf(trap), 600)],
  'EFI variables elsewhere': [
    'unsupported',
    async ({ made, outside }) => {
      const text = await readFile(made.settingsFile, 'utf8')
      const at = text.lastIndexOf('<BIOS>')
      const nvram = `<NVRAM path="${outside}/canary.nvram"/>`
      await writeFile(made.settingsFile, `${text.slice(0, at + 6)}${nvram}${text.slice(at + 6)}`)
    },
  ],
  'a journal that is a pipe': [
    'journal_foreign',
    async ({ made }) => execFileSync('mkfifo', [journalPath(made.settingsFile)]),
  ],
  'a journal that is a link': [
    'journal_foreign',
    async ({ made, outside }) => await symlink(join(outside, 'canary.txt'), journalPath(made.settingsFile)),
  ],
  'a lock that is a pipe': [
    'machine_locked',
    async ({ made }) => execFileSync('mkfifo', [lockPathOf(made.settingsFile)]),
  ],
  'a lock that is a link': [
    'machine_locked',
    async ({ made, outside }) => await symlink(join(outside, 'canary.txt'), lockPathOf(made.settingsFile)),
  ],
  'a registry that is a pipe': [
    'unsupported',
    async ({ home }) => execFileSync('mkfifo', [join(home, 'VirtualBox.xml')]),
  ],
  'a registry that is a folder': [
    'unsupported',
    async ({ home }) => await mkdir(join(home, 'VirtualBox.xml')),
  ],
}

for (const [name, [code, set]] of Object.entries(REFUSED)) {
  t.test(`${name}: refused, and nothing outside is touched`, { skip }, async t => {
    const trap = await makeTrap(t)
    await set(trap)
    const before = await canaries(trap)
    for (const command of ['golden', 'clone']) {
      const { document, status } = await run(trap, command, trap.made.settingsFile, '--discard-saved-state')
      t.equal(status, 3, `${command}: ${document.msg}`)
      t.ok(code.split(' or ').includes(String(document.code)), String(document.code))
      t.match(String(document.msg), /^Cannot .*["{].*; ./s, 'it says what was found, and what helps')
    }
    const told = await run(trap, 'info', trap.made.settingsFile)
    t.ok(told.status === 0 || code.includes(String(told.document.code)), `info: ${told.document.msg}`)
    t.strictSame(await canaries(trap), before)
  })
}

t.test('a socket in the place of an image is refused', { skip }, async t => {
  const trap = await makeTrap(t)
  const path = join(dirname(trap.made.settingsFile), 'trap')
  const server = createServer().listen(path)
  t.teardown(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  await location('trap')(trap)
  const { document } = await run(trap, 'merge', trap.made.settingsFile, '--discard-saved-state')
  t.strictSame(document.code, 'unsupported', String(document.msg))
})

t.test(
  'machines that a registry lists and that are pipes, devices or folders keep no one waiting',
  { skip },
  async t => {
    const trap = await makeTrap(t)
    const pipe = join(trap.outside, 'pipe.vbox')
    execFileSync('mkfifo', [pipe])
    const long = join(trap.outside, 'long.vbox')
    await writeFile(long, '')
    await truncate(long, 2 ** 33)
    const listed = [
      pipe,
      long,
      '/dev/zero',
      '/proc/kmsg',
      trap.outside,
      '/nowhere.vbox',
      trap.other.settingsFile,
    ]
    const entries = listed.map((path, at) => {
      const id = at === 6 ? trap.other.id : `0000000${at}-1111-4111-8111-111111111111`
      return `<MachineEntry uuid="{${id}}" src="${path}"/>`
    })
    await writeFile(
      join(trap.home, 'VirtualBox.xml'),
      '<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global><MachineRegistry>' +
        `${entries.join('')}</MachineRegistry></Global></VirtualBox>`,
    )
    const before = await canaries(trap)
    const { document, status } = await run(trap, 'list')
    t.equal(status, 0, String(document.msg))
    const machines = document.machines as { state: string; machine: { name: string } }[]
    t.strictSame(
      machines.map(({ state }) => state === 'inaccessible'),
      [true, true, true, true, true, true, false],
    )
    const merged = await run(trap, 'merge', trap.made.settingsFile, '--discard-saved-state')
    t.equal(merged.status, 0, String(merged.document.msg))
    t.strictSame(await machineProblems(realFiles, trap.made), [])
    t.strictSame(await canaries(trap), before)
  },
)

t.test(
  'what a forged journal and forged settings want deleted or replaced elsewhere stays',
  { skip },
  async t => {
    const trap = await makeTrap(t)
    const { made, other, outside } = trap
    // An interrupted run: a merge that cannot write the base.
    const stranger = other.images[0]
    const image = { kind: 'image', path: stranger?.path, id: stranger?.id }
    const copy = { ...image, path: join(outside, 'copy.vdi') }
    const saved = { kind: 'saved_state', path: join(outside, 'canary.sav') }
    const theirs = other.files
      .filter(path => path.endsWith('.sav'))
      .map(path => ({ kind: 'saved_state', path }))
    await symlink(outside, join(dirname(made.settingsFile), 'link'))
    const linked = { kind: 'nvram', path: 'link/canary.nvram' }
    const { createHash } = await import('node:crypto')
    const now = createHash('sha256')
      .update(await readFile(made.settingsFile))
      .digest('hex')
    const journal = {
      format: 'vboxmerge-journal',
      version: 1,
      machine: made.id,
      registered: false,
      user: '0',
      vboxUserHome: trap.home,
      hashes: { before: '0'.repeat(64), first: now, second: '1'.repeat(64) },
      relinks: [],
      created: [image, copy, { kind: 'image', path: join(outside, 'canary.vdi'), id: stranger?.id }],
      deletes: [image, copy, saved, linked, ...theirs],
      restoredNvram: { from: 'web.nvram', to: join(outside, 'canary.txt') },
    }
    await writeFile(journalPath(made.settingsFile), JSON.stringify(journal))
    await edit(made.settingsFile, /stateFile="[^"]*"/, `stateFile="${outside}/canary.sav"`)
    const again = createHash('sha256')
      .update(await readFile(made.settingsFile))
      .digest('hex')
    await edit(journalPath(made.settingsFile), now, again)
    const before = await canaries(trap)
    const { document, status } = await run(trap, 'merge', made.settingsFile, '--discard-saved-state')
    t.equal(status, 0, String(document.msg))
    t.strictSame(await canaries(trap), before)
    t.notOk(
      (await readdir(dirname(made.settingsFile))).some(name => name.includes('journal')),
      'the run is over',
    )
  },
)

t.test(
  'a table of 64 million blocks in a file with holes takes no more memory than it says',
  { skip },
  async t => {
    const trap = await makeTrap(t)
    const file = await open(baseOf(trap), 'r+')
    const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer)
    await file.write(u32(2 ** 26 - 1), 0, 4, 0x180)
    await file.write(u32(0xfffff000), 0, 4, 0x158)
    await file.truncate(2 ** 32)
    await file.close()
    const { document } = await run(trap, 'info', trap.made.settingsFile)
    t.ok(document.failed === false, String(document.msg))
    const merged = await run(trap, 'merge', trap.made.settingsFile, '--discard-saved-state')
    t.match(merged.document.code, /image_corrupt|unsupported/, String(merged.document.msg))
    t.ok(process.memoryUsage().rss < 1.5 * 2 ** 30, `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`)
  },
)
