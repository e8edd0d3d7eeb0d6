import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { currentDiskMaps, type DiskMap } from '../../lib/engine/disk_maps.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { inspect } from '../../lib/machine/inspect.ts'
import type { Inspection } from '../../lib/machine/inspection.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import type { MachineSpec } from '../fixtures/machine_spec.ts'
import { readRawVdi } from '../fixtures/raw_vdi.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { seed } from '../fixtures/test_run.ts'

const BLOCK = 128 * 1024
const context = { files: realFiles, signal: undefined }

interface Made {
  readonly made: MadeMachine
  readonly machine: Inspection
}

async function make(t: Parameters<typeof temporaryFolder>[0], spec: MachineSpec): Promise<Made> {
  const folder = await temporaryFolder(t)
  const made = await makeMachine(realFiles, join(folder, 'web'), { layout: 'small', ...spec })
  const { inspection } = await inspect(realFiles, made.settingsFile, join(folder, 'home'))
  return { made, machine: inspection }
}

/** What each block of a disk is, from the tables as they are in the files: a level, `zero` or `unallocated`. */
async function kinds({ images }: DiskMap): Promise<(number | 'zero' | 'unallocated')[]> {
  const tables = await Promise.all(images.map(async ({ path }) => (await readRawVdi(realFiles, path)).table))
  return (tables[0] ?? []).map((_, block) => {
    const level = tables.findLastIndex(table => table[block] !== 0xffffffff)
    if (level < 0) return 'unallocated'
    return tables[level]?.[block] === 0xfffffffe ? 'zero' : level
  })
}

function kindsOf({ map }: DiskMap): (number | 'zero' | 'unallocated')[] {
  return (map?.cells ?? []).map(({ held, zero }) => held[0]?.level ?? (zero > 0 ? 'zero' : 'unallocated'))
}

t.test('each block of each disk is told as the tables of its chain have it', async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const disk = { blockSize: BLOCK, capacity: 40 * BLOCK }
  const { machine } = await make(t, { seed, disks: [disk, disk], snapshots: ['one', 'two', 'three'] })
  const disks = await currentDiskMaps(machine, context)
  t.equal(disks.length, 2)
  for (const [port, disk] of disks.entries()) {
    const expected = await kinds(disk)
    t.match(disk, { controller: 'SATA', port, device: 0, knowsFree: false, problem: null })
    t.same(kindsOf(disk), expected)
    t.same(
      disk.images.map(({ ownBytes }) => ownBytes),
      disk.images.map((_, level) => BLOCK * expected.filter(kind => kind === level).length),
      'an image has of its own what is read from it',
    )
  }
})

t.test('an image is told with the length of its file and what its blocks hold', async t => {
  const content = { base: { 0: 1, 1: 1, 2: 1 }, current: { 1: 1 } }
  const disk = { blockSize: BLOCK, capacity: 4 * BLOCK, content }
  const { machine, made } = await make(t, { disks: [disk], snapshots: ['one'] })
  const [found] = await currentDiskMaps(machine, context)
  for (const [level, image] of (found?.images ?? []).entries()) {
    const raw = await readRawVdi(realFiles, image.path)
    t.equal(image.bytes, raw.bytes.length)
    t.equal(image.allocatedBytes, raw.allocated * BLOCK)
    t.equal(image.ownBytes, ([2, 1][level] ?? 0) * BLOCK)
    t.equal(image.id, made.images[level]?.id)
  }
})

t.test('what is known to be free is told apart', async t => {
  const content = { base: { 0: 1, 1: 1, 3: 1 } }
  const disk = { blockSize: BLOCK, capacity: 4 * BLOCK, content }
  const { machine } = await make(t, { disks: [disk] })
  const chains: (readonly string[])[] = []
  const [found] = await currentDiskMaps(machine, {
    ...context,
    freeOf: chain => {
      chains.push(chain)
      return { blockSize: 2 * BLOCK, has: block => block === 1 }
    },
  })
  t.same(chains, [found?.images.map(({ id }) => id)])
  t.equal(found?.knowsFree, true)
  t.same(
    found?.map?.cells.map(({ free }) => free),
    [0, 0, 0, BLOCK],
  )
})

t.test('a disk that cannot be read has a problem instead of a map; the others are told', async t => {
  const disk = { blockSize: BLOCK, capacity: 4 * BLOCK, content: { base: { 0: 1 } } }
  const { machine, made } = await make(t, { disks: [disk, disk] })
  const damaged = made.imageOf('current', 0)?.path ?? ''
  await truncate(damaged, 1024)
  const [first, second] = await currentDiskMaps(machine, context)
  t.equal(first?.map, null)
  t.equal(first?.problem?.code, 'image_corrupt')
  t.match(first?.problem?.message, damaged)
  t.equal(first?.images[0]?.ownBytes, null)
  t.equal(second?.problem, null)
  t.equal(second?.map?.cells.length, 4)
})

t.test('mapping stops with the reason of its signal', async t => {
  const { machine } = await make(t, { disks: [{ blockSize: BLOCK }] })
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(currentDiskMaps(machine, { ...context, signal }), { message: 'enough' })
})
