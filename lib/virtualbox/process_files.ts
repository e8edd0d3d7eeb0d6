import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import process from 'node:process'
import type { FileStat } from '../io/files.ts'

/** What tells a file from all others of a computer, whatever its names. */
export type FileIdentity = Pick<FileStat, 'device' | 'inode'>

/** The part of Linux's /proc that is looked at; tests replace it. Paths are relative to it. */
export interface ProcessFiles {
  /** Names in a folder; undefined when it cannot be read. */
  readonly list: (path: string) => Promise<readonly string[] | undefined>
  /** The beginning of a file, at most `mostBytes` long; undefined when it cannot be read. */
  readonly read: (path: string, mostBytes: number) => Promise<Uint8Array | undefined>
  /** Where a link points; undefined when it cannot be read. */
  readonly target: (path: string) => Promise<string | undefined>
  /** Device and inode of what a link leads to; undefined when it cannot be read. */
  readonly identity: (path: string) => Promise<FileIdentity | undefined>
}

/**
 * The processes of this computer; on other systems than Linux nothing can be read. What /proc holds is in memory, and
 * there are thousands of links to read: waiting for each in turn would take ten times as long.
 */
export const realProcessFiles: ProcessFiles = {
  list: path => onLinux(async () => readdirSync(`/proc/${path}`)),
  read: (path, mostBytes) => onLinux(async () => readStart(`/proc/${path}`, mostBytes)),
  target: path => onLinux(async () => readlinkSync(`/proc/${path}`)),
  identity: path =>
    onLinux(async () => {
      const { dev, ino } = await stat(`/proc/${path}`, { bigint: true })
      return { device: dev, inode: ino }
    }),
}

function readStart(path: string, mostBytes: number): Uint8Array {
  const file = openSync(path, 'r')
  try {
    const buffer = new Uint8Array(mostBytes)
    let length = 0
    for (let count = -1; count !== 0 && length < mostBytes; length += count) {
      count = readSync(file, buffer, length, mostBytes - length, null)
    }
    return buffer.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

/** Processes end while they are looked at, and those of other users are closed to us: both read as nothing. */
async function onLinux<T>(read: () => Promise<T>): Promise<T | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    return await read()
  } catch {
    return undefined
  }
}
