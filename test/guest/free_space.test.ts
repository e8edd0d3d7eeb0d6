// What findFreeSpace() makes of volumes, with formats made up for the purpose.
import t from 'tap'
import type { BlockDevice } from '../../lib/guest/device.ts'
import { type FileSystem, type Format, GuestProblem, type KeepReason } from '../../lib/guest/file_system.ts'
import { type FreeSpace, findFreeSpace, listVolumes } from '../../lib/guest/free_space.ts'

const MIB = 2 ** 20
const BLOCK = MIB

/** A disk in memory: an MBR with partitions of some MiB each, of which each begins with a letter. */
function diskWith(letters: string, mib = 4): BlockDevice & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array((letters.length * mib + 2) * MIB)
  const view = new DataView(bytes.buffer)
  for (const [index, letter] of [...letters].entries()) {
    const start = 1 + index * mib
    bytes[start * MIB] = letter.charCodeAt(0)
    view.setUint8(446 + 16 * index + 4, 0x83)
    view.setUint32(446 + 16 * index + 8, start * 2048, true)
    view.setUint32(446 + 16 * index + 12, mib * 2048, true)
  }
  view.setUint16(510, 0xaa55, true)
  return {
    bytes,
    size: bytes.length,
    read: async (buffer, position) => void buffer.set(bytes.subarray(position, position + buffer.length)),
  }
}

/** A format that is known by the first byte of a volume. */
function format(letter: string, act: Partial<FileSystem>, probe?: Format['probe']): Format {
  return {
    kind: letter,
    probe: async device => {
      const first = new Uint8Array(1)
      await device.read(first, 0)
      if (first[0] !== letter.charCodeAt(0)) return undefined
      if (probe) return await probe(device)
      return {
        kind: letter,
        label: undefined,
        size: device.size,
        freeBytes: undefined,
        keep: undefined,
        freeRanges: async found => found(0, device.size),
        ...act,
      }
    },
  }
}

const allFree = format('f', {})
const sleeping: KeepReason = { code: 'hibernated', found: 'it sleeps', wholeDisk: true }

async function look(formats: readonly Format[], ...devices: BlockDevice[]): Promise<FreeSpace> {
  return await findFreeSpace(
    devices.map(device => ({ device, blockSize: BLOCK })),
    { formats: { containers: [], fileSystems: formats } },
  )
}

function freeOf(space: FreeSpace, disk = 0, count = 20): number[] {
  return Array.from({ length: count }, (_, block) => block).filter(block => space.disks[disk]?.isFree(block))
}

t.test('a volume that is left alone does not stop the others', async t => {
  const space = await look([allFree], diskWith('f?f'))
  t.same(freeOf(space), [1, 2, 3, 4, 9, 10, 11, 12])
  t.equal(space.disks[0]?.freeBlocks, 8)
  t.match(space.volumes, [
    { where: 'partition 1', kind: 'f', free: 4 * MIB, used: 0, keep: undefined },
    { where: 'partition 2', kind: 'unknown', free: undefined, used: undefined, keep: { code: 'unknown' } },
    { where: 'partition 3', kind: 'f', free: 4 * MIB, used: 0 },
  ])
})

t.test('the first and the last MiB of a disk are kept, whatever lies there', async t => {
  const bytes = new Uint8Array(4 * MIB)
  bytes[0] = 'f'.charCodeAt(0)
  const device: BlockDevice = {
    size: bytes.length,
    read: async (buffer, position) => void buffer.set(bytes.subarray(position, position + buffer.length)),
  }
  const space = await look([allFree], device)
  t.same(freeOf(space), [1, 2])
  t.match(space.volumes, [{ where: 'the whole disk', free: 4 * MIB }])
})

t.test('what a volume told counts only when it comes to its end', async t => {
  const problem = new GuestProblem({ code: 'damaged', found: 'its counters differ' })
  const fails = (error: unknown): Format =>
    format('x', {
      freeRanges: async found => {
        found(0, 2 * MIB)
        throw error
      },
    })
  const space = await look([allFree, fails(problem)], diskWith('xf'))
  t.same(freeOf(space), [5, 6, 7, 8])
  t.match(space.volumes[0], { keep: { code: 'damaged', found: 'its counters differ' } })
  const broken = await look([allFree, fails(new RangeError('Offset is outside the bounds'))], diskWith('xf'))
  t.same(freeOf(broken), [5, 6, 7, 8])
  t.match(broken.volumes[0], { keep: { code: 'damaged' } })
})

