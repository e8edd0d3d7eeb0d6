import { createHash } from 'node:crypto'
import { withAlignedBuffer } from '../io/aligned_buffer.ts'
import type { FileStat, Files, OpenFile } from '../io/files.ts'
import { isZero } from './zero.ts'

/** How a file is copied. */
export interface CopyWork {
  readonly signal?: AbortSignal | undefined
  /** Is told of bytes as they are done. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Is asked once it is known that whole blocks have to be copied, because files cannot share them; may throw. */
  readonly beforeCopy?: (() => Promise<void>) | undefined
  /** Permission bits, owner and group of the new file. Default: those of the old one. */
  readonly like?: Pick<FileStat, 'mode' | 'owner' | 'group'>
}

const PIECE_BYTES = 4 * 1024 * 1024

/** Files share whole blocks, mostly of this many bytes. */
const SHARED_UNIT = 4096

/** Bytes shared with one call. */
const SHARE_BYTES = 1024 * 1024 * 1024

/**
 * Makes a new file with the content of another one, and flushes it; its name is durable once its folder is flushed.
 * Where the file system can, both share their place on the disk; zeros become holes where it has them.
 *
 * What is left of the new file after a failure is the caller's to remove.
 */
export async function copyFile(
  files: Files,
  from: string,
  to: string,
  work: CopyWork = {},
): Promise<'shared' | 'copied'> {
  const source = await files.open(from, 'read')
  try {
    const stat = await source.stat()
    const target = await files.open(to, 'create')
    try {
      await target.truncate(stat.size)
      const shared = await shareAll(source, target, stat.size, work)
      if (shared === 0 && stat.size >= SHARED_UNIT) {
        await work.beforeCopy?.()
        // What stands where sharing was refused is not defined; behind the end there are zeros.
        await target.truncate(0)
        await target.truncate(stat.size)
      }
      for (let at = shared; at < stat.size; at += PIECE_BYTES) {
        work.signal?.throwIfAborted()
        const length = Math.min(PIECE_BYTES, stat.size - at)
        // Where sharing was refused on the way zeros have to be written, too.
        await copyPiece(source, target, at, length, shared === 0 ? 'holes' : 'whole')
        work.onBytes?.(length)
      }
      await target.copyAttributes(source)
      await target.copyOwner({ ...stat, ...work.like })
      await target.sync()
      return shared === 0 ? 'copied' : 'shared'
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/**
 * SHA-256 of a file in lower-case hexadecimal.
 *
 * @param most How many bytes from the start are read. Default: all.
 */
export async function hashFile(
  files: Files,
  path: string,
  { signal, most }: { readonly signal?: AbortSignal | undefined; readonly most?: number } = {},
): Promise<string> {
  const file = await files.open(path, 'read')
  try {
    const hash = createHash('sha256')
    const size = Math.min((await file.stat()).size, most ?? Number.POSITIVE_INFINITY)
    await withAlignedBuffer(PIECE_BYTES, async memory => {
      for (let at = 0; at < size; at += PIECE_BYTES) {
        signal?.throwIfAborted()
        const piece = memory.subarray(0, Math.min(PIECE_BYTES, size - at))
        hash.update(piece.subarray(0, await file.read(piece, at)))
      }
    })
    return hash.digest('hex')
  } finally {
    await file.close()
  }
}

/** Returns how many bytes from the start are shared now. */
async function shareAll(
  source: OpenFile,
  target: OpenFile,
  size: number,
  { onBytes }: CopyWork,
): Promise<number> {
  const whole = size - (size % SHARED_UNIT)
  for (let at = 0; at < whole; ) {
    const length = Math.min(SHARE_BYTES, whole - at)
    if (!(await target.share(source, at, length, at))) return at
    onBytes?.(length)
    at += length
  }
  return whole
}

async function copyPiece(
  source: OpenFile,
  target: OpenFile,
  at: number,
  length: number,
  zeros: 'holes' | 'whole',
): Promise<void> {
  await withAlignedBuffer(PIECE_BYTES, async memory => {
    const piece = memory.subarray(0, length)
    const done = await source.read(piece, at)
    if (done < length) throw new RangeError(`Cannot copy a file: it became shorter than ${at + length} bytes`)
    if (zeros === 'whole' || !isZero(piece)) await target.write(piece, at)
  })
}
