import type { FileHandle } from 'node:fs/promises'
import { systemLibrary } from './koffi.ts'

/** Flushes all of the file system that a file lies in; a failure is no news, because nothing depends on it. */
export type FileSystemFlusher = (handle: FileHandle) => Promise<void>

/** Returns the system's call, see syncfs(2), or undefined where it cannot be reached (see `systemLibrary`). */
export function fileSystemFlusher(): FileSystemFlusher | undefined {
  const syncfs = systemLibrary()?.func('int syncfs(int file)')
  if (syncfs === undefined) return undefined
  return async handle => {
    await new Promise<void>((resolve, reject) => {
      syncfs.async(handle.fd, (error: unknown) => {
        if (error) reject(error)
        else resolve()
      })
    })
  }
}
