import t from 'tap'
import { faultyFiles } from '../../lib/io/faulty_files.ts'
import { readPieces } from '../../lib/io/read_pieces.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'

const MIB = 2 ** 20
const PATH = '/folder/file'

async function fileOf(length: number) {
  const files = new RecordedFiles({ freeBytes: 2 ** 30 })
  const content = Buffer.alloc(length, 'some text that is no period of a MiB ')
  await files.makeFolder('/folder')
  const file = await files.open(PATH, 'create')
  await file.write(content, 0)
  await file.close()
  return { files, content }
}

async function readAll(files: Parameters<typeof readPieces>[0], maxBytes: number) {
  const pieces: Buffer[] = []
  for await (const piece of readPieces(files, PATH, maxBytes)) pieces.push(Buffer.from(piece))
  return { content: Buffer.concat(pieces), lengths: pieces.map(({ length }) => length) }
}

t.test('a file comes in pieces of at most a MiB', async t => {
  for (const length of [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 7]) {
    const { files, content } = await fileOf(length)
    const read = await readAll(files, length)
    t.ok(read.content.equals(content), `${length} bytes`)
    t.equal(read.lengths.length, Math.ceil(length / MIB))
    if (length > 0) await t.rejects(readAll(files, length - 1), RangeError)
  }
})

t.test('reads that are shorter than what was asked for lose nothing', async t => {
  const { files, content } = await fileOf(MIB + 70_000)
  for (const sticky of [false, true]) {
    const short = faultyFiles(files.fork(), [{ operation: 'read', at: 1, short: true, sticky }])
    t.ok((await readAll(short.files, 2 * MIB)).content.equals(content), sticky ? 'each' : 'one')
  }
})
