import type { OpenFile } from '../../io/files.ts'

/** Bytes that are written between two flushes on the way. */
export const EARLY_FLUSH_BYTES: number = 64 * 1024 * 1024

/** Flushes a file now and then while it is written, one flush at a time. */
export interface EarlyFlush {
  /** Is told of bytes that were written. */
  wrote(bytes: number): void
  /** Waits for the flush under way; rejects when one failed, also an earlier one. */
  settled(): Promise<void>
}

/**
 * Returns what keeps the disk busy with writing while the next blocks are read. Left to itself, a system with
 * much memory writes nothing until it is told to, and what could have been done meanwhile comes on top.
 *
 * The caller flushes at the end all the same. After a failure no more flushes are started.
 */
export function earlyFlush(file: Pick<OpenFile, 'sync'>): EarlyFlush {
  let unflushed = 0
  let flush: Promise<void> | undefined
  return {
    wrote: bytes => {
      unflushed += bytes
      if (unflushed < EARLY_FLUSH_BYTES || flush !== undefined) return
      unflushed = 0
      flush = file.sync().then(() => {
        flush = undefined
      })
      // It is met in `settled`; until then it must not count as unhandled.
      flush.catch(() => undefined)
    },
    settled: async () => await flush,
  }
}
