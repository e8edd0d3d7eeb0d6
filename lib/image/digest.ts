import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { ChainView, Extent } from './chain_view.ts'

/** How a digest is made. */
export interface DigestOptions {
  /** Stops the work; the promise rejects with its reason. */
  readonly signal?: AbortSignal
  /** Is told how many bytes of the disk are done, and how many there are, every few megabytes. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What a digest needs of a disk. */
export type DigestSource = Pick<ChainView, 'capacity' | 'read' | 'extents'>

/** Bytes read ahead while others are hashed. */
const CHUNK = 4 * 1024 * 1024

const ZEROS = new Uint8Array(CHUNK)

/**
 * Returns the SHA-256 of a whole virtual disk in lower-case hexadecimal. Of the holes of a disk nothing is
 * read, but hashing their zeros takes the time it takes.
 *
 * @throws What the disk's `read` throws; the signal's reason.
 */
export async function digestDisk(disk: DigestSource, options: DigestOptions = {}): Promise<string> {
  const { signal, onProgress } = options
  const hash = createHash('sha256')
  let done = 0
  for await (const bytes of chunksOf(disk)) {
    signal?.throwIfAborted()
    hash.update(bytes)
    done += bytes.length
    onProgress?.(done, disk.capacity)
    // Hashing blocks this thread, and a signal can be raised only when others get their turn.
    await setImmediate()
  }
  signal?.throwIfAborted()
  return hash.digest('hex')
}

/** Yields the disk from start to end; a chunk's memory is used again when the next but one is asked for. */
async function* chunksOf(disk: DigestSource): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(CHUNK), new Uint8Array(CHUNK)] as const
  let turn: 0 | 1 = 0
  let ahead: Promise<Uint8Array> | undefined
  try {
    for (const piece of pieces(disk.extents())) {
      const next = chunk(disk, piece, buffers[turn])
      // A failure is met when this chunk's turn comes; until then it must not count as unhandled.
      next.catch(() => undefined)
      turn = turn === 0 ? 1 : 0
      const ready = ahead
      ahead = next
      if (ready !== undefined) yield await ready
    }
    if (ahead !== undefined) yield await ahead
  } finally {
    await ahead?.catch(() => undefined)
  }
}

async function chunk(disk: DigestSource, piece: Extent, buffer: Uint8Array): Promise<Uint8Array> {
  if (piece.kind === 'zero') return ZEROS.subarray(0, piece.length)
  const bytes = buffer.subarray(0, piece.length)
  await disk.read(bytes, piece.start)
  return bytes
}

function* pieces(extents: Iterable<Extent>): Generator<Extent> {
  for (const { start, length, kind } of extents) {
    for (let at = 0; at < length; at += CHUNK) {
      yield { start: start + at, length: Math.min(CHUNK, length - at), kind }
    }
  }
}
