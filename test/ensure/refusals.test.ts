// Everything that is refused: with a code, a message that says what was found and what helps, the exit
// status of a refusal, and no file changed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, link, mkdir, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { realEnsureHost } from '../../lib/ensure/host.ts'
import { wantedMerge } from '../../lib/ensure/wanted_parts.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { acquireLock } from '../../lib/machine/lock.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'
import { uuidBytes } from '../fixtures/disks.ts'
import { apiError, type FakeRule, fakeVBoxManage, skipWithoutScripts } from '../fixtures/fake_vboxmanage.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { fingerprintsOf } from '../fixtures/observed_machine.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'
import { readRawVdi } from '../fixtures/raw_vdi.ts'
import { type JsonOutcome, runRealCli } from '../fixtures/real_cli.ts'
import { settingsText, testUuid } from '../fixtures/settings_text.ts'

t.setTimeout(240_000)

/** A machine that is to be refused, with all around it. */
interface Scene {
  readonly t: Test
  /** Holds everything. */
  readonly folder: string
  /** VirtualBox's settings folder. */
  readonly home: string
  readonly made: MadeMachine
  /** More words of the command line. */
  readonly args: string[]
}

interface Refusal {
  readonly name: string
  readonly code: ErrorCode
  /** What the message says was found, where, and what helps. */
  readonly message: readonly RegExp[]
  readonly spec?: Partial<MachineSpec>
  /** Default `merge`. */
  readonly command?: string
  readonly args?: readonly string[]
  /** Default the settings file. */
  readonly machine?: (scene: Scene) => string
  readonly prepare?: (scene: Scene) => Promise<unknown>
  readonly skip?: false | string
  /** Default 3. */
  readonly status?: number
}

const BLOCK = 2 ** 17

async function makeScene(
  t: Test,
  spec: Partial<MachineSpec> = {},
  args: readonly string[] = [],
): Promise<Scene> {
  const folder = await quickFolder(t)
  const home = join(folder, 'home')
  const at = join(folder, 'web')
  await Promise.all([mkdir(home), mkdir(at)])
  const disks = [{ blockSize: BLOCK, content: { base: { 0: 1, 1: 2, 2: 3 } } }]
  const made = await makeMachine(realFiles, at, { disks, snapshots: ['a', 'b'], layout: 'small', ...spec })
  return { t, folder, home, made, args: [...args] }
}

const baseOf = ({ made }: Scene): string => made.images[0]?.path ?? ''
const leafOf = ({ made }: Scene): string => made.imageOf('current', 0)?.path ?? ''

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(path, 'utf8')
  const after = change(before)
  if (after === before) throw new Error(`nothing was changed in ${path}`)
  await writeFile(path, after)
}

async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, offset)
  await file.close()
}

function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer)
}

async function cut(path: string, length: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.truncate(length)
  await file.close()
}

/** Makes the scene's VirtualBox know these settings files, and images of its own. */
async function register(
  { home, made }: Scene,
  others: readonly (readonly [id: string, file: string])[] = [],
  disks = '',
): Promise<void> {
  const entries = [[made.id, made.settingsFile], ...others]
    .map(([id, file]) => `<MachineEntry uuid="{${id}}" src="${file}"/>`)
    .join('')
  const text =
    '<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global>' +
    `<MachineRegistry>${entries}</MachineRegistry>` +
    `<MediaRegistry><HardDisks>${disks}</HardDisks></MediaRegistry></Global></VirtualBox>\n`
  await writeFile(join(home, 'VirtualBox.xml'), text)
}

/** Registers the machine with a VBoxManage that says what it is told to. */
async function registerWithFake(scene: Scene, rules: readonly FakeRule[]): Promise<void> {
  await register(scene)
  const folder = join(scene.folder, 'fake')
  await mkdir(folder)
  const { file } = await fakeVBoxManage(folder, [...rules, { when: '--version', stdout: '7.2.22r175245\n' }])
  scene.args.push('--vboxmanage', file)
}

const state = (name: string): FakeRule => ({ when: 'showvminfo', stdout: `VMState="${name}"\n` })

