import * as v from 'valibot'
import type { Files } from '../io/files.ts'
import type { RunningInfo } from './info_types.ts'
import { livingHolder } from './lock.ts'

/** What a run tells of itself while it works. */
export interface RunStatus {
  /** That of the lock which the run holds, so that what a dead run left says nothing. */
  readonly token: string
  readonly operation: string
  readonly step: string | null
  /** Of the whole run; null while that is not known. */
  readonly percent: number | null
  readonly secondsLeft: number | null
}

const FORMAT = 'vboxmerge-status'
const VERSION = 1
const MAX_BYTES = 4096

const Text = v.pipe(v.string(), v.maxLength(1000))
const StatusSchema = v.object({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  token: Text,
  operation: Text,
  step: v.nullable(Text),
  percent: v.nullable(v.pipe(v.number(), v.minValue(0), v.maxValue(100))),
  secondsLeft: v.nullable(v.pipe(v.number(), v.minValue(0))),
})

/** Where a run tells how far it is: beside the `.vbox`, where every user and every computer that sees it may look. */
export function statusPath(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-status`
}

/**
 * Puts a run's status in the place of the one before, in one step. It may be lost in a crash and is worth nothing after
 * one, so nothing is flushed. The caller holds the machine's lock.
 */
export async function writeStatus(files: Files, settingsFile: string, status: RunStatus): Promise<void> {
  const path = statusPath(settingsFile)
  const draft = `${path}.new`
  const text = JSON.stringify({ format: FORMAT, version: VERSION, ...status, step: brief(status.step) })
  await files.unlink(draft).catch(() => undefined)
  const file = await files.open(draft, 'create')
  try {
    await file.write(new TextEncoder().encode(`${text}\n`), 0)
  } finally {
    await file.close()
  }
  await files.rename(draft, path)
}

/** Removes what a run told, with what a dead one left. The caller holds the machine's lock. */
export async function removeStatus(files: Files, settingsFile: string): Promise<void> {
  const path = statusPath(settingsFile)
  await files.unlink(`${path}.new`).catch(() => undefined)
  await files.unlink(path).catch(() => undefined)
}

/** Tells which run works on a machine at this moment, and how far it is; null when none does. Writes nothing. */
export async function readRunning(files: Files, settingsFile: string): Promise<RunningInfo | null> {
  const holder = await livingHolder(files, settingsFile)
  // A lock that cannot be read says nothing of who holds it; whoever wants to work is told.
  if (holder === undefined || holder === 'unreadable') return null
  const status = await readStatus(files, settingsFile)
  const told = status?.token === holder.token ? status : undefined
  return {
    operation: told?.operation ?? null,
    step: told?.step ?? null,
    percent: told?.percent ?? null,
    secondsLeft: told?.secondsLeft ?? null,
    pid: holder.pid,
    host: holder.host,
    started: holder.since,
  }
}

async function readStatus(files: Files, settingsFile: string): Promise<RunStatus | undefined> {
  const path = statusPath(settingsFile)
  try {
    if ((await files.stat(path))?.kind !== 'file') return undefined
    const parsed = v.safeParse(
      StatusSchema,
      JSON.parse(new TextDecoder().decode(await files.readFile(path, MAX_BYTES))),
    )
    return parsed.success ? parsed.output : undefined
  } catch {
    // Whatever is wrong with it, the lock says what matters.
    return undefined
  }
}

/** A path may be longer than a status; its end is what tells. */
function brief(step: string | null): string | null {
  return step !== null && step.length > 400 ? `…${step.slice(-399)}` : step
}
