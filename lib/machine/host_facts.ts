import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { userName } from './current_user.ts'

/** What tells this process from every other one, on this computer and on others that share its files. */
export interface ProcessFacts {
  /** Name of the host. */
  readonly host: string
  /** What tells hosts of the same name apart, where the system has it. */
  readonly hostId: string | undefined
  /** Changes with every start of the system (Linux). */
  readonly boot: string | undefined
  /** The space in which `pid` is a name (Linux: containers have their own). */
  readonly pidSpace: string | undefined
  readonly pid: number
  /** Changes when another process gets the same number; of use only for comparing. */
  readonly processStart: string | undefined
  readonly user: string
}

/** What is known about a process number: `gone`, or when it started, as far as the system tells. */
export type ProcessState = 'gone' | { readonly start: string | undefined }

/** The little that locks need to know about this computer and its processes. */
export interface HostFacts {
  /** Facts about this process. */
  self(): Promise<ProcessFacts>
  /** Looks for a process of this computer (and of this process's own process space). */
  process(pid: number): Promise<ProcessState>
}

/** `HostFacts` of this computer. */
export const realHostFacts: HostFacts = {
  self: async () => {
    const [machineId, boot, pidSpace, start] = await Promise.all([
      textOf('/etc/machine-id'),
      textOf('/proc/sys/kernel/random/boot_id'),
      linkOf('/proc/self/ns/pid'),
      startOf(process.pid),
    ])
    return {
      host: hostname(),
      hostId: machineId === undefined ? undefined : publicId(machineId),
      boot,
      pidSpace,
      pid: process.pid,
      processStart: start === 'gone' ? undefined : start,
      user: userName(),
    }
  },

  process: async pid => {
    if (!exists(pid)) return 'gone'
    const start = await startOf(pid)
    return start === 'gone' ? 'gone' : { start }
  },
}

/** machine-id(5) asks not to show the number itself to others. */
function publicId(machineId: string): string {
  return createHash('sha256').update(`vboxmerge ${machineId}`).digest('hex').slice(0, 16)
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Whatever else went wrong (EPERM: it is another user's), the process may be there.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

async function startOf(pid: number): Promise<string | undefined | 'gone'> {
  if (process.platform === 'win32') return undefined
  if (process.platform !== 'linux') return startFromPs(pid)
  const stat = await textOf(`/proc/${pid}/stat`)
  return stat === undefined ? undefined : startFromStat(stat)
}

/**
 * Reads field 22 (start time in ticks since boot) of /proc/PID/stat, see proc_pid_stat(5). The name in
 * field 2 may hold anything, so fields are counted from its closing parenthesis. A process that has
 * ended and only waits for its parent is `gone`.
 */
export function startFromStat(stat: string): string | undefined | 'gone' {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : fields[22 - 3]
}

async function startFromPs(pid: number): Promise<string | undefined> {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env })
    return stdout.trim() || undefined
  } catch {
    return undefined
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined
  } catch {
    return undefined
  }
}

async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch {
    return undefined
  }
}