const LOCKED = apiError("The machine 'web' is already locked for a session (or being unlocked)", {
  code: 'VBOX_E_INVALID_OBJECT_STATE',
  number: '80bb0007',
})

/** Has another process hold a file open until the test ends. */
async function holdOpen({ t }: Scene, path: string): Promise<void> {
  const script =
    "require('node:fs').openSync(process.argv[1], 'r'); console.log('open'); setTimeout(() => {}, 60000)"
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill()
    await once(child, 'close')
  })
  await once(child.stdout, 'data')
}

async function holdLock({ t, made }: Scene): Promise<void> {
  const lock = await acquireLock(realFiles, made.settingsFile, { timeout: 0 })
  t.teardown(() => lock.release())
}

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? false : 'needs /proc'
const SNAPSHOT_OF_CLONE = testUuid(900)

/** A linked clone as VirtualBox leaves it: its image is in the registry of the machine that it came from. */
async function makeLinkedClone(scene: Scene, place: 'origin' | 'clone'): Promise<void> {
  const { folder, made } = scene
  const below = made.imageOf('a', 0)
  const child = `<HardDisk uuid="{${SNAPSHOT_OF_CLONE}}" location="${join(folder, 'clone.vdi')}" format="VDI"/>`
  const file = join(folder, 'clone.vbox')
  const media = `<HardDisk uuid="{${below?.id}}" location="${below?.path}" format="VDI" type="Normal">${child}</HardDisk>`
  await writeFile(
    file,
    settingsText({ image: SNAPSHOT_OF_CLONE, media: place === 'clone' ? media : '' }).replace(
      'name="web"',
      'name="copy"',
    ),
  )
  if (place === 'origin') {
    await edit(made.settingsFile, text =>
      text.replace(/(<HardDisk uuid="[^>]*web[^>]*>|<HardDisk uuid=[^>]*type="Normal">)/, `$1${child}`),
    )
  }
  await register(scene, [[testUuid(100), file]])
}

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a machine that runs',
    code: 'machine_not_off',
    message: [/^Cannot change "web": its state is "running"; shut it down first/],
    prepare: scene => registerWithFake(scene, [state('running')]),
    skip: skipWithoutScripts,
  },
  {
    name: 'a machine that is paused',
    code: 'machine_not_off',
    message: [/its state is "paused"; shut it down first/],
    prepare: scene => registerWithFake(scene, [state('paused')]),
    skip: skipWithoutScripts,
  },
  {
    name: 'a machine whose description looks like a second state',
    code: 'machine_not_off',
    message: [/"poweroff" and "running"/],
    prepare: scene =>
      registerWithFake(scene, [{ when: 'showvminfo', stdout: 'VMState="poweroff"\nVMState="running"\n' }]),
    skip: skipWithoutScripts,
  },
  {
    name: 'a machine that is saved',
    code: 'machine_not_off',
    message: [/^Cannot change "web": it is saved; start it and shut it down, .*discardSavedState/],
    spec: { saved: 'own' },
  },
  {
    name: 'a snapshot to be restored that has a saved state',
    code: 'machine_not_off',
    message: [/^Cannot restore snapshot "b" of "web": it has a saved state, .*discardSavedState/],
    spec: { snapshots: ['a', { name: 'b', saved: true }] },
    args: ['--discard-current-state'],
  },
  {
    name: 'a machine on which another vboxmerge works',
    code: 'machine_locked',
    message: [/^Cannot lock ".*web\.vbox": /, /process \d+/, /raise lockTimeout/],
    prepare: holdLock,
  },
  {
    name: 'a machine with an image that another program has open',
    code: 'machine_locked',
    message: [/"[^"]*\.vdi" is open in ".*" \(process \d+\); close that program/],
    prepare: scene => holdOpen(scene, leafOf(scene)),
    skip: onLinux,
  },
  {
    name: 'a machine that a session of VirtualBox holds',
    code: 'machine_locked',
    message: [/unregister the machine/, /already locked/],
    prepare: scene =>
      registerWithFake(scene, [state('poweroff'), { when: 'unregistervm', stderr: LOCKED, exitCode: 1 }]),
    skip: skipWithoutScripts,
  },
  {
    name: 'two images that are one file',
    code: 'chain_mismatch',
    message: [
      /disk1\.vdi" .* and ".*disk0\.vdi" .* are one and the same file; give each image a file of its own/,
    ],
    spec: { disks: [{ blockSize: BLOCK }, { blockSize: BLOCK }] },
    prepare: async ({ made }) => {
      await rm(join(made.folder, 'disk1.vdi'))
      await link(join(made.folder, 'disk0.vdi'), join(made.folder, 'disk1.vdi'))
    },
  },
  {
    name: 'an image that is a symbolic link',
    code: 'unsupported',
    message: [/disk0\.vdi": it is a symbolic link; name its target in the settings instead/],
    prepare: async ({ made, folder }) => {
      await rename(join(made.folder, 'disk0.vdi'), join(folder, 'elsewhere.vdi'))
      await symlink(join(folder, 'elsewhere.vdi'), join(made.folder, 'disk0.vdi'))
    },
  },
  {
    name: 'a machine whose images only VirtualBox.xml lists, without VirtualBox',
    code: 'unsupported',
    message: [
      /^Cannot change "web": /,
      /not in the media registry of the machine's own \.vbox/,
      /not registered/,
      /registervm/,
    ],
    prepare: async scene => {
      const { made, home } = scene
      const text = await readFile(made.settingsFile, 'utf8')
      const [list = ''] = text.match(/<MediaRegistry>[\s\S]*<\/MediaRegistry>\n/) ?? []
      await writeFile(made.settingsFile, text.replace(list, ''))
      const disks = list
        .replace(/<\/?(MediaRegistry|HardDisks)>/g, '')
        .replaceAll('location="', `location="${made.folder}/`)
      await register(scene, [], disks)
      await edit(join(home, 'VirtualBox.xml'), xml => xml.replace(/<MachineEntry[^>]*>/, ''))
    },
  },
  {
    name: 'a machine whose images only VirtualBox.xml lists, with the direct engine',
    code: 'unsupported',
    message: [/engine "direct" cannot: .*not in the media registry of the machine's own \.vbox/],
    args: ['--engine', 'direct'],
    prepare: async scene => {
      const { made } = scene
      const text = await readFile(made.settingsFile, 'utf8')
      const [list = ''] = text.match(/<MediaRegistry>[\s\S]*<\/MediaRegistry>\n/) ?? []
      await registerWithFake(scene, [state('poweroff')])
      await writeFile(made.settingsFile, text.replace(list, ''))
      const disks = list
        .replace(/<\/?(MediaRegistry|HardDisks)>/g, '')
        .replaceAll('location="', `location="${made.folder}/`)
      await register(scene, [], disks)
    },
    skip: skipWithoutScripts,
  },
  {
    name: 'a copy of the folder of a registered machine',
    code: 'linked_clone',
    message: [/also used by the machine "web"; if this is a copy of it, .* \(vboxUserHome=FOLDER\)/],
    prepare: async scene => {
      const { folder, made } = scene
      const settingsFile = join(folder, 'original', basename(made.settingsFile))
      await cp(made.folder, dirname(settingsFile), { recursive: true })
      await register({ ...scene, made: { ...made, settingsFile } })
    },
  },
  {
    name: 'a machine with a linked clone, its image in the registry of this machine',
    code: 'linked_clone',
    message: [
      /^Cannot (merge|change) "web": /,
      /clone\.vdi|disk0\.vdi/,
      /"copy"/,
      /clone that machine in full, or remove it/,
    ],
    prepare: scene => makeLinkedClone(scene, 'origin'),
  },
  {
    name: 'a machine with a linked clone, its image in the registry of the clone',
    code: 'linked_clone',
    message: [
      /^Cannot change "web": image ".*disk0\.vdi" .* is also used by the machine "copy"; clone that machine in full/,
    ],
    prepare: scene => makeLinkedClone(scene, 'clone'),
  },
  {
    name: 'a machine with a linked clone whose settings VirtualBox was saving when it died',
    code: 'linked_clone',
    message: [/is also used by the machine "copy"/],
    prepare: async scene => {
      await makeLinkedClone(scene, 'clone')
      await rename(join(scene.folder, 'clone.vbox'), join(scene.folder, 'clone.vbox-prev'))
    },
  },
  {
    name: 'a machine whose settings VirtualBox was saving when it died, in check mode',
    code: 'machine_not_found',
    message: [
      /^Cannot find machine ".*": VirtualBox was cut off while it saved "/,
      /finish that \(vboxmerge recover "/,
    ],
    args: ['--check'],
    prepare: async ({ made: { settingsFile } }) => {
      await cp(settingsFile, `${settingsFile}-tmp`)
      await rename(settingsFile, `${settingsFile}-prev`)
    },
  },
  {
    name: 'VirtualBox’s own settings, which it was saving when it died, in check mode',
    code: 'settings_corrupt',
    message: [
      /VirtualBox\.xml": VirtualBox was cut off while it saved it; rename ".*-tmp" to it before VirtualBox is/,
    ],
    args: ['--check'],
    prepare: async scene => {
      await register(scene)
      const registry = join(scene.home, 'VirtualBox.xml')
      await cp(registry, `${registry}-tmp`)
      await rename(registry, `${registry}-prev`)
    },
  },
  {
    name: 'a base to be compacted that a linked clone reads',
    code: 'linked_clone',
    message: [/is also used by the machine "copy"/],
    command: 'compact',
    args: ['--free-space', 'keep'],
    prepare: scene => makeLinkedClone(scene, 'clone'),
  },
  {
    name: 'an image on which a detached one hangs',
    code: 'branch_blocked',
    message: [/clone\.vdi/, /belongs to no snapshot of this machine/, /closemedium disk/],
    prepare: async scene => {
      await makeLinkedClone(scene, 'origin')
      await rm(join(scene.folder, 'clone.vbox'))
    },
  },
  {
    name: 'an encrypted image',
    code: 'image_encrypted',
    message: [/^Cannot work on "web": the image ".*disk0\.vdi" .* is encrypted; decrypt it first/],
    prepare: ({ made }) =>
      edit(made.settingsFile, text =>
        text.replace(/(<HardDisk [^>]*type="Normal">)/, '$1<Property name="CRYPT/KeyId" value="k"/>'),
      ),
  },
  {
    name: 'an encrypted machine',
    code: 'image_encrypted',
    message: [/^Cannot read ".*web\.vbox": the whole machine is encrypted; .*encryptvm/],
    prepare: ({ made }) =>
      writeFile(
        made.settingsFile,
        '<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">' +
          `<MachineEncrypted uuid="{${made.id}}" name="web"/></VirtualBox>`,
      ),
  },
  {
    name: 'an image with another UUID than its registry says',
    code: 'chain_mismatch',
    message: [
      new RegExp(`disk0\\.vdi" is the image \\{${testUuid(5)}\\}, not \\{.*\\}; .*restore the matching`),
    ],
    prepare: scene => overwrite(baseOf(scene), 0x188, uuidBytes(testUuid(5))),
  },
  {
    name: 'an image with another parent than its registry says',
    code: 'chain_mismatch',
    message: [
      new RegExp(`names \\{${testUuid(6)}\\} as its parent, but is registered under \\{.*\\}; .*restore`),
    ],
    prepare: scene => overwrite(leafOf(scene), 0x1a8, uuidBytes(testUuid(6))),
  },
  {
    name: 'a base that is registered as a difference',
    code: 'chain_mismatch',
    message: [/is a base image, but is registered with a parent/],
    prepare: async scene => {
      await overwrite(leafOf(scene), 0x4c, u32(1))
      await overwrite(leafOf(scene), 0x1a8, new Uint8Array(32))
    },
  },
  {
    name: 'settings of an unknown version',
    code: 'unsupported',
    message: [
      /^Cannot read ".*web\.vbox": its settings version is "1\.99-linux"; 1\.\d+ to 1\.\d+ are known/,
    ],
    prepare: ({ made }) =>
      edit(made.settingsFile, text => text.replace('version="1.19-linux"', 'version="1.99-linux"')),
  },
  {
    name: 'an image of an unknown version',
    code: 'unsupported',
    message: [/disk0\.vdi": its u32Version is 0x00020000; versions 1\.0 and 1\.1 are known/],
    prepare: scene => overwrite(baseOf(scene), 0x44, u32(0x20000)),
  },
  {
    name: 'an image with an unknown flag',
    code: 'unsupported',
    message: [/disk0\.vdi": its fFlags is 0x00000800; .* is known/],
    prepare: scene => overwrite(baseOf(scene), 0x50, u32(0x800)),
  },
  {
    name: 'an image that ends inside its blocks',
    code: 'image_corrupt',
    message: [/disk0\.vdi/, /restore/],
    prepare: async scene =>
      cut(baseOf(scene), (await readRawVdi(realFiles, baseOf(scene))).dataOffset + BLOCK + 512),
  },
  {
    name: 'an image that ends inside its header',
    code: 'image_corrupt',
    message: [/disk0\.vdi": it is 100 bytes long, too short for the header of a VDI; restore the file/],
    prepare: scene => cut(baseOf(scene), 100),
  },
  {
    name: 'an image that is no VDI',
    code: 'image_corrupt',
    message: [/disk0\.vdi": its u32Signature is .*, not a VDI's; restore the file/],
    prepare: scene => overwrite(baseOf(scene), 0x40, u32(7)),
  },
  {
    name: 'an image with two virtual blocks in one place',
    code: 'image_corrupt',
    message: [/disk0\.vdi/, /\b0\b.*\b2\b|\b2\b.*\b0\b/, /restore/],
    prepare: async scene => {
      const { tableOffset, table } = await readRawVdi(realFiles, baseOf(scene))
      await overwrite(baseOf(scene), tableOffset + 8, u32(table[0] ?? 0))
    },
  },
  {
    name: 'an image with a block behind its count',
    code: 'image_corrupt',
    message: [/disk0\.vdi/, /77/, /restore/],
    prepare: async scene => {
      const { tableOffset } = await readRawVdi(realFiles, baseOf(scene))
      await overwrite(baseOf(scene), tableOffset, u32(77))
    },
  },
  {
    name: 'an image that is missing',
    code: 'image_missing',
    message: [
      /^Cannot work on "web": the image ".*disk0\.vdi" .* is missing; bring the file back, or detach the disk/,
    ],
    prepare: scene => rm(baseOf(scene)),
  },
  {
    name: 'an image that no registry lists',
    code: 'unsupported',
    message: [/not in the media registry/],
    prepare: ({ made }) =>
      edit(made.settingsFile, text =>
        text.replace(new RegExp(`<HardDisk uuid="\\{${made.imageOf('current', 0)?.id}\\}"[^>]*/>`), ''),
      ),
  },
  {
    name: 'an image that is smaller than its parent',
    code: 'unsupported',
    message: [/is smaller than its parent \(\d+ and \d+ bytes\); resize it first/],
    prepare: async scene => {
      const capacity = Buffer.alloc(8)
      capacity.writeBigUInt64LE(BigInt(3 * BLOCK))
      await overwrite(leafOf(scene), 0x170, capacity)
    },
  },
  {
    name: 'a branch',
    code: 'branch_blocked',
    message: [
      /^Cannot merge "web": snapshot "a" \{.*\} has another child on another branch, "x" \{.*\} \(tips: "y" \{.*\}\)/,
      /branches=stop .* branches=discard .* or from=SNAPSHOT to make one of them the current state and merge that/,
    ],
    spec: { snapshots: ['a', 'b', { name: 'x', on: 'a' }, 'y'], current: 'b' },
  },
  {
    name: 'a base snapshot of another branch',
    code: 'branch_blocked',
    message: [
      /^Cannot take the base snapshot "Base" of "web": .* on another branch; restore it, or choose another name/,
    ],
    command: 'snapshot',
    spec: { snapshots: ['a', 'Base', { name: 'x', on: 'a' }], current: 'x' },
  },
  {
    name: 'the journal of a newer vboxmerge',
    code: 'journal_foreign',
    message: [
      /journal ".*" was written by a newer vboxmerge \(journal version 2; this one knows version 1\); use that one; nothing was changed/,
    ],
    prepare: ({ made }) =>
      writeFile(`${made.settingsFile}.vboxmerge-journal`, '{"format":"vboxmerge-journal","version":2}'),
  },
  {
    name: 'the journal of another machine',
    code: 'journal_foreign',
    message: [
      new RegExp(
        `is about another machine, \\{${testUuid(8)}\\}; nothing was changed.*move the journal away`,
      ),
    ],
    prepare: ({ made, home }) =>
      writeFile(
        `${made.settingsFile}.vboxmerge-journal`,
        JSON.stringify({
          format: 'vboxmerge-journal',
          version: 1,
          machine: testUuid(8),
          registered: false,
          user: '',
          vboxUserHome: home,
          hashes: { before: 'a'.repeat(64) },
          relinks: [],
          created: [],
          deletes: [],
        }),
      ),
  },
  {
    name: 'a journal that is none',
    code: 'journal_foreign',
    message: [/is no JSON; nothing was changed.*move the journal away/],
    prepare: ({ made }) => writeFile(`${made.settingsFile}.vboxmerge-journal`, 'x'),
  },
  {
    name: 'a journal that is damaged',
    code: 'journal_foreign',
    message: [/is damaged \(machine: .*\); nothing was changed/],
    prepare: ({ made }) =>
      writeFile(`${made.settingsFile}.vboxmerge-journal`, '{"format":"vboxmerge-journal","version":1}'),
  },
  {
    name: 'settings without a byte',
    code: 'settings_corrupt',
    message: [/^Cannot read ".*web\.vbox": .*empty.*; .*-prev/],
    prepare: ({ made }) => writeFile(made.settingsFile, ''),
  },
  {
    name: 'settings with a document type',
    code: 'settings_corrupt',
    message: [/^Cannot read ".*web\.vbox": .*document type.*; .*-prev/],
    prepare: ({ made }) =>
      edit(made.settingsFile, text =>
        text.replace('<VirtualBox', '<!DOCTYPE a [<!ENTITY b "c">]>\n<VirtualBox'),
      ),
  },
  {
    name: 'settings that are cut off',
    code: 'settings_corrupt',
    message: [/^Cannot read ".*web\.vbox": .*; .*-prev/],
    prepare: ({ made }) => edit(made.settingsFile, text => text.slice(0, text.length / 2)),
  },
  {
    name: 'a VirtualBox.xml that is cut off',
    code: 'settings_corrupt',
    message: [/^Cannot read ".*VirtualBox\.xml": /],
    prepare: async scene => {
      await register(scene)
      await edit(join(scene.home, 'VirtualBox.xml'), text => text.slice(0, text.length / 2))
    },
  },
  {
    name: 'a folder with two machines',
    code: 'machine_ambiguous',
    message: [
      /^Cannot choose machine ".*": it is .*other\.vbox" and .*web\.vbox"; give the path of the one that is meant/,
    ],
    prepare: ({ made }) => writeFile(join(made.folder, 'other.vbox'), ''),
    machine: ({ made }) => made.folder,
  },
  {
    name: 'a name that two machines have',
    code: 'machine_ambiguous',
    message: [/^Cannot choose machine "web": it is the name of .* and the name of .*; give the path/],
    prepare: async scene => {
      const file = join(scene.folder, 'second.vbox')
      await writeFile(file, settingsText())
      await register(scene, [[testUuid(100), file]])
    },
    machine: () => 'web',
  },
  {
    name: 'a name that no machine has',
    code: 'machine_not_found',
    message: [/^Cannot find machine "wbe": no registered machine .*; did you mean "web"\?/],
    prepare: register,
    machine: () => 'wbe',
  },
  {
    name: 'a registered machine whose file is gone',
    code: 'machine_not_found',
    message: [/it is registered, but its file ".*gone\.vbox" is missing/],
    prepare: scene => register(scene, [[testUuid(100), join(scene.folder, 'gone.vbox')]]),
    machine: () => testUuid(100),
  },
  {
    name: 'a path where nothing is',
    code: 'machine_not_found',
    message: [/^Cannot find machine ".*none": there is no ".*none"/],
    machine: ({ folder }) => join(folder, 'none'),
  },
  {
    name: 'a snapshot that is not there',
    code: 'snapshot_not_found',
    message: [
      /^Cannot restore snapshot "c" of "web": there is none of that name or UUID; there are "a", "b"/,
    ],
    args: ['--from', 'c'],
  },
  {
    name: 'free space that VirtualBox is to discard',
    code: 'unsupported',
    message: [
      /^Cannot discard free space of "web": engine "virtualbox" does not look into the file systems of guests/,
      /; choose engine=direct where it can do the work, or freeSpace=keep, and zero .*zerofree/,
    ],
    command: 'compact',
    args: ['--free-space', 'discard', '--engine', 'virtualbox'],
  },
  {
    name: 'compaction of a machine that has nothing to compact',
    code: 'unsupported',
    message: [/^Cannot compact "web": ".*disk0\.vdi" .* is of type Immutable/],
    spec: { disks: [{ blockSize: BLOCK, type: 'Immutable' }] },
    command: 'compact',
  },
  {
    name: 'an image of another format, without VirtualBox',
    code: 'unsupported',
    message: [
      /^Cannot change "web": .*disk0\.vdi" has the format VMDK, and only VDI is worked on/,
      /register it/,
    ],
    prepare: async ({ made }) => {
      await writeFile(join(made.folder, 'disk0.vdi'), 'KDMV')
      await edit(made.settingsFile, text =>
        text.replace('format="VDI" type="Normal"', 'format="VMDK" type="Normal"'),
      )
    },
  },
  {
    name: 'a registered machine that is to stay registered, with the direct engine',
    code: 'unsupported',
    message: [
      /engine "direct" cannot: the machine is registered with VirtualBox and is to stay so \(registration=keep\)/,
    ],
    args: ['--engine', 'direct', '--registration', 'keep'],
    prepare: scene => registerWithFake(scene, [state('poweroff')]),
    skip: skipWithoutScripts,
  },
  {
    name: 'a machine that VirtualBox does not know, with the virtualbox engine',
    code: 'unsupported',
    message: [/engine "virtualbox" cannot: the machine is not registered with VirtualBox; register it/],
    args: ['--engine', 'virtualbox'],
  },
  {
    name: 'a clone of a machine that runs',
    code: 'machine_not_off',
    message: [/its state is "running"; shut it down first/],
    command: 'clone',
    prepare: scene => registerWithFake(scene, [state('running')]),
    skip: skipWithoutScripts,
  },
  {
    name: 'a clone of a machine that is saved',
    code: 'machine_not_off',
    message: [/^Cannot clone "web": it is saved, .*discardSavedState/],
    spec: { saved: 'own' },
    command: 'clone',
  },
  {
    name: 'a clone of a snapshot that is of a saved machine',
    code: 'machine_not_off',
    message: [/^Cannot clone "web": snapshot "b" is of a saved machine, .*discardSavedState/],
    spec: { snapshots: ['a', { name: 'b', saved: true }] },
    command: 'clone',
    args: ['--from', 'b'],
  },
  {
    name: 'a clone of a machine on which another vboxmerge works',
    code: 'machine_locked',
    message: [/^Cannot lock ".*web\.vbox": /],
    command: 'clone',
    prepare: holdLock,
  },
  {
    name: 'a clone of a registered machine, without VBoxManage',
    code: 'unsupported',
    message: [/^Cannot clone "web": .*VBoxManage was not found to register its clone, too; say where it is/],
    command: 'clone',
    prepare: async scene => {
      await register(scene)
      const { PATH, VBOXMANAGE } = process.env
      scene.t.teardown(() =>
        Object.assign(process.env, { PATH }, VBOXMANAGE === undefined ? {} : { VBOXMANAGE }),
      )
      process.env.PATH = scene.folder
      delete process.env.VBOXMANAGE
    },
    skip: onLinux,
  },
  {
    name: 'a clone of a missing image',
    code: 'image_missing',
    message: [/^Cannot clone "web": the image ".*disk0\.vdi" .* is missing; bring the file back/],
    command: 'clone',
    prepare: scene => rm(baseOf(scene)),
  },
  {
    name: 'a clone of an image whose links do not fit',
    code: 'chain_mismatch',
    message: [/^Cannot clone "web": /],
    command: 'clone',
    prepare: scene => overwrite(leafOf(scene), 0x1a8, uuidBytes(testUuid(7))),
  },
  {
    name: 'a clone of an image of another format',
    code: 'unsupported',
    message: [/^Cannot clone "web": .*disk0\.vdi" has the format VMDK, and only VDI is read/],
    command: 'clone',
    prepare: async ({ made }) => {
      await writeFile(join(made.folder, 'disk0.vdi'), 'KDMV')
      await edit(made.settingsFile, text =>
        text.replace('format="VDI" type="Normal"', 'format="VMDK" type="Normal"'),
      )
    },
  },
  {
    name: 'a clone by VirtualBox',
    code: 'unsupported',
    message: [/engine "virtualbox" makes no clones; choose engine=direct/],
    command: 'clone',
    args: ['--engine', 'virtualbox'],
  },
  {
    name: 'a clone whose name is too long for a file',
    code: 'invalid_options',
    message: [/^Cannot clone "web": .*255 bytes.*shorter cloneName/],
    command: 'clone',
    args: ['--clone-name', 'x'.repeat(250)],
    status: 2,
  },
]

function run(
  scene: Scene,
  { command = 'merge', machine }: Pick<Refusal, 'command' | 'machine'>,
): Promise<JsonOutcome> {
  const name = machine?.(scene) ?? scene.made.settingsFile
  return runRealCli(command, name, '--vbox-user-home', scene.home, '--lock-timeout', '0', ...scene.args)
}

for (const refusal of REFUSALS) {
  t.test(`refused: ${refusal.name}`, { skip: refusal.skip ?? false }, async t => {
    const scene = await makeScene(t, refusal.spec, refusal.args)
    await refusal.prepare?.(scene)
    const files = await fingerprintsOf(scene.folder)
    const { status, document } = await run(scene, refusal)
    t.strictSame([document.code, status], [refusal.code, refusal.status ?? 3], String(document.msg))
    t.strictSame([document.failed, document.changed], [true, false])
    for (const part of refusal.message) t.match(String(document.msg), part)
    t.strictSame(withoutFake(await fingerprintsOf(scene.folder)), withoutFake(files), 'no file is changed')
  })
}

/** The fake notes its calls in files of its own. */
function withoutFake(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !name.startsWith('fake')))
}

const BUSY: readonly Pick<Refusal, 'name' | 'prepare' | 'skip' | 'message'>[] = REFUSALS.filter(({ name }) =>
  /runs|paused|another vboxmerge works|has open|session of VirtualBox/.test(name),
)

for (const { name, prepare, skip = false, message } of BUSY) {
  t.test(`whenBusy=skip leaves ${name} for later`, { skip }, async t => {
    const scene = await makeScene(t, {}, ['--when-busy', 'skip'])
    await prepare?.(scene)
    const files = await fingerprintsOf(scene.folder)
    const { status, document } = await run(scene, {})
    t.strictSame([status, document.failed, document.changed, document.steps], [0, false, false, []])
    for (const part of message) t.match(String(document.skipped), part)
    t.strictSame(withoutFake(await fingerprintsOf(scene.folder)), withoutFake(files), 'no file is changed')
  })
}

t.test(
  'a machine that is as it should be is no one to refuse because it runs',
  { skip: skipWithoutScripts },
  async t => {
    const scene = await makeScene(t, { snapshots: ['Base'], moved: false })
    await registerWithFake(scene, [state('running')])
    const { status, document } = await run(scene, {})
    t.strictSame([status, document.changed], [0, false])
  },
)

t.test('nothing is done where the disk has too little room', async t => {
  const { made, home, folder } = await makeScene(t)
  const files = await fingerprintsOf(folder)
  const host = { ...realEnsureHost, files: { ...realFiles, freeSpace: async () => 1000 } }
  const options = parseOptions('merge', { vboxUserHome: home })
  const wanted = {
    merged: wantedMerge(options),
    compacted: undefined,
    baseSnapshot: undefined,
    discardSavedState: false,
  }
  for (const check of [true, false]) {
    await t.rejects(
      ensureWanted(made.settingsFile, wanted, { ...options, check }, host),
      hasCode(
        'no_space',
        /^Cannot change "web": the file system of ".*" has 1000 bytes free, and \d+ are needed, \d+ more; make room/,
      ),
    )
  }
  t.strictSame(await fingerprintsOf(folder), files)
})
