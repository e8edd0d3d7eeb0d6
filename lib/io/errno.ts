/** Numbers of the few error names that this project raises itself, as Linux has them. */
const NUMBERS: Readonly<Record<string, number>> = {
  EPERM: -1,
  ENOENT: -2,
  EIO: -5,
  EBADF: -9,
  EACCES: -13,
  EEXIST: -17,
  ENOTDIR: -20,
  EISDIR: -21,
  EINVAL: -22,
  ENOSPC: -28,
  EROFS: -30,
  ENOTEMPTY: -39,
  ELOOP: -40,
  EDQUOT: -122,
}

/** An error of the operating system, in the shape in which Node throws it. */
export interface ErrnoError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  readonly path?: string
}

/** Returns an error that looks like one of Node's own file errors. */
export function errnoError(code: string, syscall: string, path?: string): ErrnoError {
  const where = path === undefined ? '' : ` '${path}'`
  const facts = { code, errno: NUMBERS[code] ?? -1, syscall, ...(path === undefined ? {} : { path }) }
  return Object.assign(new Error(`${code}: ${syscall}${where}`), facts)
}

/** Waits for work on an open file; its errors name the file, which the system does not know by name any more. */
export async function onFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (errorCode(error) !== undefined && error instanceof Error && !('path' in error)) {
      Object.assign(error, { path, message: `${error.message} '${path}'` })
    }
    throw error
  }
}

/** Tells whether a file system had no room left, or a user no share of it. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '')
}

/** Tells whether a permission of Deno's was missing, which is no error of the operating system. */
export function isNotPermitted(error: unknown): boolean {
  return error instanceof Error && error.name === 'NotCapable'
}

/** Returns the name of an operating system error (`ENOENT`), or undefined for any other thrown value. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