t.test('what a volume calls free outside of itself is not believed', async t => {
  for (const [start, length] of [
    [3 * MIB, MIB + 1],
    [-MIB, 2 * MIB],
    [0, 0],
    [Number.NaN, MIB],
    [MIB, Number.NaN],
  ] as const) {
    const liar = format('x', { freeRanges: async found => found(start, length) })
    const space = await look([liar, allFree], diskWith('xf'))
    t.same(freeOf(space), [5, 6, 7, 8])
    t.match(space.volumes[0], { keep: { code: 'damaged' } })
  }
  const twice = format('x', {
    freeRanges: async found => {
      found(0, 2 * MIB)
      found(MIB, MIB)
    },
  })
  t.same(freeOf(await look([twice], diskWith('x'))), [])
})

t.test('a format that trips over hostile bytes is a damaged volume', async t => {
  const trips = format('x', {}, async () => Promise.reject(new TypeError('undefined is not iterable')))
  const space = await look([trips, allFree], diskWith('xf'))
  t.same(freeOf(space), [5, 6, 7, 8])
  t.match(space.volumes[0], { kind: 'x', keep: { code: 'damaged' } })
})

t.test('a disk that cannot be read is an error and no damaged volume', async t => {
  const disk = diskWith('ff')
  const failing = (from: number): BlockDevice => ({
    size: disk.size,
    read: async (buffer, position) => {
      if (position >= from) throw Object.assign(new RangeError('input/output error'), { code: 'EIO' })
      await disk.read(buffer, position)
    },
  })
  await t.rejects(look([allFree], failing(4 * MIB)), { code: 'EIO' }, 'while it is looked at')
  const walks = format('f', {}, async device => ({
    kind: 'f',
    label: undefined,
    size: device.size,
    freeBytes: undefined,
    keep: undefined,
    freeRanges: async () => {
      try {
        await device.read(new Uint8Array(1), 2 * MIB)
      } catch {
        throw new GuestProblem({ code: 'damaged', found: 'hidden' })
      }
    },
  }))
  const late: BlockDevice = {
    size: disk.size,
    read: async (buffer, position) => {
      if (position === 7 * MIB) throw Object.assign(new Error('input/output error'), { code: 'EIO' })
      await disk.read(buffer, position)
    },
  }
  await t.rejects(look([walks], late), { code: 'EIO' }, 'even when a format took it for damage')
})

t.test('a guest that sleeps keeps every block of all its disks', async t => {
  const asleep = format('s', { keep: sleeping, freeRanges: async () => {} })
  const lateAsleep = format('s', {
    freeRanges: async () => Promise.reject(new GuestProblem(sleeping)),
  })
  for (const hibernated of [asleep, lateAsleep]) {
    const space = await look([allFree, hibernated], diskWith('fs'), diskWith('f'))
    t.ok(space.isHibernated)
    t.same([...freeOf(space, 0), ...freeOf(space, 1)], [])
    t.same(
      space.disks.map(({ freeBlocks }) => freeBlocks),
      [0, 0],
    )
    t.same(
      space.volumes.map(({ keep }) => keep?.code),
      ['hibernated', 'hibernated', 'hibernated'],
    )
  }
})

t.test('a guest that sleeps is seen beside the signature of something else', async t => {
  const asleep = { ...format('f', { keep: sleeping, freeRanges: async () => {} }), kind: 'other' }
  t.ok((await look([allFree, asleep], diskWith('ff'))).isHibernated)
})

