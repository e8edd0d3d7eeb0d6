// Images whose disk is no whole number of sectors, or ends inside a block, or is shorter than the one above it.
import { Buffer } from 'node:buffer'
import t from 'tap'
import type { Files } from '../../lib/io/files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { overwrite } from '../fixtures/disks.ts'
import { carryOut } from '../fixtures/hostile/operations.ts'
import { changedViews, viewsOf } from '../fixtures/hostile/views.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'
import { machineProblems } from '../fixtures/machine_reader.ts'

const BLOCK = 2 ** 17
const CAPACITY = 2 * BLOCK + 1024
const CLONE = '/vms/web Clone/web Clone.vbox'
const OPERATIONS = ['merge', 'golden', 'compact', 'snapshot', 'clone'] as const

/** A chain of three images, all blocks of which hold data. */
async function make(): Promise<{ files: RecordedFiles; made: MadeMachine }> {
  const files = new RecordedFiles()
  await files.makeFolder('/home')
  const made = await makeMachine(files, '/vms/web', {
    layout: 'small',
    disks: [
      {
        capacity: CAPACITY,
        blockSize: BLOCK,
        content: { base: { 0: 1, 1: 2, 2: 3 }, two: { 0: 4 }, current: { 1: 5 } },
      },
    ],
    snapshots: ['one', 'two'],
  })
  return { files, made }
}

async function setSize(files: Files, path: string, bytes: number): Promise<void> {
  const field = Buffer.alloc(8)
  field.writeBigUInt64LE(BigInt(bytes))
  await overwrite(files, path, 0x170, field)
}

t.test('bytes behind the last whole sector are not of the disk', async t => {
  for (const operation of OPERATIONS) {
    for (let changed = 0; changed < 3; changed++) {
      for (const more of [1, 16, 511]) {
        const { files, made } = await make()
        await setSize(files, made.images[changed]?.path ?? '', CAPACITY + more)
        const result = await carryOut(files, operation, made.settingsFile)
        const what = `${operation}, image ${changed} has ${more} bytes more`
        t.equal('steps' in result && result.changed, operation !== 'compact', what)
        t.strictSame(await machineProblems(files, made), [], what)
      }
    }
  }
})

t.test('a disk that grew reads as zeros where the images below it have ended', async t => {
  for (const operation of OPERATIONS) {
    for (const [base, middle] of [
      [CAPACITY - 512, CAPACITY],
      [CAPACITY - 1, CAPACITY],
      [2 * BLOCK + 1, CAPACITY - 512],
      [2 * BLOCK, 2 * BLOCK + 700],
      [BLOCK + 513, BLOCK + 513],
      [512, 2 * BLOCK - 1],
    ] as const) {
      const { files, made } = await make()
      await setSize(files, made.images[0]?.path ?? '', base)
      await setSize(files, made.images[1]?.path ?? '', middle)
      const before = await viewsOf(files, made.settingsFile)
      const what = `${operation}, ${base} and ${middle} of ${CAPACITY} bytes`
      if (typeof before === 'string') throw new Error(`${what}: ${before}`)
      await carryOut(files, operation, made.settingsFile)
      const after = await viewsOf(files, made.settingsFile)
      t.strictSame(typeof after === 'string' ? after : changedViews(before, after, 'current'), [], what)
      if (operation !== 'clone') continue
      const clone = await viewsOf(files, CLONE)
      if (typeof clone === 'string') throw new Error(`${what}: ${clone}`)
      t.equal(clone.hashes.get('current 0'), before.hashes.get('current 0'), what)
    }
  }
})

t.test('a disk that is smaller than the one below it is refused by name, sectors counted', async t => {
  const { files, made } = await make()
  const [, , leaf] = made.images
  await setSize(files, leaf?.path ?? '', CAPACITY - 1)
  await t.rejects(carryOut(files, 'merge', made.settingsFile), {
    code: 'unsupported',
    message: new RegExp(`is smaller than its parent \\(${CAPACITY - 512} and ${CAPACITY} bytes\\)`),
  })
})
