// Disks with many file systems, in machines with snapshots: what is given back, and that no file is lost.
import { join } from 'node:path'
import t from 'tap'
import { ensureGoldenImage } from '../../lib/ensure/golden_image.ts'
import { makeDiskImage } from '../fixtures/guest/disk_image.ts'
import { exportRaw, heldBytes, makeGuestMachine, nextState } from '../fixtures/guest/guest_machine.ts'
import {
  examine,
  ext4,
  freeBound,
  install,
  type Kind,
  ntfs3g,
  onPlace,
  type Place,
  swapSpace,
  vfat,
  xfs,
} from '../fixtures/guest/layout.ts'
import { withMount } from '../fixtures/guest/mount.ts'
import { partitionDisk } from '../fixtures/guest/partition_disk.ts'
import { requireTools, runTool } from '../fixtures/guest/tools.ts'
import { differences, hashTree, writeTree } from '../fixtures/guest/tree.ts'
import { quickFolder } from '../fixtures/quick_folder.ts'

t.setTimeout(240_000)

const MIB = 2 ** 20
const skip = requireTools(
  'root',
  'sfdisk',
  'sgdisk',
  'mkfs.vfat',
  'fsck.vfat',
  'mcopy',
  'mkswap',
  'mkfs.ext4',
  'dumpe2fs',
  'e2fsck',
  'mkntfs',
  'ntfs-3g',
  'ntfsresize',
  'mkfs.btrfs',
  'mkfs.xfs',
  'xfs_db',
  'xfs_repair',
)

const btrfs: Kind = {
  make: device => runTool('mkfs.btrfs', '-q', '-f', device),
  fill: (device, seed) =>
    withMount(device, {}, folder => writeTree(folder, seed, { files: 80, largest: MIB })),
  check: device => runTool('btrfs', 'check', '--check-data-csum', device),
  hash: device => withMount(device, { readOnly: true }, hashTree),
  // Its tools list no free ranges that can be added up; test/guest/filesystems/btrfs compares them.
  free: async () => 0,
}

const kinds: readonly (readonly [kind: Kind, mib: number, name: string])[] = [
  [vfat, 40, 'vfat'],
  [swapSpace, 20, 'swap'],
  [ext4, 64, 'ext4'],
  [ntfs3g, 64, 'ntfs'],
  [btrfs, 160, 'btrfs'],
  [xfs, 300, 'xfs'],
]

const places: Place[] = []
let start = MIB
for (const [kind, mib] of kinds) {
  places.push({ part: { start, length: mib * MIB }, kind })
  start += mib * MIB
}

t.test(
  'ensureGoldenImage() gives back what six file systems deleted, and loses no file',
  { skip },
  async t => {
    const first = await makeDiskImage(t, start / MIB + 1)
    const lines = kinds.map(([, mib]) => `size=${mib}MiB`)
    await partitionDisk(first, `label: gpt\n${lines.join('\n')}\n`)
    await install(first, places)
    const last = await nextState(first, 'last')
    for (const [index, place] of places.entries()) {
      await onPlace(last, place, device => place.kind.fill(device, 100 + index))
    }
    const before = await examine(last, places)
    const bound = await freeBound(last, places, MIB)
    const folder = await quickFolder(t)
    const made = await makeGuestMachine(folder, [{ one: first, current: last }])
    const base = made.images[0]?.path ?? ''

    const options = { vboxUserHome: join(folder, 'none') }
    const result = await ensureGoldenImage(made.settingsFile, options)
    t.strictSame(result.warnings, [])
    t.same(
      result.volumes.map(({ kind, kept }) => [kind, kept]),
      kinds.map(([, , name]) => [name, null]),
    )
    const raw = await exportRaw([base], join(folder, 'after.raw'))
    t.same(differences(before, await examine(raw, places)), [], 'every file of every volume is there')
    t.match((await runTool('sgdisk', '-v', raw)).stdout, /No problems found/)
    const kept = start + MIB - heldBytes(base)
    t.ok(kept >= bound, `${kept} bytes are not held; the tools of the formats call ${bound} free`)
    t.equal((await ensureGoldenImage(made.settingsFile, options)).changed, false)
  },
)