t.test('a file system that may be mounted is kept where a guest could sleep unseen', async t => {
  const mounted = format('m', { mayBeMounted: true })
  const locked = format('l', { kind: 'luks', keep: { code: 'encrypted', found: 'it is encrypted' } })
  const dirty = format('d', {
    kind: 'xfs',
    freeRanges: async () => {
      throw new GuestProblem({ code: 'unclean', found: 'it was not unmounted' })
    },
  })
  const ofWindows = format('w', { kind: 'ntfs', keep: { code: 'unclean', found: 'it is dirty' } })
  const formats = [allFree, mounted, locked, dirty, ofWindows]
  t.same(freeOf(await look(formats, diskWith('mf?'))), [1, 2, 3, 4, 5, 6, 7, 8])
  t.same(freeOf(await look(formats, diskWith('mfw'))), [1, 2, 3, 4, 5, 6, 7, 8])
  for (const bed of ['l', 'd']) {
    for (const devices of [[diskWith(`mf${bed}`)], [diskWith('mf'), diskWith(bed)]]) {
      const space = await look(formats, ...devices)
      t.same(freeOf(space), [5, 6, 7, 8], 'the other volume is not in doubt')
      t.match(space.volumes[0], { kind: 'm', keep: { code: 'unclean', found: /sleeps in partition/ } })
    }
  }
})

t.test('a volume with the signatures of two formats is left alone', async t => {
  const other = { ...format('f', {}), kind: 'other' }
  const space = await look([allFree, other], diskWith('f'))
  t.same(freeOf(space), [])
  t.match(space.volumes[0], { kind: 'f+f', keep: { code: 'ambiguous' } })
})

t.test('partitions beside a file system on the whole disk are left alone', async t => {
  const disk = diskWith('ff')
  disk.bytes[0] = 'w'.charCodeAt(0)
  const space = await look([allFree, format('w', {})], disk)
  t.same(freeOf(space), [])
  t.match(space.volumes, [{ where: 'the whole disk', kind: 'w', keep: { code: 'ambiguous' } }])
})

t.test('a boot sector that ends as a partition table does is a file system', async t => {
  const disk = diskWith('ff')
  disk.bytes[0] = 'f'.charCodeAt(0)
  disk.bytes[446] = 0x47
  const space = await look([allFree], disk)
  t.match(space.volumes, [{ where: 'the whole disk', kind: 'f', keep: undefined }])
  disk.bytes[0] = 0
  const none = await look([allFree], disk)
  t.same(freeOf(none), [])
  t.match(none.volumes, [{ where: 'the whole disk', kind: 'unknown', keep: { code: 'damaged' } }])
})

t.test('looking stops when it is told to', async t => {
  const controller = new AbortController()
  const disk = diskWith('f')
  const stops = format('f', {
    freeRanges: async (_found, signal) => {
      controller.abort(new Error('enough'))
      signal?.throwIfAborted()
    },
  })
  const options = { signal: controller.signal, formats: { containers: [], fileSystems: [stops] } }
  await t.rejects(findFreeSpace([{ device: disk, blockSize: BLOCK }], options), { message: 'enough' })
})

t.test('volumes are listed with what their own counters say', async t => {
  const counts = format('c', {
    freeBytes: MIB,
    label: 'data',
    freeRanges: async () => Promise.reject(new Error('nothing is looked for')),
  })
  const dirty = format('d', { freeBytes: MIB, keep: { code: 'unclean', found: 'it was not unmounted' } })
  const formats = { containers: [], fileSystems: [counts, dirty] }
  t.match(await listVolumes([diskWith('cd?')], { formats }), [
    {
      where: 'partition 1',
      kind: 'c',
      label: 'data',
      size: 4 * MIB,
      used: 3 * MIB,
      free: MIB,
      keep: undefined,
    },
    { where: 'partition 2', kind: 'd', free: MIB, keep: { code: 'unclean' } },
    { where: 'partition 3', kind: 'unknown', free: undefined, keep: { code: 'unknown' } },
  ])
})

t.test('only what the images hold can be given back', async t => {
  const device = diskWith('ff')
  const holds = (block: number): boolean => block < 3
  const { volumes } = await findFreeSpace([{ device, blockSize: BLOCK, holds }], {
    formats: { containers: [], fileSystems: [allFree] },
  })
  t.match(volumes, [{ reclaimable: 2 * MIB }, { reclaimable: 0 }])
})
