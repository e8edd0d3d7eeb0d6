import { loadKoffi } from './load_koffi.ts'
import { systemCalls } from './system_calls.ts'
import type { SystemNumber } from './system_number.ts'

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
 * everything where the calls cannot be reached (see `systemCalls`).
 */
export async function copyExtendedAttributes(from: SystemNumber, to: SystemNumber): Promise<void> {
  const system = systemCalls()
  if (system === undefined) return
  found ??= { calls: load() }
  const { calls } = found
  const [source, target] = await Promise.all([from.get(system), to.get(system)])
  if (calls === undefined || source === undefined || target === undefined) return
  const names = namesOf(calls, source)
  for (const name of names) {
    if (SUMS.has(name) || !KEPT.some(kept => kept.test(name))) continue
    const value = new Uint8Array(MOST_BYTES)
    const length = calls.get(source, name, value, value.length)
    if (length >= 0) calls.set(target, name, value, length, 0)
  }
  if (!names.includes(ACCESS_LIST)) calls.remove(target, ACCESS_LIST)
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
  try {
    const library = loadKoffi()?.load(null)
    if (library === undefined) return undefined
    return {
      list: library.func('long flistxattr(int file, void *list, size_t size)') as AttributeCalls['list'],
      get: library.func(
        'long fgetxattr(int file, const char *name, void *value, size_t size)',
      ) as AttributeCalls['get'],
      set: library.func(
        'int fsetxattr(int file, const char *name, void *value, size_t size, int flags)',
      ) as AttributeCalls['set'],
      remove: library.func('int fremovexattr(int file, const char *name)') as AttributeCalls['remove'],
    }
  } catch {
    // Another C library.
    return undefined
  }
}
