import type { Files } from './files.ts'

/** Bytes that are held of a file at once. */
const PIECE_BYTES = 2 ** 20

/**
 * Yields the content of a file in pieces of at most a MiB. The memory of a piece is used again for the next one.
 *
 * @throws RangeError when the file is longer than `maxBytes`
 */
export async function* readPieces(files: Files, path: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const file = await files.open(path, 'read')
  try {
    const { size } = await file.stat()
    // A read may be short before the end, which only one without a byte shows.
    const memory = new Uint8Array(Math.min(size || 1, PIECE_BYTES))
    for (let at = 0; ; ) {
      const length = await file.read(memory, at)
      at += length
      if (at > maxBytes) {
        throw new RangeError(`Cannot read ${JSON.stringify(path)}: it is longer than ${maxBytes} bytes`)
      }
      if (length === 0) return
      yield memory.subarray(0, length)
    }
  } finally {
    await file.close()
  }
}
