import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { blake2b } from '../../../lib/guest/checksums/blake2b.ts'
import { requireTools, runTool } from '../../fixtures/guest/tools.ts'
import { randomFrom, seedOfRun } from '../../fixtures/random.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'

const seed = seedOfRun()

/** Around the ends of blocks of 128 bytes. */
const LENGTHS = [0, 1, 3, 127, 128, 129, 255, 256, 257, 4064, 16352]

t.test('blake2b() gives what Node.js gives for 64 bytes', async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  for (const length of LENGTHS) {
    const bytes = bytesOf(length)
    const theirs = createHash('blake2b512').update(bytes).digest('hex')
    t.equal(Buffer.from(blake2b(bytes, 64)).toString('hex'), theirs, `${length} bytes`)
  }
})

t.test('blake2b() gives what b2sum gives for 32 bytes', { skip: requireTools('b2sum') }, async t => {
  t.comment(`VBOXMERGE_SEED=${seed}`)
  const path = `${await temporaryFolder(t)}/file`
  for (const length of LENGTHS) {
    const bytes = bytesOf(length)
    await writeFile(path, bytes)
    const { stdout } = await runTool('b2sum', '-l', '256', path)
    t.equal(Buffer.from(blake2b(bytes, 32)).toString('hex'), stdout.slice(0, 64), `${length} bytes`)
  }
})

function bytesOf(length: number): Uint8Array {
  const random = randomFrom(seed + length)
  return Uint8Array.from({ length }, () => random.between(0, 255))
}
