import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { openChain } from '../../lib/image/chain_view.ts'
import { digestDisk } from '../../lib/image/digest.ts'
import { createBase } from '../../lib/image/vdi/create.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { type ImageSpec, makeImage } from '../fixtures/disks.ts'
import { memoryDisk } from '../fixtures/memory_disk.ts'
import { randomFrom, seedOfRun } from '../fixtures/random.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const MIB = 2 ** 20

const skip =
  spawnSync('qemu-img', ['--version']).status === 0 ? false : 'needs qemu-img (Debian: package qemu-utils)'

async function qemuImg(...args: string[]): Promise<string> {
  return (await promisify(execFile)('qemu-img', args)).stdout
}

async function ownDigest(path: string): Promise<string> {
  const view = await openChain(realFiles, [path])
  try {
    return await digestDisk(view)
  } finally {
    await view.close()
  }
}

async function fileDigest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

t.test('qemu-img reads the same bytes from an image with blocks in any order', { skip }, async t => {
  const seed = seedOfRun()
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const random = randomFrom(seed)
  const folder = await temporaryFolder(t)
  for (let round = 0; round < 4; round++) {
    const blocks = Object.fromEntries(
      Array.from({ length: 8 }, (_, block) => [block, random.pick(['free', 'zero', 1, 2, 3] as const)]),
    )
    const spec: ImageSpec = {
      capacity: 8 * MIB - 512 * random.between(0, 3),
      blocks,
      order: random.next(),
      tableOffset: 512 * random.between(1, 9),
      id: random.uuid(),
    }
    const path = `${folder}/${round}.vdi`
    await makeImage(realFiles, path, spec)
    await qemuImg('convert', '-f', 'vdi', '-O', 'raw', path, `${path}.raw`)
    // qemu rounds the size of a disk up to whole blocks of 512 bytes, which all of these are.
    const theirs = await fileDigest(`${path}.raw`)
    t.equal(await ownDigest(path), theirs)
    t.equal(memoryDisk([spec]).sha256(), theirs)
  }
})

t.test('an image that qemu-img made reads as what it was made from', { skip }, async t => {
  const folder = await temporaryFolder(t)
  const raw = Buffer.alloc(5 * MIB + 1024)
  raw.fill('from the start', 0, 700_000)
  raw.fill('to the end', 4 * MIB - 5)
  await writeFile(`${folder}/disk.raw`, raw)
  for (const [name, ...options] of [['dynamic'], ['fixed', '-o', 'static=on']] as const) {
    const path = `${folder}/${name}.vdi`
    await qemuImg('convert', '-f', 'raw', '-O', 'vdi', ...options, `${folder}/disk.raw`, path)
    t.equal(await ownDigest(path), await fileDigest(`${folder}/disk.raw`), name)
  }
})

t.test('qemu-img finds a new base image sound, and empty', { skip }, async t => {
  const folder = await temporaryFolder(t)
  for (const fixed of [false, true]) {
    const path = `${folder}/${fixed}.vdi`
    await createBase(realFiles, path, { capacity: 20 * MIB, fixed })
    t.match(await qemuImg('check', '-f', 'vdi', path), /No errors were found/)
    t.match(JSON.parse(await qemuImg('info', '-f', 'vdi', '--output=json', path)), {
      'virtual-size': 20 * MIB,
    })
    await writeFile(`${path}.raw`, Buffer.alloc(20 * MIB))
    t.match(await qemuImg('compare', '-f', 'vdi', '-F', 'raw', path, `${path}.raw`), /Images are identical/)
  }
})
