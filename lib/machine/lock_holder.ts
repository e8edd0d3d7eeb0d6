import * as v from 'valibot'
import type { HostFacts, ProcessFacts } from './host_facts.ts'

/** Who holds a lock, as its file says. */
export interface LockHolder extends ProcessFacts {
  /** Tells this lock from every other that there ever was. */
  readonly token: string
  /** When it was taken, `2026-01-31T12:00:00.000Z`. */
  readonly since: string
}

const FORMAT = 'vboxmerge-lock'
const VERSION = 1

/** No lock file is longer. */
export const MAX_LOCK_BYTES = 4096

const Text = v.pipe(v.string(), v.maxLength(500))
const HolderSchema = v.object({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  token: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  host: Text,
  hostId: v.optional(Text),
  boot: v.optional(Text),
  pidSpace: v.optional(Text),
  pid: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 32)),
  processStart: v.optional(Text),
  user: Text,
  since: v.pipe(v.string(), v.isoTimestamp()),
})

/** Returns the bytes of a lock file. */
export function encodeHolder(holder: LockHolder): Uint8Array {
  const { token, since, user, host, hostId, boot, pidSpace, pid, processStart } = holder
  const document = {
    format: FORMAT,
    version: VERSION,
    token,
    since,
    user,
    host,
    hostId,
    boot,
    pidSpace,
    pid,
    processStart,
  }
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 2)}\n`)
}

/** Returns what a lock file says, or undefined when this version cannot read it. */
export function decodeHolder(bytes: Uint8Array): LockHolder | undefined {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
  const parsed = v.safeParse(HolderSchema, document)
  if (!parsed.success) return undefined
  const { token, since, user, host, hostId, boot, pidSpace, pid, processStart } = parsed.output
  return { token, since, user, host, hostId, boot, pidSpace, pid, processStart }
}

/**
 * Tells whether the holder of a lock is certainly gone: its process on this computer has ended, or this
 * computer has been started again since. What cannot be known from here (another host, another
 * container) is never taken for gone.
 */
export async function isGone(holder: LockHolder, self: ProcessFacts, facts: HostFacts): Promise<boolean> {
  const sameBoot = holder.boot !== undefined && holder.boot === self.boot
  // A boot is a better name for a computer than a host name, which may change while it runs.
  if (!sameBoot && (holder.host !== self.host || holder.hostId !== self.hostId)) return false
  if (!sameBoot && holder.boot !== undefined && self.boot !== undefined) return true
  if (holder.boot !== self.boot || holder.pidSpace !== self.pidSpace) return false
  const state = await facts.process(holder.pid)
  if (state === 'gone') return true
  if (holder.processStart === undefined || state.start === undefined) return false
  return holder.processStart !== state.start
}

/** Returns who holds a lock and for how long, for a message: `process 12 of user "bob" on host "pc" has held it for 3 minutes`. */
export function describeHolder(holder: LockHolder, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(holder.since)) / 1000))
  const who = `process ${holder.pid} of user ${JSON.stringify(holder.user)} on host ${JSON.stringify(holder.host)}`
  return `${who} has held it for ${describeSeconds(seconds)}`
}

function describeSeconds(seconds: number): string {
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const
  for (const [unit, length] of units) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}s`
  }
  return seconds === 1 ? '1 second' : `${seconds} seconds`
}
