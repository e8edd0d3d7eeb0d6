import type { Files } from './files.ts'
import { CHANGING_OPERATIONS, type FileCall, interceptedFiles } from './intercepted_files.ts'

/** Files that keep count. */
export interface CountingFiles {
  readonly files: Files
  /** Every call, failed ones too, in order. */
  readonly calls: readonly FileCall[]
  /** Bytes that `read` and `readFile` returned, by path. */
  readonly bytesRead: ReadonlyMap<string, number>
  /** Bytes handed to `write`, by path. */
  readonly bytesWritten: ReadonlyMap<string, number>
  /** The calls that change something on the disk, as lines such as `rename /m/a to /m/b`. */
  changes(): string[]
}

/** Returns files over `files` that count what is asked of them: a run that wrote nothing has no `changes()`. */
export function countingFiles(files: Files): CountingFiles {
  const calls: FileCall[] = []
  const bytesRead = new Map<string, number>()
  const bytesWritten = new Map<string, number>()
  const wrapped = interceptedFiles(files, async (call, run) => {
    calls.push(call)
    if (call.operation === 'write') add(bytesWritten, call.path, call.bytes ?? 0)
    const result = await run()
    if (call.operation === 'read' && typeof result === 'number') add(bytesRead, call.path, result)
    if (result instanceof Uint8Array) add(bytesRead, call.path, result.length)
    return result
  })
  const changes = (): string[] =>
    calls
      .filter(({ operation }) => CHANGING_OPERATIONS.has(operation))
      .map(({ operation, path, to }) => `${operation} ${path}${to === undefined ? '' : ` to ${to}`}`)
  return { files: wrapped, calls, bytesRead, bytesWritten, changes }
}

function add(counts: Map<string, number>, path: string, bytes: number): void {
  counts.set(path, (counts.get(path) ?? 0) + bytes)
}
