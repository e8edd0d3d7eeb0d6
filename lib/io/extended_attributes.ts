import type { FileHandle } from 'node:fs/promises'
import { systemLibrary } from './koffi.ts'

/** The system's calls, see listxattr(2) and its kin. */
interface AttributeCalls {
  list(file: number, names: Uint8Array, size: number): number
  get(file: number, name: string, value: Uint8Array, size: number): number
  set(file: number, name: string, value: Uint8Array, size: number, flags: number): number
  remove(file: number, name: string): number
}

/** No list of names and no value is longer (XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h). */
const MOST_BYTES = 65_536

const ACCESS_LIST = 'system.posix_acl_access'

/** What belongs to a file and not to its content: a user's own, labels, access lists. */
const KEPT = [/^user\./, /^trusted\./, /^btrfs\./, /^security\./, /^system\.(posix_acl_access|nfs4_acl)$/]

/** Sums over the content of one certain file, which the system makes itself. */
const SUMS: ReadonlySet<string> = new Set(['security.ima', 'security.evm'])

let found: { readonly calls: AttributeCalls | undefined } | undefined

/**
 * Gives a file the extended attributes of another: access lists, labels, and what users have noted. An access list that
 * it got from its folder goes when the other one has none. What the system does not let be set is left out, and so is
 * everything where the calls cannot be reached (see `systemLibrary`).
 */
export function copyExtendedAttributes(from: FileHandle, to: FileHandle): void {
  found ??= { calls: load() }
  const { calls } = found
  if (calls === undefined) return
  const names = namesOf(calls, from.fd)
  for (const name of names) {
    if (SUMS.has(name) || !KEPT.some(kept => kept.test(name))) continue
    const value = new Uint8Array(MOST_BYTES)
    const length = calls.get(from.fd, name, value, value.length)
    if (length >= 0) calls.set(to.fd, name, value, length, 0)
  }
  if (!names.includes(ACCESS_LIST)) calls.remove(to.fd, ACCESS_LIST)
}

function namesOf(calls: AttributeCalls, file: number): string[] {
  const list = new Uint8Array(MOST_BYTES)
  const length = calls.list(file, list, list.length)
  return new TextDecoder()
    .decode(list.subarray(0, Math.max(0, length)))
    .split('\0')
    .filter(Boolean)
}

function load(): AttributeCalls | undefined {
  const library = systemLibrary()
  if (library === undefined) return undefined
  try {
    return {
      list: library.func('long flistxattr(int file, void *list, size_t size)'),
      get: library.func('long fgetxattr(int file, const char *name, void *value, size_t size)'),
      set: library.func('int fsetxattr(int file, const char *name, void *value, size_t size, int flags)'),
      remove: library.func('int fremovexattr(int file, const char *name)'),
    }
  } catch {
    // Another C library.
    return undefined
  }
}
