import { isAbsolute, join } from 'node:path'
import * as v from 'valibot'
import type { Files } from '../io/files.ts'
import type { Uuid } from './machine.ts'
import type { RegisteredMachine } from './registry.ts'

const PREFIX = 'vboxmerge-away-'
const SUFFIX = '.json'
const MAX_BYTES = 64 * 1024
const NoteSchema = v.object({ machine: v.string(), settingsFile: v.pipe(v.string(), v.minLength(1)) })

/**
 * Where it is noted that a machine has been taken out of VirtualBox for the time of a run, so that it is found
 * by name or UUID should the run die meanwhile.
 */
export function awayNotePath(vboxUserHome: string, machine: Uuid): string {
  return join(vboxUserHome, `${PREFIX}${machine}${SUFFIX}`)
}

/** Encodes such a note. */
export function encodeAwayNote(machine: Uuid, settingsFile: string): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ machine, settingsFile })}\n`)
}

/** The machines that interrupted runs left outside of VirtualBox. Notes that cannot be read are passed over. */
export async function readAwayNotes(files: Files, vboxUserHome: string): Promise<RegisteredMachine[]> {
  const machines: RegisteredMachine[] = []
  if ((await files.stat(vboxUserHome))?.kind === 'file') return machines
  for (const name of await files.list(vboxUserHome)) {
    if (!name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) continue
    const path = join(vboxUserHome, name)
    const stat = await files.stat(path)
    if (stat?.kind !== 'file' || stat.size > MAX_BYTES) continue
    const note = decodeAwayNote(new TextDecoder().decode(await files.readFile(path, MAX_BYTES)))
    if (note !== undefined && path === awayNotePath(vboxUserHome, note.id)) machines.push(note)
  }
  return machines
}

function decodeAwayNote(text: string): RegisteredMachine | undefined {
  try {
    const parsed = v.safeParse(NoteSchema, JSON.parse(text))
    if (!parsed.success) return undefined
    const { machine, settingsFile } = parsed.output
    return isAbsolute(settingsFile) ? { id: machine, settingsFile } : undefined
  } catch {
    return undefined
  }
}
