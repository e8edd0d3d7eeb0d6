import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import process from 'node:process'
import type { SystemCalls } from './system_calls.ts'

/** The number by which the system knows an open file. */
export interface SystemNumber {
  /** Undefined when it cannot be had. */
  get(calls: SystemCalls): Promise<number | undefined>
  close(): Promise<void>
}

/** O_CLOEXEC, the same on all processors that calls are made on. */
const CLOSE_ON_EXEC = 0o2000000

/**
 * Returns the system's number of an open file.
 *
 * Node has it. The numbers of Deno are its own, so the file is opened once more, by its path, never by way of a link,
 * and taken only if that is still the same file.
 *
 * @param writes Whether the file is open for writing.
 * @param isKnown Whether the number of the handle is that of the system.
 */
export function systemNumber(
  handle: FileHandle,
  path: string,
  writes: boolean,
  isKnown: boolean = !('deno' in process.versions),
): SystemNumber {
  if (isKnown) return { get: async () => handle.fd, close: async () => undefined }
  let opened: { readonly calls: SystemCalls; readonly file: number } | undefined
  const get = async (calls: SystemCalls): Promise<number | undefined> => {
    const access = writes ? constants.O_RDWR : constants.O_RDONLY
    const flags = access | constants.O_NOFOLLOW | constants.O_NONBLOCK | CLOSE_ON_EXEC
    const own = await handle.stat({ bigint: true }).catch(() => undefined)
    if (own === undefined) return undefined
    // From here on nothing is waited for, so that no second call opens it as well.
    if (opened !== undefined) return opened.file
    const file = calls.open(path, flags)
    if (file === undefined) return undefined
    const found = calls.identity(file)
    if (found?.device === own.dev && found.inode === own.ino) {
      opened = { calls, file }
      return file
    }
    calls.close(file)
    return undefined
  }
  const close = async (): Promise<void> => {
    opened?.calls.close(opened.file)
    opened = undefined
  }
  return { get, close }
}
