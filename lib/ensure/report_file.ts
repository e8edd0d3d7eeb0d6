import { Buffer } from 'node:buffer'
import { dirname, resolve } from 'node:path'
import { VboxmergeError } from '../errors.ts'
import { removeIfThere, replaceFile, temporaryOf, writeNewFile } from '../io/durable_file.ts'
import { errorCode } from '../io/errno.ts'
import type { FileStat, Files } from '../io/files.ts'

/** What every report begins with, so that no other file is taken for one. */
export const REPORT_START = '<!doctype html>\n<!-- A report of vboxmerge. -->\n'

/**
 * Checks that a report can be written to a path, by writing a file beside it and taking it away again.
 *
 * @param path Absolute, or relative to `cwd`.
 * @returns The absolute path.
 * @throws {VboxmergeError} `invalid_options` when its folder is missing or may not be written to, or when what has
 * this name is no report.
 */
export async function claimReport(files: Files, path: string, cwd: string): Promise<string> {
  const absolute = resolve(cwd, path)
  const folder = dirname(absolute)
  if ((await files.realPath(folder)) === undefined) {
    throw refusal(absolute, `there is no folder ${JSON.stringify(folder)}; make it first`)
  }
  const there = await files.stat(absolute)
  if (there !== undefined && !(await isReport(files, absolute, there))) {
    throw refusal(
      absolute,
      'there is something of that name already, which is no report; choose another name',
    )
  }
  const probe = `${absolute}.vboxmerge-tmp`
  try {
    await removeIfThere(files, probe)
    await writeNewFile(files, probe, new Uint8Array(0), undefined)
    await files.unlink(probe)
  } catch (cause) {
    throw refusal(absolute, `${reasonOf(cause)}; choose another place`, cause)
  }
  return absolute
}

/**
 * Writes a report, in the place of an older one if there is one.
 *
 * @param like Whose owner, group and mode a new file gets; an older report keeps its own.
 */
export async function writeReport(
  files: Files,
  path: string,
  text: string,
  like: FileStat | undefined,
): Promise<void> {
  const there = await files.stat(path)
  if (there !== undefined && !(await isReport(files, path, there))) {
    throw refusal(path, 'something else has got that name meanwhile')
  }
  try {
    const bytes = Buffer.from(text)
    if (there === undefined) await replaceFile(files, path, bytes, undefined, like)
    else await replaceFile(files, path, bytes, path)
  } catch (error) {
    await removeIfThere(files, temporaryOf(path)).catch(() => false)
    throw error
  }
}

async function isReport(files: Files, path: string, { kind }: FileStat): Promise<boolean> {
  if (kind !== 'file') return false
  const start = new Uint8Array(REPORT_START.length)
  try {
    const file = await files.open(path, 'read')
    try {
      const length = await file.read(start, 0)
      return Buffer.from(start.subarray(0, length)).toString('latin1') === REPORT_START
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw refusal(path, `${reasonOf(cause)}; choose another name`, cause)
  }
}

function refusal(path: string, problem: string, cause?: unknown): VboxmergeError {
  const message = `Cannot write the report ${JSON.stringify(path)}: ${problem}`
  return new VboxmergeError('invalid_options', message, cause === undefined ? {} : { cause })
}

function reasonOf(error: unknown): string {
  const code = errorCode(error)
  if (code === 'EACCES' || code === 'EPERM') return 'its folder may not be written to'
  if (code === 'EROFS') return 'its file system is read-only'
  return error instanceof Error ? error.message : String(error)
}
