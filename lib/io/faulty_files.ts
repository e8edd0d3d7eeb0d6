import { errnoError } from './errno.ts'
import type { Files } from './files.ts'
import {
  CHANGING_OPERATIONS,
  type FileCall,
  type FileOperation,
  interceptedFiles,
} from './intercepted_files.ts'
import { SECTOR_SIZE } from './memory_content.ts'

/** A fault that is to happen. */
export interface Fault {
  /** Which calls it can hit: one operation, every `changing` one, or `any`. */
  readonly operation: FileOperation | 'changing' | 'any'
  /** Hits only calls on this path, or on paths that match. Default: all. */
  readonly path?: string | RegExp
  /** The how-manieth of these calls is hit, from 1 on. */
  readonly at: number
  /** Hits every later one too. Default false. */
  readonly sticky?: boolean
  /** The code of what is thrown, such as ENOSPC, EACCES or EDQUOT. Default EIO. */
  readonly error?: string
  /**
   * Does the first half of a `read`, or the sectors in the first half of a `write`. A read then ends early, as in
   * a file that was cut by someone else; a write throws `error` (default ENOSPC) after it.
   */
  readonly short?: boolean
}

/** Files that fail as told. */
export interface FaultyFiles {
  readonly files: Files
  /** Calls so far that the operation (and path) of each fault names, in the order of the faults. */
  readonly counts: readonly number[]
  /** Number of calls that were hit. */
  hits(): number
}

/** Returns files over `files` on which the given faults happen. */
export function faultyFiles(files: Files, faults: readonly Fault[]): FaultyFiles {
  const counts = faults.map(() => 0)
  let hits = 0
  const strike = (call: FileCall): Fault | undefined => {
    let struck: Fault | undefined
    faults.forEach((fault, index) => {
      if (!concerns(fault, call)) return
      const count = (counts[index] ?? 0) + 1
      counts[index] = count
      if (count === fault.at || (fault.sticky === true && count > fault.at)) struck ??= fault
    })
    if (struck !== undefined) hits++
    return struck
  }
  const wrapped = interceptedFiles(files, async (call, run) => {
    const fault = strike(call)
    if (fault === undefined) return run()
    const half = Math.floor((call.bytes ?? 0) / 2)
    if (fault.short === true && call.operation === 'read') return run(half)
    if (fault.short === true && call.operation === 'write') await run(sectorsIn(call, half))
    // A file that cannot be closed is still closed: nothing else would free it.
    if (call.operation === 'close') await run()
    throw errnoError(fault.error ?? (fault.short === true ? 'ENOSPC' : 'EIO'), call.operation, call.path)
  })
  return { files: wrapped, counts, hits: () => hits }
}

/** Systems do not end a write between two bytes of a sector. */
function sectorsIn({ position = 0 }: FileCall, bytes: number): number {
  const end = position + bytes
  return Math.max(0, end - (end % SECTOR_SIZE) - position)
}

function concerns({ operation, path }: Fault, call: FileCall): boolean {
  if (operation === 'changing') {
    if (!CHANGING_OPERATIONS.has(call.operation)) return false
  } else if (operation !== 'any' && operation !== call.operation) return false
  if (path === undefined) return true
  const paths = call.to === undefined ? [call.path] : [call.path, call.to]
  return paths.some(one => (typeof path === 'string' ? one === path : path.test(one)))
}
